"""The one module that knows which generation of ArviZ is installed.

PyMC 5 returns :class:`arviz.InferenceData` (ArviZ 0.x) and PyMC 6 :class:`xarray.DataTree`
(ArviZ 1.x). Everything else in the package works on plain arrays, on :class:`xarray.Dataset`,
or asks here.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pymc
import xarray as xr

if TYPE_CHECKING:
    from arviz import InferenceData

__all__ = [
    "DATATREE",
    "SAMPLE_DIMS",
    "attributes",
    "convergence",
    "effective_sample_size",
    "from_datatree",
    "mean_standard_error",
    "pareto_smoothed",
    "to_dataset",
    "tree",
]

SAMPLE_DIMS: Final = ("chain", "draw")

# PyMC 5 requires ArviZ below 1 and PyMC 6 ArviZ above it: one flag is both.
DATATREE: Final = int(pymc.__version__.split(".")[0]) >= 6


def attributes(
    extra: Mapping[str, Any] | None = None, sample_dims: Sequence[str] = SAMPLE_DIMS
) -> dict[str, Any]:
    """Attributes of a group as the installed PyMC writes them, in this package's name.

    Parameters
    ----------
    extra : mapping of str to object, optional
        Further attributes, such as ``sampling_time``; they win over the standard ones.
    sample_dims : sequence of str, optional
        Sample dims of the group, which ArviZ 1.x records.

    Returns
    -------
    dict of str to object
        ``created_at``, the library that made the object and the one that inferred it.
    """
    # ArviZ would look the version up among the installed packages' files, in milliseconds
    library = sys.modules[__package__]
    own = {
        "inference_library": library.__name__,
        "inference_library_version": library.__version__,
    }
    if DATATREE:
        from arviz_base import make_attrs

        own["sample_dims"] = list(sample_dims)
    else:
        from arviz.data.base import make_attrs
    return make_attrs(own | dict(extra or {}))


def tree(groups: Mapping[str, xr.Dataset]) -> InferenceData | xr.DataTree:
    """Put groups together, in this order, into what ``pm.sample`` of the installed PyMC returns."""
    if DATATREE:
        return xr.DataTree.from_dict(dict(groups))
    from arviz import InferenceData

    return InferenceData(**groups)


def from_datatree(groups: xr.DataTree) -> InferenceData | xr.DataTree:
    """Turn a file's groups into what ``pm.sample`` of the installed PyMC returns."""
    if DATATREE:
        return groups
    from arviz import InferenceData

    datasets = {name: child.to_dataset() for name, child in groups.children.items()}
    return InferenceData(attrs=groups.attrs, **datasets)


def to_dataset(
    values: Mapping[str, np.ndarray],
    dims: Mapping[str, list[str]],
    coords: Mapping[str, Sequence[Any] | np.ndarray],
) -> xr.Dataset:
    """Label arrays with ArviZ, whose order of variables and default coordinates are PyMC's.

    Parameters
    ----------
    values : mapping of str to ndarray
        Arrays by name.
    dims : mapping of str to list of str
        All dims of each.
    coords : mapping of str to array_like
        Coordinate values of dims.
    """
    if DATATREE:
        from arviz_base import dict_to_dataset

        return dict_to_dataset(
            values, dims=dims, coords=coords, sample_dims=[], check_conventions=False
        )
    from arviz.data.base import dict_to_dataset

    return dict_to_dataset(values, dims=dims, coords=coords, default_dims=[])


def mean_standard_error(draws: xr.Dataset) -> xr.Dataset:
    """Monte Carlo standard error of posterior means, as the installed ArviZ estimates it.

    Parameters
    ----------
    draws : xarray.Dataset
        Variables with dims ``(chain, draw, *others)``.

    Returns
    -------
    xarray.Dataset
        Dims ``others``. NaN with fewer than four draws a chain.
    """
    if DATATREE:
        from arviz_stats import mcse
    else:
        from arviz import mcse
    return mcse(draws, method="mean")


def convergence(draws: np.ndarray) -> tuple[float, float]:
    """Largest R-hat and smallest bulk effective sample size, as the installed ArviZ has them.

    Parameters
    ----------
    draws : ndarray of shape (chains, draws, size)
        Draws of several quantities.

    Returns
    -------
    r_hat : float
        NaN with fewer than two chains or four draws.
    ess : float
        Likewise.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), Rank-normalization, folding, and
    localization: an improved R-hat, Bayesian Analysis 16.
    """
    if DATATREE:
        from arviz_stats import ess, rhat
    else:
        from arviz import ess, rhat
    if len(draws) < 2 or draws.shape[1] < 4:
        return np.nan, np.nan
    dataset = xr.Dataset({"x": ((*SAMPLE_DIMS, "quantity"), draws)})
    with np.errstate(all="ignore"):  # of chains that do not move
        return float(rhat(dataset)["x"].max()), float(ess(dataset)["x"].min())


def effective_sample_size(draws: xr.Dataset) -> xr.Dataset:
    """Number of independent draws whose means would be as precise, by the installed ArviZ.

    Parameters
    ----------
    draws : xarray.Dataset
        Variables with dims ``(chain, draw, *others)``.

    Returns
    -------
    xarray.Dataset
        Dims ``others``. NaN with fewer than four draws a chain.
    """
    if DATATREE:
        from arviz_stats import ess
    else:
        from arviz import ess
    return ess(draws, method="mean")


def pareto_smoothed(log_weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smooth importance weights with the installed ArviZ.

    Parameters
    ----------
    log_weights : ndarray of shape (datasets, draws)
        Log importance weights, up to a constant for each dataset.

    Returns
    -------
    log_weights : ndarray of shape (datasets, draws)
        Smoothed, and normalized to a sum of one for each dataset.
    pareto_k : ndarray of shape (datasets,)
        Estimated shape of the weights' tail.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling, JMLR 25.
    """
    with np.errstate(all="ignore"):  # where the fit of a tail fails, its shape says so
        if DATATREE:
            from arviz_stats.base import array_stats

            smoothed, pareto_k = array_stats.psislw(-log_weights, axis=-1)  # it negates its input
        else:
            from arviz import psislw

            smoothed, pareto_k = psislw(log_weights)
    return np.asarray(smoothed), np.atleast_1d(pareto_k)

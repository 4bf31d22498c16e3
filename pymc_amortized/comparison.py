"""How far apart posteriors of the same parameters are, whatever made them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from pymc_amortized.generation import SAMPLE_DIMS, mean_standard_error
from pymc_amortized.inference_data import Fit, group

__all__ = ["Parameters", "aligned_parameters", "compare"]


class Parameters(NamedTuple):
    """Scalar parameters of one fit.

    `draws` has shape ``(chains, draws, parameters)``; `labels` has the name of each parameter as
    ``az.summary`` writes it and `variables` that of the variable it belongs to.
    """

    draws: np.ndarray
    labels: list[str]
    variables: list[str]


def compare(
    fits: Mapping[str, Fit],
    *,
    reference: str | None = None,
    var_names: str | Sequence[str] | None = None,
) -> pd.DataFrame:
    """Tabulate how far fits of the same model are apart, parameter by parameter.

    Parameters
    ----------
    fits : mapping of str to arviz.InferenceData, xarray.DataTree or xarray.Dataset
        At least two fits by name, each with a group ``posterior`` of dims ``chain``, ``draw`` and
        any others; a Dataset is taken for the posterior itself. Numbers of chains and draws may
        differ; the other dims are matched by their coordinates.
    reference : str, optional
        Name of the fit that the others are measured against; by default the last one.
    var_names : str or sequence of str, optional
        Variables to compare; by default those that all fits hold.

    Returns
    -------
    pandas.DataFrame
        One row per scalar parameter, labelled as by ``az.summary``. With more than two fits the
        rows have one more, outer level: the fit. The columns are

        - ``mean``, ``sd`` and ``reference_mean``, ``reference_sd``: of the draws;
        - ``mean_difference``: (mean - reference mean) / reference sd;
        - ``z``: (mean - reference mean) / sqrt(mcse² + reference mcse²), the same in Monte Carlo
          standard errors [1]_: about standard normal if the posteriors are one;
        - ``sd_ratio``: sd / reference sd;
        - ``wasserstein``: the 1-Wasserstein distance of the draws [2]_ / reference sd, which sees
          differences of shape too. It is never below the absolute ``mean_difference``.

        A number is NaN where it does not exist: all that is divided by the sd of a reference
        that is constant, ``z`` where both fits are constant or a chain has fewer than four draws,
        and everything where draws are NaN or infinite.

    Raises
    ------
    ValueError
        If there are fewer than two fits, `reference` or `var_names` are not among them, the fits
        have no variable in common, or the dims or coordinates of a variable differ.
    KeyError
        If a fit has no group ``posterior``.
    TypeError
        If `fits` is no mapping, or a fit is none of the above.

    References
    ----------
    .. [1] Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021). Rank-normalization, folding,
       and localization: an improved R-hat. Bayesian Analysis 16(2).
    .. [2] Ramdas, García Trillos and Cuturi (2017). On Wasserstein two-sample testing and
       related families of nonparametric tests. Entropy 19(2), 47.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> rng = np.random.default_rng(1)
    >>> draws = {name: rng.normal(mean, 1, (4, 1000)) for name, mean in {"a": 0.5, "b": 0}.items()}
    >>> fits = {name: xr.Dataset({"mu": (("chain", "draw"), x)}) for name, x in draws.items()}
    >>> compare(fits).loc["mu", "mean_difference"].round(1)
    np.float64(0.5)
    """
    _check_number(fits, 2)
    reference = list(fits)[-1] if reference is None else reference
    if reference not in fits:
        raise ValueError(
            f"reference: expected one of {', '.join(fits)}, got {reference!r}. "
            "Name one of the fits, or leave it out for the last one."
        )
    parameters = aligned_parameters(fits, var_names=var_names, reference=reference)
    base = parameters.pop(reference)
    moments = _moments(base.draws)
    tables = {
        name: pd.DataFrame(
            _distances(fit.draws, base.draws, moments), pd.Index(fit.labels, name="parameter")
        )
        for name, fit in parameters.items()
    }
    if len(tables) == 1:
        return next(iter(tables.values()))
    return pd.concat(tables, names=["fit"])


def aligned_parameters(
    fits: Mapping[str, Fit],
    *,
    var_names: str | Sequence[str] | None = None,
    reference: str | None = None,
) -> dict[str, Parameters]:
    """Match the scalar parameters of fits by name and coordinates.

    Parameters
    ----------
    fits : mapping of str to arviz.InferenceData, xarray.DataTree or xarray.Dataset
        Fits by name, with a group ``posterior``.
    var_names : str or sequence of str, optional
        Variables wanted; by default those that all fits hold.
    reference : str, optional
        The fit whose order of variables, dims and coordinates is taken; by default the last one.

    Returns
    -------
    dict of str to Parameters
        For each fit the same parameters in the same order.

    Raises
    ------
    ValueError
        As :func:`compare`.
    """
    _check_number(fits, 1)
    posteriors = {name: _posterior(name, fit) for name, fit in fits.items()}
    base = posteriors[list(fits)[-1] if reference is None else reference]
    names = _variable_names(posteriors, base, var_names)
    return {
        fit: _flatten({name: _align(posterior[name], base[name], fit) for name in names})
        for fit, posterior in posteriors.items()
    }


def _check_number(fits: Mapping[str, Fit], least: int) -> None:
    """Refuse too few fits, and those without names."""
    example = 'Pass for example {"amortized": idata, "NUTS": nuts}.'
    if not isinstance(fits, Mapping):
        raise TypeError(
            f"fits: expected a mapping from names to fits, got {type(fits).__name__}. {example}"
        )
    if len(fits) < least:
        raise ValueError(
            f"fits: expected at least {('one fit', 'two fits')[least - 1]} by name, got "
            f"{', '.join(fits) or 'none'}. {example}"
        )


def _posterior(name: str, fit: Fit) -> xr.Dataset:
    """The posterior of a fit, complained about by the fit's name if it is not one."""
    try:
        return group(fit, "posterior")
    except (KeyError, TypeError) as error:
        raise type(error)(f"fits[{name!r}]: {error.args[0]}") from None


def _variable_names(
    posteriors: Mapping[str, xr.Dataset], base: xr.Dataset, wanted: str | Sequence[str] | None
) -> list[Hashable]:
    """The wanted variables, or all common ones in the order of the reference."""
    if wanted is None:
        names = [name for name in base if all(name in data for data in posteriors.values())]
        if not names:
            held = "; ".join(f"{fit}: {_listed(data)}" for fit, data in posteriors.items())
            raise ValueError(
                f"fits: expected variables that all fits hold, got {held}. Compare fits of one "
                "model, or rename their variables alike."
            )
        return names
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    if not names:
        raise ValueError("var_names: expected at least one name, got none.")
    for fit, data in posteriors.items():
        if missing := [name for name in names if name not in data]:
            raise ValueError(
                f"var_names: expected variables of {fit!r} ({_listed(data)}), got "
                f"{_listed(missing)}. Leave out what not all fits hold."
            )
    return names


def _align(variable: xr.DataArray, base: xr.DataArray, fit: str) -> xr.DataArray:
    """`variable` with the dims in the order of `base`, and the coordinates too."""
    dims = [dim for dim in base.dims if dim not in SAMPLE_DIMS]
    if set(variable.dims) != {*SAMPLE_DIMS, *dims}:
        raise ValueError(
            f"fits: expected {base.name!r} to have the dims ({_listed([*SAMPLE_DIMS, *dims])}) in "
            f"every fit, as in the reference, got ({_listed(variable.dims)}) in {fit!r}. Select "
            "from, or rename, one of them."
        )
    for dim in dims:
        ours, theirs = variable.get_index(dim), base.get_index(dim)
        if ours.equals(theirs):
            continue
        absent, surplus = theirs.difference(ours, sort=False), ours.difference(theirs, sort=False)
        if len(absent) or len(surplus) or not ours.is_unique:
            raise ValueError(
                f"fits: expected {base.name!r} to have the same coordinates of {dim!r} in every "
                f"fit; {fit!r} lacks {_listed(absent)} of the reference's, and the reference "
                f"lacks {_listed(surplus)} of its. Select the common ones with .sel first."
            )
        variable = variable.sel({dim: theirs})
    return variable.transpose(*SAMPLE_DIMS, *dims)


def _flatten(variables: Mapping[Hashable, xr.DataArray]) -> Parameters:
    """Put all scalars of all variables side by side."""
    draws, labels, owners = [], [], []
    for name, variable in variables.items():
        values = variable.to_numpy().astype(float)
        draws.append(values.reshape(*values.shape[:2], -1))
        coordinates = [variable[dim].to_numpy() for dim in variable.dims[2:]]
        cells = [", ".join(map(str, cell)) for cell in product(*coordinates)]
        labels += [f"{name}[{cell}]" if cell else str(name) for cell in cells]
        owners += [str(name)] * len(cells)
    return Parameters(np.concatenate(draws, axis=-1), labels, owners)


def _moments(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, sd and Monte Carlo standard error of the mean, each of shape (parameters,)."""
    finite = np.isfinite(draws).all(axis=(0, 1))
    constant = finite & (draws == draws[:1, :1]).all(axis=(0, 1))
    mean, sd, error = np.full((3, draws.shape[-1]), np.nan)
    mean[constant], sd[constant], error[constant] = draws[0, 0, constant], 0, 0
    vary = finite & ~constant
    if vary.any():
        varying = draws[..., vary]
        mean[vary], sd[vary] = varying.mean(axis=(0, 1)), varying.std(axis=(0, 1), ddof=1)
        dataset = xr.Dataset({"x": ((*SAMPLE_DIMS, "parameter"), varying)})
        error[vary] = mean_standard_error(dataset)["x"]
    return mean, sd, error


def _distances(
    draws: np.ndarray, base: np.ndarray, moments: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> dict[str, np.ndarray]:
    """Columns of the table, each of shape (parameters,)."""
    mean, sd, error = _moments(draws)
    base_mean, base_sd, base_error = moments
    scale = np.where(base_sd > 0, base_sd, np.nan)
    joint_error = np.hypot(error, base_error)
    return {
        "mean": mean,
        "sd": sd,
        "reference_mean": base_mean,
        "reference_sd": base_sd,
        "mean_difference": (mean - base_mean) / scale,
        "z": (mean - base_mean) / np.where(joint_error > 0, joint_error, np.nan),
        "sd_ratio": sd / scale,
        "wasserstein": _wasserstein(draws, base, np.isfinite(mean + scale)) / scale,
    }


def _wasserstein(draws: np.ndarray, base: np.ndarray, known: np.ndarray) -> np.ndarray:
    """1-Wasserstein distance of each parameter, NaN where not `known`."""
    from scipy.stats import wasserstein_distance  # half a second that PyMC 6 does not spend

    distances = np.full(known.shape, np.nan)
    for position in np.flatnonzero(known):
        distances[position] = wasserstein_distance(
            draws[..., position].ravel(), base[..., position].ravel()
        )
    return distances


def _listed(names: Sequence[Hashable] | xr.Dataset | pd.Index, most: int = 5) -> str:
    """Names in a row, the first few of many."""
    shown = ", ".join(map(str, list(names)[:most])) or "none"
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown

"""Scalar parameters of fits, matched by name and coordinates, whatever made the fits."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from pymc_amortized.generation import SAMPLE_DIMS
from pymc_amortized.inference_data import Fit, group

__all__ = ["Parameters", "aligned_parameters", "check_fits"]


class Parameters(NamedTuple):
    """Scalar parameters of one fit.

    Attributes
    ----------
    draws : ndarray of shape (chains, draws, parameters)
        Draws as numbers.
    labels : list of str
        The name of each parameter as ``az.summary`` writes it.
    variables : list of str
        The name of the variable that each belongs to.
    datasets : list of str
        The label of the dataset that each is given; empty where there is one dataset only.
    """

    draws: np.ndarray
    labels: list[str]
    variables: list[str]
    datasets: list[str]


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
    check_fits(fits, 1)
    posteriors = {name: _posterior(name, fit) for name, fit in fits.items()}
    base = posteriors[list(fits)[-1] if reference is None else reference]
    names = _variable_names(posteriors, base, var_names)
    datasets = _dataset_dims(fits)
    return {
        fit: _flatten({name: _align(posterior[name], base[name], fit) for name in names}, datasets)
        for fit, posterior in posteriors.items()
    }


def check_fits(fits: Mapping[str, Fit], least: int) -> None:
    """Refuse too few fits, and those without names.

    Parameters
    ----------
    fits : mapping of str to arviz.InferenceData, xarray.DataTree or xarray.Dataset
        Fits by name.
    least : int
        Number of fits that are needed, 1 or 2.

    Raises
    ------
    TypeError
        If `fits` is no mapping.
    ValueError
        If there are fewer.
    """
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


def _dataset_dims(fits: Mapping[str, Fit]) -> list[Hashable]:
    """The dims of datasets: those of the group ``amortized``, which some fits have."""
    dims: dict[Hashable, None] = {}
    for fit in fits.values():
        try:
            found = group(fit, "amortized")
        except KeyError:
            continue
        if not set(SAMPLE_DIMS) & set(found.dims):  # a Dataset is the posterior itself
            dims |= dict.fromkeys(found.dims)
    return list(dims)


def _flatten(
    variables: Mapping[Hashable, xr.DataArray], dataset_dims: Sequence[Hashable]
) -> Parameters:
    """Put all scalars of all variables side by side."""
    draws, labels, owners, datasets = [], [], [], []
    for name, variable in variables.items():
        values = variable.to_numpy().astype(float)
        draws.append(values.reshape(*values.shape[:2], -1))
        dims = variable.dims[2:]
        cells = list(product(*(variable[dim].to_numpy() for dim in dims)))
        labels += [f"{name}[{_joined(cell)}]" if cell else str(name) for cell in cells]
        owners += [str(name)] * len(cells)
        axes = [dims.index(dim) for dim in dataset_dims if dim in dims]
        datasets += [_joined(cell[axis] for axis in axes) for cell in cells]
    return Parameters(np.concatenate(draws, axis=-1), labels, owners, datasets)


def _joined(cell: Iterable[Any]) -> str:
    return ", ".join(map(str, cell))


def _listed(names: Sequence[Hashable] | xr.Dataset | pd.Index, most: int = 5) -> str:
    """Names in a row, the first few of many."""
    shown = ", ".join(map(str, list(names)[:most])) or "none"
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown

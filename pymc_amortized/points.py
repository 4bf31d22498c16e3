"""What users pass as points in parameter space -> rows, each with its dataset."""

from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import xarray as xr

from pymc_amortized.data import Datasets
from pymc_amortized.inference_data import group, labelled
from pymc_amortized.structure import shapes

__all__ = ["Points", "read_points"]

PLAIN_DIMS = {0: (), 1: ("draw",), 2: ("chain", "draw")}
"""Dims of the points that come as plain arrays, by their number of leading axes."""


class Points(NamedTuple):
    """Points to evaluate a density at.

    Attributes
    ----------
    values : dict of str to ndarray of shape (n, *shape)
        Free variables by name.
    dataset : ndarray of int of shape (n,)
        Number of the dataset of each.
    template : xarray.DataArray
        Has the dims and coords that the n points are laid out over.
    """

    values: dict[str, np.ndarray]
    dataset: np.ndarray
    template: xr.DataArray

    def labelled(self, density: np.ndarray) -> xr.DataArray:
        """Lay results of shape (n,) out over the dims of the points."""
        return self.template.copy(data=density.reshape(self.template.shape)).rename("log_prob")


def read_points(model: pm.Model, names: list[str], parameters: Any, datasets: Datasets) -> Points:
    """Read points in parameter space, and combine them with datasets.

    Parameters
    ----------
    model : pm.Model
        Gives the shapes, dims and coords of the variables.
    names : list of str
        The free variables.
    parameters : mapping of str to array_like, xarray.Dataset or a fit with a posterior
        Their values.
    datasets : Datasets
        The datasets.

    Raises
    ------
    TypeError, ValueError
        If names, shapes or coords are not those of the model's variables.
    """
    given = _as_mapping(parameters, names)
    if unknown := [name for name in given if name not in model.named_vars]:
        raise ValueError(
            f"parameters: expected values of {', '.join(map(repr, names))}, got "
            f"{', '.join(map(repr, unknown))}, which the model does not have."
        )
    if wrong := set(names) - set(given):
        raise ValueError(
            f"parameters: expected values of {', '.join(map(repr, names))}, got none for "
            f"{', '.join(map(repr, sorted(wrong)))}. A density needs all of them."
        )
    sizes = shapes(model)
    arrays = {name: _labelled(model, name, given[name], sizes[name]) for name in names}
    number = _numbers(datasets)
    aligned = _aligned([*arrays.values(), number])
    own = _own_dims(model, arrays, sizes)
    *wide, number = xr.broadcast(*aligned, exclude={dim for dims in own.values() for dim in dims})
    values = {}
    for name, array in zip(names, wide, strict=True):
        stacked = array.transpose(*number.dims, *own[name]).to_numpy()
        values[name] = stacked.reshape(number.size, *sizes[name])
    return Points(values, number.to_numpy().ravel(), number)


def _as_mapping(parameters: Any, names: list[str]) -> Mapping[str, Any]:
    # an InferenceData and a DataTree are mappings too, of groups
    if isinstance(parameters, Mapping) and "posterior" not in parameters:
        return parameters
    try:
        return group(parameters, "posterior")
    except (KeyError, TypeError):
        raise TypeError(
            f"parameters: expected a mapping from {', '.join(map(repr, names))} to values, an "
            f"xarray.Dataset or a fit with a posterior, got {type(parameters).__name__}."
        ) from None


def _aligned(arrays: list[xr.DataArray]) -> tuple[xr.DataArray, ...]:
    try:
        return xr.align(*arrays, join="exact")
    except ValueError as error:
        raise ValueError(
            "parameters: expected dims of equal length and labels in all variables, and in the "
            f"datasets, got others: {error}"
        ) from error


def _numbers(datasets: Datasets) -> xr.DataArray:
    """The number of each dataset, over the datasets' dims."""
    coords = {dim: labels for dim, labels in datasets.dims.items() if labels is not None}
    index = np.arange(prod(datasets.sizes)).reshape(datasets.sizes)
    return xr.DataArray(index, dims=tuple(datasets.dims), coords=coords)


def _labelled(model: pm.Model, name: str, value: Any, shape: tuple[int, ...]) -> xr.DataArray:
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" or not array.size or np.isnan(array).any():
        raise ValueError(
            f"parameters: expected real numbers for {name!r}, got "
            f"{'NaN' if array.dtype.kind == 'f' and array.size else f'{array.size} values'} of "
            f"dtype {array.dtype}."
        )
    if isinstance(value, xr.DataArray):
        return value
    extra = array.ndim - len(shape)
    if extra not in PLAIN_DIMS or array.shape[extra:] != shape:
        raise ValueError(
            f"parameters: expected {name!r} to have shape {shape} behind at most two axes of "
            f"points, got {array.shape}."
        )
    if not extra:  # ArviZ 0.x would give a scalar a dim
        return labelled(model, {name: array[None]}, {"draw": None})[name].isel(draw=0, drop=True)
    return labelled(model, {name: array}, dict.fromkeys(PLAIN_DIMS[extra]))[name]


def _own_dims(
    model: pm.Model, arrays: Mapping[str, xr.DataArray], sizes: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[str, ...]]:
    """Dims that belong to each variable, not to the points."""
    own = {}
    for name, array in arrays.items():
        example = labelled(model, {name: np.zeros((1, *sizes[name]))}, {"draw": None})[name]
        own[name] = example.dims[1:]
        if not set(own[name]) <= set(array.dims):
            raise ValueError(
                f"parameters: expected {name!r} to have the dims {own[name]}, got {array.dims}. "
                "Rename its dims to those of the model."
            )
    return own

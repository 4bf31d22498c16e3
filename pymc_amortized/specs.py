"""What the observed variables of a model look like, and what users pass for one of them."""

from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import xarray as xr
from pymc.backends.arviz import coords_and_dims_for_inferencedata

from pymc_amortized.lengths import lengths_of
from pymc_amortized.structure import dims_of, observed_names, observed_values, shapes

__all__ = ["DATASET_DIM", "Spec", "few", "labelled_values", "specs_of"]

DATASET_DIM = "dataset"


class Spec(NamedTuple):
    """What an observed variable looks like in the model.

    Attributes
    ----------
    name : str
        Its name.
    shape : tuple of int
        Its shape, where lengths vary at the longest.
    dims : tuple of str
        Its dims.
    dtype : dtype
        Of its values.
    coords : dict of str to ndarray
        Labels of its dims, of those whose lengths do not vary.
    longest : dict of str to int
        Lengths of its dims that vary, at the longest.
    """

    name: str
    shape: tuple[int, ...]
    dims: tuple[str, ...]
    dtype: np.dtype
    coords: dict[str, np.ndarray]
    longest: dict[str, int]


def specs_of(model: pm.Model) -> list[Spec]:
    """Specs of all observed variables, in the model's order."""
    coords, dims = coords_and_dims_for_inferencedata(model)[0], dims_of(model)
    sizes, own, lengths = shapes(model), observed_values(model), lengths_of(model)
    longest = {} if lengths is None else lengths.longest
    specs = []
    for name in observed_names(model):
        named = dims[name]
        ends = {dim: longest[dim] for dim in named if dim in longest}
        fixed = [dim for dim in named if dim in coords and dim not in ends]
        known = {dim: np.asarray(coords[dim]) for dim in fixed}
        specs.append(Spec(name, sizes[name], named, own[name].dtype, known, ends))
    return specs


def labelled_values(spec: Spec, value: Any) -> xr.DataArray:
    """Name the axes of `value`: those of the variable, and before them those of the datasets."""
    if isinstance(value, xr.DataArray):
        array = value
        absent = [dim for dim in spec.dims if dim not in array.dims]
        if absent:
            raise ValueError(
                f"observed: expected {spec.name!r} to have the dims {spec.dims}, got "
                f"{tuple(map(str, array.dims))}. Rename its dims to those of the model."
            )
    else:
        array = _from_plain(spec, _as_array(spec, value))
    if any(
        array.sizes[dim] > size if dim in spec.longest else array.sizes[dim] != size
        for dim, size in zip(spec.dims, spec.shape, strict=True)
    ):
        raise ValueError(
            f"observed: expected {spec.name!r} to have shape {spec.shape}, or one leading axis "
            f"more for many datasets, got {tuple(array.shape)}. The posterior was trained on data "
            "of the model's shape."
        )
    return _aligned(spec, array)


def _as_array(spec: Spec, value: Any) -> np.ndarray:
    try:
        return np.asanyarray(value)
    except ValueError as error:
        raise ValueError(
            f"observed: expected {spec.name!r} to be an array of numbers, got rows of different "
            "lengths. Pass datasets of the model's shape, or where lengths vary a list of mappings."
        ) from error


def _from_plain(spec: Spec, value: np.ndarray) -> xr.DataArray:
    if np.ma.is_masked(value):
        value = np.ma.filled(value.astype(np.float64), np.nan)
    extra = value.ndim - len(spec.shape)
    if extra not in (0, 1):
        raise ValueError(
            f"observed: expected {spec.name!r} to have shape {spec.shape}, or one leading axis "
            f"more for many datasets, got {value.shape}. For several dims of datasets pass an "
            "xarray.DataArray."
        )
    if extra and DATASET_DIM in spec.dims:
        raise ValueError(
            f"observed: expected {spec.name!r} as an xarray.DataArray, because the model has a dim "
            f"{DATASET_DIM!r} of its own, got a plain array. Give the datasets' dim another name."
        )
    return xr.DataArray(value, dims=(DATASET_DIM,) * extra + spec.dims)


def _aligned(spec: Spec, array: xr.DataArray) -> xr.DataArray:
    """Put labelled values into the order of the model's coords."""
    for dim, labels in spec.coords.items():
        if dim not in array.coords or np.array_equal(array[dim], labels):
            continue
        if set(np.asarray(array[dim]).tolist()) != set(labels.tolist()):
            raise ValueError(
                f"observed: expected {spec.name!r} to have the model's labels along {dim!r} "
                f"({few(labels)}), got {few(np.asarray(array[dim]))}. Pass values for the "
                "model's own labels, or drop the coordinate to match by position."
            )
        array = array.sel({dim: labels})
    return array


def few(labels: np.ndarray) -> str:
    """Name the first few labels."""
    shown = ", ".join(map(str, labels[:3]))
    return f"{shown}, ..." if len(labels) > 3 else shown

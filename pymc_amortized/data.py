"""What users pass as data -> arrays with one leading axis of datasets, checked."""

from collections.abc import Collection, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import xarray as xr

from pymc_amortized.imputation import in_pattern
from pymc_amortized.lengths import cut, lengths_of, shortened
from pymc_amortized.missing import Missing, missing_data
from pymc_amortized.specs import DATASET_DIM, Spec, few, labelled_values, specs_of
from pymc_amortized.structure import (
    constant_data,
    deterministic_names,
    dims_of,
    free_names,
    observed_names,
    observed_values,
    varied_names,
)

__all__ = ["Datasets", "Observed", "flat", "longest_given", "own_data", "read_datasets"]

Observed = Mapping[str, Any] | xr.Dataset | Sequence[Mapping[str, Any]]


class Datasets(NamedTuple):
    """Values of the observed variables for a number of datasets.

    Attributes
    ----------
    values : dict of str to ndarray of shape (datasets, *shape)
        Observed variables and varied data by name, in their own dtypes.
    dims : dict of str to ndarray or None
        Dims of the datasets with their coordinate values, empty for a single dataset.
    sizes : tuple of int
        Lengths of these dims; their product is the number of datasets.
    """

    values: dict[str, np.ndarray]
    dims: dict[str, np.ndarray | None]
    sizes: tuple[int, ...]

    def named(self, numbers: np.ndarray, most: int = 10) -> str:
        """Name datasets by their labels, the first few of many."""
        places = zip(*np.unravel_index(numbers[:most], self.sizes), strict=True)
        labels = [
            ", ".join(
                str(k if values is None else values[k])
                for k, values in zip(place, self.dims.values(), strict=True)
            )
            for place in places
        ]
        shown = "; ".join(labels) if len(self.sizes) > 1 else ", ".join(labels)
        return shown + (f" and {len(numbers) - most} more" if len(numbers) > most else "")


def own_data(model: pm.Model) -> dict[str, np.ndarray]:
    """The model's own data, NaN behind their ends where lengths vary."""
    own, lengths = observed_values(model), lengths_of(model)
    if lengths is None:
        return own
    ends = {dim: np.array([length]) for dim, length in lengths.own.items()}
    rows = shortened({name: value[None] for name, value in own.items()}, ends, dims_of(model))
    return {name: value[0] for name, value in rows.items()}


def flat(values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Lay the values of each dataset out in a row.

    Parameters
    ----------
    values : mapping of str to ndarray of shape (datasets, *shape)
        Observed variables.

    Returns
    -------
    ndarray of shape (datasets, elements)
        In double precision.
    """
    rows = [np.reshape(value, (len(value), -1)) for value in values.values()]
    return np.concatenate(rows, axis=1).astype(np.float64)


def read_datasets(
    model: pm.Model,
    observed: Observed | None = None,
    missing: Missing | None = None,
) -> Datasets:
    """Read what a user passes as `observed`.

    Parameters
    ----------
    model : pm.Model
        Gives the observed variables with their shapes, dims, coords and dtypes.
    observed : mapping of str to array_like, or xarray.Dataset, optional
        Values of every observed variable, and of varied data; the model's own by default. A
        leading axis more than the variable has, or xarray dims that it does not have, are many
        datasets. Where data vary, values without such an axis are those of every dataset.
        A sequence of mappings is one dataset each, of any lengths.
    missing : Missing, optional
        What may be NaN, or masked; by default nothing, but for what is behind the ends of data.

    Returns
    -------
    Datasets
        The values with one leading axis, checked.

    Raises
    ------
    TypeError
        If `observed` is no mapping, or holds values that are no numbers.
    ValueError
        If names, shapes, dims, coords or values are not those of the model's variables.
    """
    missing = missing or missing_data(model, None)
    own = own_data(model)
    if observed is None:
        own = {name: value[None] for name, value in own.items()}
        _check_finite(Datasets(own, {}, ()), missing)
        return Datasets(own, {}, ())
    specs = specs_of(model)
    lengths = lengths_of(model)
    own = own if lengths is None else cut(own, lengths.own, dims_of(model))
    if isinstance(observed, Sequence):
        arrays, ends = _one_by_one(model, observed, specs, own)
    else:
        arrays, ends = _arrays(model, observed, specs, own)
    dims = _dataset_dims(model, specs, arrays)
    coords = {
        dim: next((np.asarray(a[dim]) for a in arrays if dim in a.coords), None) for dim in dims
    }
    arrays = [_matched(spec, array, coords) for spec, array in zip(specs, arrays, strict=True)]
    rows = {spec.name: _rows(spec, array, dims) for spec, array in zip(specs, arrays, strict=True)}
    _check_finite(Datasets(rows, coords, tuple(dims.values())), missing, ends)
    values = {spec.name: _values(spec, rows[spec.name]) for spec in specs}
    return Datasets(_sealed(values, missing, ends), coords, tuple(dims.values()))


Ends = Mapping[str, np.ndarray] | None


def _arrays(
    model: pm.Model, observed: Any, specs: list[Spec], own: Mapping[str, np.ndarray]
) -> tuple[list[xr.DataArray], Ends]:
    """Labelled arrays as long as the longest may be; and the ends of a single dataset."""
    given = {**own, **_as_mapping(model, observed, specs)}
    arrays = [labelled_values(spec, given[spec.name]) for spec in specs]
    sizes = _common_sizes(specs, arrays)
    single = all(array.ndim == len(spec.dims) for spec, array in zip(specs, arrays, strict=True))
    ends = {dim: np.array([size]) for dim, size in sizes.items()} if single else None
    return [_lengthened(spec, array) for spec, array in zip(specs, arrays, strict=True)], ends


def _one_by_one(
    model: pm.Model, observed: Sequence[Any], specs: list[Spec], own: Mapping[str, np.ndarray]
) -> tuple[list[xr.DataArray], Ends]:
    """Datasets that are passed one by one, and their ends."""
    if not observed:
        raise ValueError("observed: expected at least one dataset, got an empty sequence.")
    every, ends = [], []
    for number, each in enumerate(observed):
        arrays, own_ends = _arrays(model, each, specs, own)
        if own_ends is None:
            raise ValueError(
                f"observed: expected dataset {number} to be one dataset, got many. Pass one "
                "mapping for each dataset."
            )
        every.append([array.to_numpy() for array in arrays])
        ends.append(own_ends)
    columns = zip(specs, zip(*every, strict=True), strict=True)
    stacked = [xr.DataArray(np.stack(c), dims=(DATASET_DIM, *spec.dims)) for spec, c in columns]
    return stacked, {dim: np.concatenate([e[dim] for e in ends]) for dim in ends[0]}


def _common_sizes(specs: list[Spec], arrays: list[xr.DataArray]) -> dict[str, int]:
    """Lengths along the dims that vary, of all variables alike."""
    found: dict[str, tuple[int, str]] = {}
    for spec, array in zip(specs, arrays, strict=True):
        for dim in spec.longest:
            size, first = found.setdefault(dim, (array.sizes[dim], spec.name))
            if array.sizes[dim] != size:
                raise ValueError(
                    f"observed: expected {first!r} and {spec.name!r} of one length along {dim!r}, "
                    f"got {size} and {array.sizes[dim]}. Pass as many values of each; what is left "
                    "out is as long as the model's own."
                )
            if not size:
                raise ValueError(f"observed: expected values along {dim!r}, got none.")
    return {dim: size for dim, (size, _) in found.items()}


def _lengthened(spec: Spec, array: xr.DataArray) -> xr.DataArray:
    """Put NaN behind the ends of data whose lengths vary."""
    for dim, longest in spec.longest.items():
        if (lacking := longest - array.sizes[dim]) > 0:
            array = array.drop_vars(dim, errors="ignore").pad({dim: (0, lacking)})
    return array


def _sealed(
    values: Mapping[str, np.ndarray], missing: Missing, ends: Ends
) -> dict[str, np.ndarray]:
    """Infinity for what is missing at the known end of a dataset, where NaN would shorten it."""
    found = dict(values)
    for name, behind in missing.ends(values, ends).items() if ends else ():
        last = np.zeros(behind.shape, bool)
        for axis, dim in enumerate(missing.dims[name], start=1):
            if dim in ends:
                others = [k for k in range(1, behind.ndim) if k != axis]
                place = np.arange(behind.shape[axis]) == ends[dim][:, None] - 1
                last |= np.expand_dims(place, others)
        gone = last & ~behind & np.isnan(values[name])
        if gone.any():
            found[name] = np.where(gone, np.inf, values[name])
    return found


def _as_mapping(
    model: pm.Model, observed: Mapping[str, Any] | xr.Dataset, specs: list[Spec]
) -> dict[str, Any]:
    names, varied = [spec.name for spec in specs], varied_names(model)
    if not isinstance(observed, Mapping):
        raise TypeError(
            f"observed: expected a mapping from {', '.join(map(repr, names))} to values, a list of "
            f"these, or an xarray.Dataset, got {type(observed).__name__}. "
            f"Write {{{names[0]!r}: values}}."
        )
    observed = in_pattern(model, observed)
    if fixed := [name for name in constant_data(model) if name in observed]:
        raise ValueError(
            f"observed: expected the model's observed variables {', '.join(map(repr, names))}, "
            f"got {', '.join(map(repr, fixed))}, pm.Data that the posterior was trained at one "
            f"value of. Train it for others with pma.fit(vary={{{fixed[0]!r}: ...}})."
        )
    if unknown := [name for name in observed if name not in names]:
        raise ValueError(
            f"observed: expected the model's observed variables {', '.join(map(repr, names))}, "
            f"got {', '.join(map(repr, unknown))}. Rename or leave out what is not among them."
        )
    if missing := [name for name in names if name not in observed and name not in varied]:
        raise ValueError(
            f"observed: expected values for {', '.join(map(repr, names))}, got none for "
            f"{', '.join(map(repr, missing))}. A posterior needs all observed variables"
            + (f"; {', '.join(map(repr, varied))} may be left out." if varied else ".")
        )
    return {name: observed[name] for name in names if name in observed}


def longest_given(model: pm.Model, observed: Observed | None) -> dict[str, int]:
    """Lengths of the longest arrays among what a user passes, by dim; only of those that vary.

    Parameters
    ----------
    model : pm.Model
        Gives the dims.
    observed : mapping, xarray.Dataset, or sequence of mappings, optional
        As for :func:`read_datasets`.
    """
    lengths, found = lengths_of(model), {}
    if lengths is None or observed is None:
        return found
    dims = dims_of(model)
    for each in observed if isinstance(observed, Sequence) else [observed]:
        for name in observed_names(model) if isinstance(each, Mapping) else ():
            if name in each:
                found |= _longer(found, lengths.pools, dims[name], each[name])
    return found


def _longer(
    found: Mapping[str, int], varying: Collection[str], dims: tuple[str, ...], value: Any
) -> dict[str, int]:
    sizes = getattr(value, "sizes", None)
    if sizes is None:
        shape = np.shape(value) if hasattr(value, "shape") else np.shape(np.asarray(value, object))
        sizes = dict(zip(reversed(dims), reversed(shape), strict=False))
    return {d: max(found.get(d, 0), sizes[d]) for d in dims if d in varying and d in sizes}


def _dataset_dims(model: pm.Model, specs: list[Spec], arrays: list[xr.DataArray]) -> dict[str, int]:
    every = [
        {str(dim): array.sizes[dim] for dim in array.dims if dim not in spec.dims}
        for spec, array in zip(specs, arrays, strict=True)
    ]
    shared = bool(varied_names(model))  # one dataset under many designs, or many under one
    first, found = next(
        (pair for pair in zip(specs, every, strict=True) if pair[1]), (specs[0], {})
    )
    for spec, dims in zip(specs, every, strict=True):
        if dims != found and (dims or not shared):
            raise ValueError(
                f"observed: expected {first.name!r} and {spec.name!r} to have the same dims of "
                f"datasets, got {found} and {dims or 'none'}. Pass as many datasets of each, under "
                "the same names of dims (those of plain arrays are called 'dataset')."
            )
    reserved = {"chain", "draw", *free_names(model), *deterministic_names(model)}
    if taken := [dim for dim in found if dim in reserved]:
        raise ValueError(
            f"observed: expected dims of datasets with names of their own, got "
            f"{', '.join(map(repr, taken))}, which the result needs. Rename them, for example with "
            f'.rename({taken[0]}="{DATASET_DIM}").'
        )
    if 0 in found.values():
        raise ValueError(f"observed: expected at least one dataset, got the dims {found}.")
    return found


def _matched(
    spec: Spec, array: xr.DataArray, coords: Mapping[str, np.ndarray | None]
) -> xr.DataArray:
    """Put datasets into the order of their labels in the first variable that has any."""
    for dim, labels in coords.items():
        if labels is None or dim not in array.coords or np.array_equal(array[dim], labels):
            continue
        own = np.asarray(array[dim])
        if sorted(own.tolist()) != sorted(set(labels.tolist())):
            raise ValueError(
                f"observed: expected {spec.name!r} for the datasets {few(labels)} along {dim!r}, "
                f"as other variables have them, got {few(own)}. Select those that all variables "
                "have, or drop the coordinate to match by position."
            )
        array = array.sel({dim: labels})
    return array


def _rows(spec: Spec, array: xr.DataArray, dims: Mapping[str, int]) -> np.ndarray:
    """Numbers of any type, one dataset a row."""
    lacking = {dim: size for dim, size in dims.items() if dim not in array.dims}
    value = array.expand_dims(lacking).transpose(*dims, *spec.dims).to_numpy()
    value = value.reshape(prod(dims.values()), *spec.shape)
    if value.dtype.kind not in "biuf":
        raise TypeError(
            f"observed: expected {spec.name!r} to hold numbers like the model's {spec.dtype}, got "
            f"dtype {value.dtype}. Convert the values first."
        )
    return value


def _values(spec: Spec, value: np.ndarray) -> np.ndarray:
    """The same in the dtype of the model's variable."""
    if spec.dtype.kind in "biu" and value.dtype.kind == "f":
        fractional = (value != np.round(value)) & np.isfinite(value)
        if fractional.any():
            raise ValueError(
                f"observed: expected {spec.name!r} to hold integers ({spec.dtype}), got "
                f"{value[fractional][0]}. Round the values, or observe a continuous variable."
            )
    if spec.dtype.kind in "iu" and np.nanmax(np.abs(value), initial=0) > np.iinfo(spec.dtype).max:
        raise ValueError(
            f"observed: expected values of {spec.name!r} that {spec.dtype} can hold, got "
            f"{np.nanmax(np.abs(value)):g}. Observe a continuous variable in other units."
        )
    return value.astype(spec.dtype if np.isfinite(value).all() else np.float64)


def _check_finite(datasets: Datasets, missing: Missing, ends: Ends = None) -> None:
    nothing = missing.ends(datasets.values, ends)
    for name, value in datasets.values.items():
        bad = np.isinf(value) if name in missing.draw else ~np.isfinite(value)
        bad &= ~nothing.get(name, np.zeros(value.shape, bool))
        if bad.any():
            numbers = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1))
            where = f" in the datasets {datasets.named(numbers)}" if datasets.dims else ""
            raise ValueError(
                f"observed: expected finite values of {name!r}, got {int(bad.sum())} that are NaN "
                f"or infinite{where}. {_cure(name, value, missing)}"
            )


def _cure(name: str, value: np.ndarray, missing: Missing) -> str:
    if np.isinf(value).any():
        return "Leave such datasets out, or correct them."
    if name in missing.outcomes:
        return (
            f"Values may be missing, as NaN, where pma.fit(missing={{{name!r}: 0.2}}) trained for "
            "it, with the part that is missing; else leave such datasets out."
        )
    return "Covariates must be known: fill them in, or leave such datasets out."

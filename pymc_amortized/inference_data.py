"""Labels for arrays, as ``pm.sample`` gives them, and groups of labelled arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Final, TypeAlias, Union

import numpy as np
import pymc
import xarray as xr
from pymc.backends.arviz import (
    coords_and_dims_for_inferencedata,
    find_constants,
    find_observations,
)

from pymc_amortized.generation import (
    DATATREE,
    SAMPLE_DIMS,
    attributes,
    from_datatree,
    to_dataset,
    tree,
)
from pymc_amortized.lengths import cut, lengths_of
from pymc_amortized.structure import dims_of, observed_values, varied_names

if TYPE_CHECKING:
    from arviz import InferenceData

__all__ = [
    "Fit",
    "Leading",
    "assemble",
    "constant_data",
    "dataset_values",
    "group",
    "labelled",
    "observed_data",
    "read",
]

Fit: TypeAlias = Union["InferenceData", xr.DataTree, xr.Dataset]
Leading: TypeAlias = Mapping[str, Sequence[Any] | np.ndarray | None]

SAMPLED_GROUPS: Final = ("posterior", "sample_stats", "prior", "prior_predictive")
GROUP_ORDER: Final = (
    "posterior",
    "sample_stats",
    "log_likelihood",
    "posterior_predictive",
    "predictions",
    "prior",
    "prior_predictive",
    "observed_data",
    "constant_data",
    "predictions_constant_data",
)


def labelled(model: pymc.Model, values: Mapping[str, np.ndarray], leading: Leading) -> xr.Dataset:
    """Name the axes of arrays as ``pm.sample`` names them.

    Parameters
    ----------
    model : pymc.Model
        Gives the dims and coords of its variables. A name that the model does not know is
        labelled as ArviZ labels variables without dims.
    values : mapping of str to ndarray
        Arrays of shape ``(*leading sizes, *variable shape)``.
    leading : mapping of str to array_like or None
        Names of the leading dims, in order, with their coordinate values; None numbers them as
        ArviZ does.

    Returns
    -------
    xarray.Dataset
        Dims ``(*leading, *variable dims)`` and the attributes of :func:`attributes`. The variables
        stand in the order of ``pm.sample``, whatever that of `values`; names that the model does
        not know come last.

    Raises
    ------
    ValueError
        If the lengths of axes contradict each other or the coords, if an array has another
        number of axes than its dims, or if a leading dim is a dim of the variable too.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> with pm.Model(coords={"country": ["Kenya", "Peru"]}) as model:
    ...     theta = pm.Normal("theta", dims="country")
    >>> draws = {"theta": np.zeros((4, 100, 2))}
    >>> labelled(model, draws, {"chain": None, "draw": None})["theta"].dims
    ('chain', 'draw', 'country')
    """
    free = sorted(model.free_RVs, key=lambda rv: model.rvs_to_transforms[rv] is not None)
    names = [variable.name for variable in [*free, *model.deterministics]]
    order = [name for name in names if name in values] + [n for n in values if n not in names]
    return _label(model, {name: values[name] for name in order}, leading)


def observed_data(
    model: pymc.Model,
    values: Mapping[str, np.ndarray] | None = None,
    datasets: Leading | None = None,
) -> xr.Dataset:
    """Label the group ``observed_data`` as ``pm.sample`` does.

    Parameters
    ----------
    model : pymc.Model
        Gives the names and labels, and the data of every variable that is not in `values`.
    values : mapping of str to ndarray, optional
        Arrays of shape ``(*dataset sizes, *variable shape)`` in place of the model's own data.
    datasets : mapping of str to array_like or None, optional
        Names and coordinate values of the leading dims of `values`; by default there are none.

    Returns
    -------
    xarray.Dataset
        The observed variables in the order of ``pm.sample``. On ArviZ 0.x a scalar gets an axis
        of length one, as it does there.

    Raises
    ------
    ValueError
        If `values` names a variable that the model does not observe, or as in :func:`labelled`.
    """
    own, given = _own_observations(model), dict(values or {})
    if unknown := [name for name in given if name not in own]:
        raise ValueError(
            f"values: expected observed variables of the model ({', '.join(own)}), got "
            f"{', '.join(map(repr, unknown))}. Leave out or rename what is not among them."
        )
    return _label(model, own | given, datasets or {}, bare=own.keys() - given.keys())


def dataset_values(values: Mapping[str, np.ndarray], datasets: Leading) -> xr.Dataset:
    """Label what has one value a dataset.

    Parameters
    ----------
    values : mapping of str to ndarray
        Arrays of shape ``(*dataset sizes)``.
    datasets : mapping of str to array_like or None
        Names and coordinate values of their dims; None numbers them. Empty for a single dataset.
    """
    dims = list(datasets)
    arrays = {name: (dims, np.asarray(value)) for name, value in values.items()}
    shape = np.shape(next(iter(values.values())))
    coords = {
        dim: np.arange(size) if labels is None else np.asarray(labels)
        for (dim, labels), size in zip(datasets.items(), shape, strict=True)
    }
    return xr.Dataset(arrays, coords, attributes(None, []))


def constant_data(
    model: pymc.Model,
    varied: Mapping[str, np.ndarray] | None = None,
    datasets: Leading | None = None,
) -> xr.Dataset:
    """Label the group ``constant_data`` as ``pm.sample`` does.

    Parameters
    ----------
    model : pymc.Model
        Model whose ``pm.Data`` are wanted.
    varied : mapping of str to ndarray, optional
        Arrays of shape ``(*dataset sizes, *shape)`` of varied data; by default none.
    datasets : mapping of str to array_like or None, optional
        Names and coordinate values of the leading dims of `varied`; by default there are none.

    Returns
    -------
    xarray.Dataset
        Empty for a model without ``pm.Data``; :func:`assemble` then leaves the group out.
    """
    own = find_constants(model)
    values = own | dict(varied or {})
    dataset = _label(model, values, datasets or {}, bare=own)
    scalars = [f"{name}_dim_0" for name, value in values.items() if np.ndim(value) == 0]
    return dataset.squeeze([dim for dim in scalars if dim in dataset.dims], drop=True)


def assemble(
    groups: Mapping[str, xr.Dataset], attrs: Mapping[str, Any] | None = None
) -> InferenceData | xr.DataTree:
    """Put groups together into what ``pm.sample`` of the installed PyMC returns.

    Parameters
    ----------
    groups : mapping of str to xarray.Dataset
        Groups by name, in any order; those without variables are left out, as in PyMC. Their own
        attributes win over all others.
    attrs : mapping of str to object, optional
        Attributes of the run (``sampling_time``, ``inference_library_settings``, ...), written
        where PyMC writes its own: to ``posterior`` and ``sample_stats``, or to ``prior`` and
        ``prior_predictive``.

    Returns
    -------
    arviz.InferenceData or xarray.DataTree
        On PyMC 5 the first, on PyMC 6 the second.
    """
    rank = {name: position for position, name in enumerate(GROUP_ORDER)}
    complete = {}
    for name in sorted(groups, key=lambda name: rank.get(name, len(rank))):
        if groups[name].data_vars:
            run = attrs if name in SAMPLED_GROUPS else None
            sample_dims = [dim for dim in SAMPLE_DIMS if dim in groups[name].dims]
            standard = attributes(run, sample_dims)
            complete[name] = groups[name].assign_attrs(standard | groups[name].attrs)
    return tree(complete)


def group(fit: Fit, name: str = "posterior") -> xr.Dataset:
    """Get a group of a fit, whatever made it.

    Parameters
    ----------
    fit : arviz.InferenceData, xarray.DataTree or xarray.Dataset
        A Dataset, or a tree without children, is taken for the group itself.
    name : str, default "posterior"
        Name of the group.

    Returns
    -------
    xarray.Dataset
        The group.

    Raises
    ------
    KeyError
        If there is no such group.
    TypeError
        If `fit` is none of the above.
    """
    if isinstance(fit, xr.Dataset):
        return fit
    if isinstance(fit, xr.DataTree):
        if not fit.children and fit.data_vars:
            return fit.to_dataset()
        available = list(fit.children)
    elif callable(getattr(fit, "groups", None)):
        available = list(fit.groups())
    else:
        raise TypeError(
            "fit: expected an arviz.InferenceData, an xarray.DataTree or an xarray.Dataset, got "
            f"{type(fit).__module__}.{type(fit).__name__}. Pass what pm.sample returns."
        )
    if name not in available:
        raise KeyError(
            f"fit: expected a group {name!r}, got the groups {', '.join(available) or 'none'}. "
            "Pass a fit that holds it."
        )
    found = fit[name]
    return found.to_dataset() if isinstance(found, xr.DataTree) else found


def read(path: str | PathLike[str]) -> InferenceData | xr.DataTree:
    """Read a netCDF file written by ``to_netcdf`` of either generation, all into memory.

    Parameters
    ----------
    path : str or path-like
        File to read, with h5netcdf.

    Returns
    -------
    arviz.InferenceData or xarray.DataTree
        What ``pm.sample`` of the installed PyMC returns, whichever wrote the file.
    """
    with xr.open_datatree(path, engine="h5netcdf") as groups:
        groups.load()
    return from_datatree(groups)


def _label(
    model: pymc.Model,
    values: Mapping[str, np.ndarray],
    leading: Leading,
    bare: Collection[str] = (),
) -> xr.Dataset:
    """Label `values`; those named in `bare` have no leading dims."""
    if not values:
        return xr.Dataset()  # ArviZ would take a millisecond
    values = {name: np.asarray(value) for name, value in values.items()}
    model_coords, model_dims = coords_and_dims_for_inferencedata(model)
    model_coords = model_coords | _shorter_coords(model, values, model_dims)
    outer = {dim: np.asarray(labels) for dim, labels in leading.items() if labels is not None}
    dims = {
        name: _dims(name, value.ndim, model_dims.get(name), () if name in bare else tuple(leading))
        for name, value in values.items()
    }
    used = {dim for names in dims.values() for dim in names}
    coords = {dim: labels for dim, labels in (model_coords | outer).items() if dim in used}
    _check_lengths(values, dims, coords)
    dataset = to_dataset(values, dims, coords)
    sample_dims = [dim for dim in SAMPLE_DIMS if dim in leading]
    dataset.attrs = attributes(None, sample_dims)
    return dataset


def _own_observations(model: pymc.Model) -> dict[str, np.ndarray]:
    """The model's own data but for varied ones, as long as they are."""
    lengths = lengths_of(model)
    own = find_observations(model) if lengths is None else observed_values(model)
    own = {name: value for name, value in own.items() if name not in varied_names(model)}
    return own if lengths is None else cut(own, lengths.own, dims_of(model))


def _shorter_coords(
    model: pymc.Model, values: Mapping[str, np.ndarray], dims: Mapping[str, Sequence[str]]
) -> dict[str, np.ndarray]:
    """Coords of dims whose lengths vary: the model's own at its own length, else numbers."""
    lengths = lengths_of(model)
    found = {}
    for name, value in values.items() if lengths else ():
        own = list(dims.get(name) or ())
        for dim, size in zip(own, value.shape[value.ndim - len(own) :], strict=True):
            if dim in lengths.pools:
                labels = lengths.labels.get(dim)
                same = labels is not None and size == lengths.own[dim]
                found[dim] = np.asarray(labels) if same else np.arange(size)
    return found


def _dims(
    name: str, ndim: int, own: Sequence[str | None] | None, leading: tuple[str, ...]
) -> list[str]:
    """All dims of a variable, those without a name named as the installed ArviZ does."""
    size = ndim - len(leading)
    own = [None] * size if own is None else own
    if len(own) != size:
        raise ValueError(
            f"values: expected {name!r} to have the dims ({', '.join([*leading, *map(str, own)])}),"
            f" got an array with {ndim} axes. Pass one axis per dim, the leading ones first."
        )
    unnamed = 0
    dims = list(leading)
    for axis, dim in enumerate(own):
        dims.append(dim if dim is not None else f"{name}_dim_{unnamed if DATATREE else axis}")
        unnamed += dim is None
    if repeated := [dim for dim, count in Counter(dims).items() if count > 1]:
        raise ValueError(
            f"leading: expected names that {name!r} does not use for its own dims, got "
            f"{', '.join(map(repr, repeated))}. Rename the dim that counts draws or datasets."
        )
    return dims


def _check_lengths(
    values: Mapping[str, np.ndarray],
    dims: Mapping[str, Sequence[str]],
    coords: Mapping[str, Sequence[Any] | np.ndarray],
) -> None:
    """Refuse what xarray would pad with NaN in silence."""
    lengths = {dim: (len(labels), "its coordinate values") for dim, labels in coords.items()}
    for name, value in values.items():
        for dim, length in zip(dims[name], value.shape, strict=True):
            expected, source = lengths.setdefault(dim, (length, repr(name)))
            if length != expected:
                raise ValueError(
                    f"values: expected {name!r} to have length {expected} along dim {dim!r}, the "
                    f"length of {source}, got {length}. Pass arrays of one length a dim."
                )

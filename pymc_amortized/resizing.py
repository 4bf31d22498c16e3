"""Other lengths for the dims of a model: which arrays follow, and which cannot."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable

from pymc_amortized.graphs import SHORTER, ancestors_by_value, observed_variables, variables
from pymc_amortized.lengths import Lengths

__all__ = [
    "check_follows",
    "check_varying_dims",
    "length_constants",
    "own_lengths",
    "own_values",
    "padded",
]


def own_lengths(model: pm.Model, dims: Sequence[str]) -> dict[str, int]:
    """The present lengths of dims."""
    return {dim: int(model.dim_lengths[dim].eval(mode="FAST_COMPILE")) for dim in dims}


def length_constants(model: pm.Model, lengths: Mapping[str, int]) -> dict[Variable, Variable]:
    """Constants for the lengths of dims that are no data's."""
    held = {dim: model.dim_lengths[dim] for dim in lengths}
    return {
        v: v.type.constant_type(type=v.type, data=np.array(lengths[dim], v.dtype), name=dim)
        for dim, v in held.items()
        if isinstance(v, SharedVariable)
    }


def own_values(model: pm.Model, lengths: Mapping[str, int]) -> dict[Variable, Variable]:
    """Observed values at other lengths: zeros behind their end, or without what is behind it."""
    found = {}
    for rv in observed_variables(model):
        dims = model.named_vars_to_dims.get(rv.name) or ()
        if set(dims) & lengths.keys():
            value = model.rvs_to_values[rv]
            shape = zip(dims, np.shape(value.eval(mode="FAST_COMPILE")), strict=True)
            found[value] = padded(value, tuple(lengths.get(dim, size) for dim, size in shape))
    return found


def padded(value: Variable, shape: tuple[int, ...]) -> Variable:
    """Zeros of a shape, with values where these reach."""
    if value.type.shape == shape or not shape:
        return value
    cut = value[tuple(slice(size) for size in shape)]
    places = tuple(slice(cut.shape[k]) for k in range(len(shape)))
    full = pt.zeros(shape, dtype=value.dtype)[places].set(cut)
    full = pt.specify_shape(full, shape)
    full.name = value.name
    setattr(full.tag, SHORTER, value)
    return full


def check_varying_dims(model: pm.Model, dims: Sequence[str], sources: Collection[str]) -> None:
    """Refuse dims whose lengths the model, or the data along them, fix.

    Raises
    ------
    ValueError
        Naming the variable, with the line to write.
    """
    observed = observed_variables(model)
    for dim in dims:
        along = [rv.name for rv in observed if dim in (model.named_vars_to_dims.get(rv.name) or ())]
        if not along:
            bare = next((v.name for v in observed if not model.named_vars_to_dims.get(v.name)), "")
            name = bare or observed[0].name
            raise ValueError(
                f"vary: expected an observed variable along {dim!r}, whose length shall vary, got "
                f"none: the shape of {name!r} is fixed. Write pm.Normal({name!r}, ..., "
                f"observed=values, dims={dim!r}), or whatever its distribution is."
            )
    used = ancestors_by_value([*variables(model).values(), *model.potentials])
    values = ancestors_by_value([model.rvs_to_values[rv] for rv in observed])
    for data in model.data_vars:
        own = [d for d in dims if d in (model.named_vars_to_dims.get(data.name) or ())]
        if own and data in used and data not in values and data.name not in sources:
            raise ValueError(
                f"vary: expected {data.name!r} too, because it lies along {own[0]!r}, whose length "
                f"shall vary, got none. Say what it is drawn from: vary={{{data.name!r}: "
                f"pm.Normal.dist(0, 1), {own[0]!r}: ...}}, or a function (rng, shape) -> array."
            )


def check_follows(model: pm.Model, lengths: Lengths) -> None:
    """Refuse a model that cannot be drawn at its longest.

    Raises
    ------
    ValueError
        With the line to write for arrays of fixed length.
    """
    named = variables(model)
    along = {
        name: axes
        for name in named
        if (axes := [d for d in model.named_vars_to_dims.get(name) or () if d in lengths.longest])
    }
    try:
        drawn = pm.draw([named[name] for name in along], 1, random_seed=0, mode="FAST_COMPILE")
        for name, value in zip(along, drawn, strict=True):
            dims = model.named_vars_to_dims[name]
            for dim, size in zip(dims, np.shape(value), strict=True):
                if size != lengths.longest.get(dim, size):
                    raise ValueError(f"{name!r} has length {size} along {dim!r}")
    except Exception as error:
        (dim, longest), *_ = lengths.longest.items()
        raise ValueError(
            f"vary: expected arrays that follow the length of {dim!r}, got some that are fixed at "
            f"{lengths.own[dim]}: at {longest} the model cannot be drawn "
            f"({(str(error) or type(error).__name__).splitlines()[0]}). Write arrays along it as "
            f"x = pm.Data('x', values, dims={dim!r}), name them in `vary` too, and give every "
            f"variable along it dims={dim!r} instead of a shape."
        ) from error

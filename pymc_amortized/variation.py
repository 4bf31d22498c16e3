"""What else a posterior is amortized over: ``pm.Data`` that change from dataset to dataset."""

from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from typing import Any

import numpy as np
import pymc as pm
import pytensor
from pymc.distributions.distribution import SymbolicRandomVariable
from pymc.distributions.shape_utils import change_dist_size
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import ancestors, toposort
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.variable import TensorVariable

from pymc_amortized.graphs import (
    VARIED,
    ancestors_by_value,
    observed_variables,
    pymc_deprecations,
    variables,
)
from pymc_amortized.lengths import LENGTHS, Lengths, length_pool
from pymc_amortized.resizing import (
    check_follows,
    check_varying_dims,
    length_constants,
    own_lengths,
    own_values,
    padded,
)
from pymc_amortized.translation import Memo, graphs_of, translated
from pymc_amortized.vectorization import is_drawn

__all__ = ["Varied", "resampled", "varied_model"]

DrawOne = Callable[[np.random.Generator, tuple[int, ...]], Any]

TRIALS = 3
"""Draws that are looked at before any others are made."""

EXAMPLES = "a distribution, such as pm.Normal.dist(0, 1), or a function (rng, shape) -> array"


class Varied(RandomVariable):
    """Arrays that a function draws, one at a time.

    Parameters
    ----------
    draw : callable
        Takes a ``numpy.random.Generator`` and the shape of one array.
    shape : tuple of int
        That shape.
    dtype : str
        Of the arrays.
    """

    __props__ = (*RandomVariable.__props__, "draw", "shape")

    name = "varied"

    def __init__(self, draw: DrawOne, shape: tuple[int, ...], dtype: str, **_: Any) -> None:
        self.draw, self.shape = draw, shape
        axes = ",".join(f"axis{k}" for k in range(len(shape)))
        super().__init__(signature=f"->({axes})", dtype=dtype)

    def _supp_shape_from_params(self, *_: Any, **__: Any) -> tuple[int, ...]:
        return self.shape

    def rng_fn(self, rng: np.random.Generator, size: tuple[int, ...] | None) -> np.ndarray:
        """Call the function for each of `size` arrays."""
        size = () if size is None else tuple(map(int, np.atleast_1d(size)))
        found = [self.draw(rng, self.shape) for _ in range(prod(size))]
        return np.reshape(found, (*size, *self.shape)).astype(self.dtype)


def resampled(rows: np.ndarray) -> DrawOne:
    """Draw one of some arrays, (n, *shape), each as likely as the others, or the first part."""
    return lambda rng, shape: rows[rng.integers(len(rows))][tuple(map(slice, shape))]


def varied_model(model: pm.Model, vary: Mapping[str, Any] | None) -> pm.Model:
    """Translate a model into one in which some ``pm.Data`` are observed variables too.

    Their densities are no part of the likelihood: what is inferred is the posterior given them.

    Parameters
    ----------
    model : pm.Model
        The model, which is not changed.
    vary : mapping of str to TensorVariable or callable, or None
        Names of ``pm.Data``, and what they are drawn from in simulations: a distribution made by
        ``.dist``, independent along the leading axes that it lacks, or a function of a
        ``numpy.random.Generator`` and the shape of one array. Names of dims, and what their lengths
        are drawn from.

    Returns
    -------
    pm.Model
        The same model if nothing varies. Otherwise one of the same variables and data, of which
        the varied ones are observed variables behind the others. Where lengths vary, the model at
        the longest, see :func:`pymc_amortized.lengths.lengths_of`.

    Raises
    ------
    TypeError
        If `vary` is no mapping, or holds what nothing can be drawn from, or fractions for data
        that are integers.
    ValueError
        If a name is not that of a ``pm.Data`` that the model's distributions depend on, or draws
        have another shape or are not finite.
    """
    if vary is None or not _as_mapping(vary):
        return model
    dims = [name for name in vary if name in model.dim_lengths and not _is_data(model, name)]
    sources = {name: source for name, source in vary.items() if name not in dims}
    if not dims:
        return _translation(model, sources, {})
    check_varying_dims(model, dims, sources)
    pools = {dim: length_pool(dim, vary[dim]) for dim in dims}
    labels = {dim: model.coords.get(dim) for dim in dims}
    lengths = Lengths(pools, own_lengths(model, dims), labels, _At(model, sources))
    new = _translation(model, sources, lengths.longest)
    check_follows(new, lengths)
    setattr(new, LENGTHS, lengths)
    return new


class _At:
    """The model at given lengths, made once for each."""

    def __init__(self, model: pm.Model, sources: Mapping[str, Any]) -> None:
        self.model, self.sources = model, sources
        self.made: dict[tuple[int, ...], pm.Model] = {}

    def __call__(self, lengths: Mapping[str, int]) -> pm.Model:
        key = tuple(lengths.values())
        if key not in self.made:
            self.made[key] = _translation(self.model, self.sources, lengths)
        return self.made[key]


def _translation(
    model: pm.Model, sources: Mapping[str, Any], lengths: Mapping[str, int]
) -> pm.Model:
    data = {name: _data(model, name) for name in sources}
    drawn = {v: _drawn(n, sources[n], v, _shape(model, v, lengths)) for n, v in data.items()}
    inside = {v: rv if rv.dtype == v.dtype else rv.astype(v.dtype) for v, rv in drawn.items()}
    with pymc_deprecations():
        values = {v: padded(_value(v, rv), rv.type.shape) for v, rv in drawn.items()}
        longer = own_values(model, lengths)
        constants = length_constants(model, lengths)
        copied = _copied(graphs_of(model), inside | constants | longer)
        counterparts = copied | {v: v for v in model.data_vars} | drawn
        return translated(model, counterparts, values=values, own_values=longer, lengths=lengths)


def _is_data(model: pm.Model, name: str) -> bool:
    return name in {v.name for v in model.data_vars}


def _shape(model: pm.Model, data: SharedVariable, lengths: Mapping[str, int]) -> tuple[int, ...]:
    dims = model.named_vars_to_dims.get(data.name) or [None] * data.ndim
    own = np.shape(data.get_value())
    return tuple(lengths.get(dim, size) for dim, size in zip(dims, own, strict=True))


def _as_mapping(vary: Any) -> Mapping[str, Any]:
    if isinstance(vary, Mapping):
        return vary
    raise TypeError(
        f"vary: expected a mapping from names of pm.Data to {EXAMPLES}, got {type(vary).__name__}."
    )


def _data(model: pm.Model, name: str) -> SharedVariable:
    """The ``pm.Data`` of a name, which something depends on."""
    data = {v.name: v for v in model.data_vars}
    if name not in data:
        known = ", ".join(map(repr, data)) or "it has none"
        raise ValueError(
            f"vary: expected names of the model's pm.Data ({known}), got {name!r}, "
            f"{_what_it_is(model, name)}"
        )
    values = [model.rvs_to_values[rv] for rv in observed_variables(model)]
    if data[name] in ancestors_by_value(values):
        raise ValueError(
            f"vary: expected pm.Data that only distributions depend on, got {name!r}, the values "
            "of an observed variable, which vary in any case. Leave it out; where it is a "
            "covariate too, hold that in a pm.Data of its own."
        )
    if data[name] not in ancestors_by_value([*variables(model).values(), *model.potentials]):
        raise ValueError(
            f"vary: expected pm.Data that distributions depend on, got {name!r}, whose values "
            "nothing depends on. Leave it out."
        )
    return data[name]


def _what_it_is(model: pm.Model, name: str) -> str:
    if name in variables(model):
        return "a variable: free ones are inferred, observed ones vary in any case. Leave it out."
    return (
        "which the model does not have. Arrays that shall vary must be pm.Data: write "
        f"{name} = pm.Data({name!r}, values). Where {name!r} is a dim whose length shall vary, "
        f"give the variables along it dims={name!r}."
    )


def _drawn(name: str, source: Any, data: SharedVariable, shape: tuple[int, ...]) -> TensorVariable:
    """A random variable that stands for data, of a shape."""
    if isinstance(source, Variable):
        rv = _resized(name, source, shape)
        draws = _tried(name, lambda: pm.draw(rv, TRIALS, random_seed=0, mode="FAST_COMPILE"))
        _check_draw(name, draws, (TRIALS, *shape), data.dtype)
    elif callable(source) and not isinstance(source, type):
        draw = partial(_draw_checked, name, source, data.dtype)
        _tried(name, lambda: source(np.random.default_rng(0), shape))
        for seed in range(TRIALS):
            draw(np.random.default_rng(seed), shape)
        op = Varied(draw, shape, data.dtype)
        rv = op.make_node(pytensor.shared(np.random.default_rng()), None).outputs[1]
    else:
        raise TypeError(f"vary: expected {name!r} as {EXAMPLES}, got {source!r}.")
    rv.name = name
    setattr(rv.tag, VARIED, True)
    return rv


def _tried(name: str, draw: Callable[[], Any]) -> Any:
    try:
        return draw()
    except Exception as error:
        raise ValueError(
            f"vary: expected {name!r} as {EXAMPLES}, got one that cannot be drawn from "
            f"({type(error).__name__}: {(str(error) or 'no message').splitlines()[0]})."
        ) from error


def _resized(name: str, dist: Variable, shape: tuple[int, ...]) -> TensorVariable:
    op = dist.owner and dist.owner.op
    if not isinstance(op, RandomVariable | SymbolicRandomVariable):
        raise TypeError(f"vary: expected {name!r} as {EXAMPLES}, got the variable {dist}.")
    if named := [v.name for v in ancestors([dist]) if is_drawn(v) and v.name]:
        raise ValueError(
            f"vary: expected {name!r} as a distribution of its own, got one that is, or depends "
            f"on, {named[0]!r}, a variable of a model. Make it with .dist alone, such as "
            "pm.Normal.dist(0, 1)."
        )
    own = tuple(int(length) for length in dist.shape.eval(mode="FAST_COMPILE"))
    lacking = len(shape) - len(own)
    if lacking < 0 or shape[lacking:] != own:
        raise ValueError(
            f"vary: expected {name!r} as draws of shape {shape}, got a distribution of shape "
            f"{own}. Give it that shape, or none."
        )
    if lacking:
        return change_dist_size(dist, shape[:lacking], expand=True)
    return clone_replace([dist])[0]


def _draw_checked(
    name: str, draw: DrawOne, dtype: str, rng: np.random.Generator, shape: tuple[int, ...]
) -> np.ndarray:
    value = np.array(draw(rng, shape))  # a copy: it may be one buffer again and again
    _check_draw(name, value, shape, dtype)
    return value


def _check_draw(name: str, value: np.ndarray, shape: tuple[int, ...], dtype: str) -> None:
    kinds = {"b": "biu", "i": "biu", "u": "biu"}.get(np.dtype(dtype).kind, "biuf")
    truths = np.dtype(dtype).kind != "b" or np.isin(value, (0, 1)).all()
    if value.dtype.kind not in kinds or not truths:
        raise TypeError(
            f"vary: expected {name!r} as numbers like the data's {dtype}, got {value.dtype}"
            f"{'' if truths else f' such as {np.max(value)}'}."
        )
    if value.shape != shape:
        raise ValueError(f"vary: expected {name!r} as draws of shape {shape}, got {value.shape}.")
    if not np.isfinite(value).all():
        raise ValueError(f"vary: expected {name!r} as finite draws, got NaN or infinite ones.")


def _value(data: SharedVariable, rv: TensorVariable) -> Variable:
    """The data's own values as those of the random variable."""
    own = data.get_value()
    if np.dtype(rv.dtype).kind in "iu" and not np.array_equal(own, np.round(own)):
        raise ValueError(
            f"vary: expected {data.name!r} from a distribution that its own values can come from, "
            f"got one of integers for values such as {own[own != np.round(own)][0]}. Choose "
            "another distribution, or round the values."
        )
    return data if rv.dtype == data.dtype else data.astype(rv.dtype)


def _copied(outputs: list[Variable], given: Mapping[Variable, Variable]) -> Memo:
    """Copies of graphs in which some variables are replaced, and of all variables in them."""
    memo: Memo = dict(given)
    for node in toposort(outputs, blockers=list(memo)):
        new = node.clone_with_new_inputs([memo.get(i, i) for i in node.inputs], strict=False)
        for old, output in zip(node.outputs, new.outputs, strict=True):
            output.name = old.name
            memo[old] = output
    return {v: v for v in outputs} | memo

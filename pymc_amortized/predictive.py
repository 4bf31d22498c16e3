"""Draw data given parameters: a model's posterior predictive, as one batch."""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.graph.replace import clone_replace
from pytensor.tensor.variable import TensorVariable

from pymc_amortized.compilation import compiled, reseed
from pymc_amortized.graphs import frozen, names_above, outcome_variables, varied_variables
from pymc_amortized.vectorization import black_box, vectorized

__all__ = ["free_sampler", "predictive_sampler"]

Arrays = Mapping[str, np.ndarray]
Draw = Callable[[Arrays, int], dict[str, np.ndarray]]


def predictive_sampler(model: pm.Model, given: Collection[str] | None = None) -> Draw:
    """Compile the distribution of a model's observed variables given its free ones.

    Parameters
    ----------
    model : pm.Model
        The model, at its present data and dims.
    given : collection of str, optional
        The free variables that have values, by default all.

    Returns
    -------
    callable
        Takes values of the free variables and of varied data, (n, *shape) each, and a seed;
        returns one draw of the other observed variables for each, (n, *shape), made in one batch
        where the graph allows.

    Raises
    ------
    ValueError
        If an observed variable depends on a free one without a value.
    """
    free = [rv for rv in model.free_RVs if given is None or rv.name in given]
    others = [rv for rv in model.free_RVs if rv not in free]
    known, observed = [*free, *varied_variables(model)], outcome_variables(model)
    rvs = frozen(model, [*known, *observed, *others])
    first, end = len(known), len(known) + len(observed)
    _check_given(rvs[:first], rvs[first:end], rvs[end:])
    inputs = [rv.type(name=rv.name) for rv in rvs[:first]]
    outputs = clone_replace(rvs[first:end], dict(zip(rvs[:first], inputs, strict=True)))
    names = [rv.name for rv in observed]
    if black_box(outputs):
        return _looped(inputs, names, outputs)
    return _batched_or_looped(inputs, names, outputs)


def free_sampler(model: pm.Model, sort: Collection[str] = ()) -> Draw:
    """Compile the prior of a model given its varied data.

    Parameters
    ----------
    model : pm.Model
        The model, at its present data and dims, without potentials.
    sort : collection of str, default ()
        Variables whose draws are sorted along their last axis.

    Returns
    -------
    callable
        Takes values of the varied data, (n, *shape) each, and a seed; returns one draw of the free
        variables for each, (n, *shape).
    """
    varied, free = varied_variables(model), model.free_RVs
    rvs = frozen(model, [*varied, *free], sort=sort)
    inputs = [rv.type(name=rv.name) for rv in rvs[: len(varied)]]
    given = dict(zip(rvs[: len(varied)], inputs, strict=True))
    outputs = clone_replace(rvs[len(varied) :], given)
    return _batched_or_looped(inputs, [rv.name for rv in free], outputs)


def _batched_or_looped(
    inputs: Sequence[TensorVariable], names: Sequence[str], outputs: Sequence[TensorVariable]
) -> Draw:
    """Batches, unless the first of them fails, which PyTensor may find out when it draws."""
    chosen: list[Draw] = []

    def draw(values: Arrays, seed: int) -> dict[str, np.ndarray]:
        if not chosen:
            try:
                batched = _batched(inputs, names, outputs)
                found = batched(values, seed)
            except Exception:  # noqa: BLE001  a broken model breaks the loop as well
                chosen.append(_looped(inputs, names, outputs))
            else:
                chosen.append(batched)
                return found
        return chosen[0](values, seed)

    return draw


def _check_given(
    given: Sequence[TensorVariable],
    observed: Sequence[TensorVariable],
    others: Sequence[TensorVariable],
) -> None:
    for rv in observed:
        if needed := names_above([rv], given, others):
            raise ValueError(
                f"predictive: expected observed variables that depend on "
                f"{', '.join(repr(v.name) for v in given)} alone, got {rv.name!r}, which depends "
                f"on {', '.join(map(repr, needed))} too. Leave predictive out, or train with all "
                "free variables."
            )


def _batched(
    inputs: Sequence[TensorVariable], names: Sequence[str], outputs: Sequence[TensorVariable]
) -> Draw:
    wide = [pt.tensor(i.name, shape=(None, *i.type.shape), dtype=i.type.dtype) for i in inputs]
    given = dict(zip(inputs, wide, strict=True))
    named = dict(zip(names, outputs, strict=True))
    graphs = vectorized(named, outputs, wide[0].shape[0], given)
    function, generators = compiled(wide, graphs)

    def draw(values: Arrays, seed: int) -> dict[str, np.ndarray]:
        reseed(generators, seed)
        return dict(zip(names, function(*(values[i.name] for i in inputs)), strict=True))

    return draw


def _looped(
    inputs: Sequence[TensorVariable], names: Sequence[str], outputs: Sequence[Variable]
) -> Draw:
    function, generators = compiled(inputs, outputs)

    def draw(values: Arrays, seed: int) -> dict[str, np.ndarray]:
        reseed(generators, seed)
        rows = zip(*(values[i.name] for i in inputs), strict=True)
        columns = zip(*(function(*row) for row in rows), strict=True)
        return {name: np.stack(column) for name, column in zip(names, columns, strict=True)}

    return draw

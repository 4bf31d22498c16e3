"""Draw data given parameters: a model's posterior predictive, as one batch."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.graph.replace import clone_replace
from pytensor.tensor.variable import TensorVariable

from pymc_amortized.compilation import compiled, reseed
from pymc_amortized.graphs import frozen, observed_variables
from pymc_amortized.vectorization import CannotVectorize, black_box, vectorized

__all__ = ["predictive_sampler"]

Arrays = Mapping[str, np.ndarray]


def predictive_sampler(model: pm.Model) -> Callable[[Arrays, int], dict[str, np.ndarray]]:
    """Compile the distribution of a model's observed variables given its free ones.

    Parameters
    ----------
    model : pm.Model
        The model, at its present data and dims.

    Returns
    -------
    callable
        Takes values of the free variables, (n, *shape) each, and a seed; returns one draw of the
        observed variables for each, (n, *shape), made in one batch where the graph allows.
    """
    free, observed = model.free_RVs, observed_variables(model)
    rvs = frozen(model, [*free, *observed])
    inputs = [rv.type(name=rv.name) for rv in rvs[: len(free)]]
    outputs = clone_replace(rvs[len(free) :], dict(zip(rvs[: len(free)], inputs, strict=True)))
    names = [rv.name for rv in observed]
    if black_box(outputs):
        return _looped(inputs, names, outputs)
    try:
        return _batched(inputs, names, outputs)
    except CannotVectorize:
        return _looped(inputs, names, outputs)


def _batched(
    inputs: Sequence[TensorVariable], names: Sequence[str], outputs: Sequence[TensorVariable]
) -> Callable[[Arrays, int], dict[str, np.ndarray]]:
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
) -> Callable[[Arrays, int], dict[str, np.ndarray]]:
    function, generators = compiled(inputs, outputs)

    def draw(values: Arrays, seed: int) -> dict[str, np.ndarray]:
        reseed(generators, seed)
        rows = zip(*(values[i.name] for i in inputs), strict=True)
        columns = zip(*(function(*row) for row in rows), strict=True)
        return {name: np.stack(column) for name, column in zip(names, columns, strict=True)}

    return draw

"""From the graph of one draw to the graph of many: a leading axis of independent draws."""

import warnings
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pytensor
import pytensor.tensor as pt
from pymc.distributions.custom import CustomDistRV
from pymc.distributions.shape_utils import change_dist_size
from pymc.distributions.simulator import SimulatorRV
from pymc.pytensorf import constant_fold
from pytensor.compile.ops import ViewOp
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.graph.replace import vectorize_graph
from pytensor.graph.traversal import ancestors, toposort
from pytensor.tensor.random.basic import CategoricalRV, uniform
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.shape import Shape, Shape_i
from pytensor.tensor.variable import TensorVariable

from pymc_amortized.compilation import inlined
from pymc_amortized.graphs import ancestors_by_value, ops

__all__ = ["CannotVectorize", "black_box", "vectorized"]

Memo = dict[Variable, Variable]
"""From the variables of the one-draw graph to their many-draws counterparts."""


class CannotVectorize(Exception):
    """Raised where a graph has no counterpart with an axis of draws; the message says why."""


def black_box(outputs: Sequence[Variable]) -> str:
    """Name the first random function in graphs that was not written for batches, or "".

    PyMC's and PyTensor's own distributions treat the entries of their
    parameters' leading axes as independent. What a user's function does, such
    as taking a mean over its input, nobody knows.
    """
    for op in ops(outputs):
        if isinstance(op, RandomVariable) and _is_users(op):
            return op.name
    return ""


def _is_users(op: Op) -> bool:
    package = type(op).__module__.partition(".")[0]
    return isinstance(op, CustomDistRV | SimulatorRV) or package not in {"pymc", "pytensor"}


def vectorized(
    outputs: Mapping[str, TensorVariable],
    random: Collection[TensorVariable],
    draws: TensorVariable,
    given: Mapping[TensorVariable, TensorVariable] | None = None,
) -> list[TensorVariable]:
    """Give graphs of one draw a leading axis of independent draws.

    Parameters
    ----------
    outputs : mapping of str to TensorVariable
        Graphs of one draw each, of shape ``(*event)``, frozen.
    random : collection of TensorVariable
        The model's random variables in these graphs.
    draws : TensorVariable
        The number of draws, an integer scalar.
    given : mapping of TensorVariable to TensorVariable, optional
        Inputs of the graphs of one draw, and their counterparts of shape ``(draws, *shape)``.

    Returns
    -------
    list of TensorVariable
        The graphs of shape ``(draws, *event)``, with random generators of their own.

    Raises
    ------
    CannotVectorize
        If some part of a graph has no counterpart with an axis of draws.
    """
    random = set(random)
    dependent = random | (given or {}).keys()
    roots = [v for v in random if dependent.isdisjoint(ancestors(v.owner.inputs))]
    with warnings.catch_warnings():  # PyMC itself uses what the PyTensor it asks for deprecates
        warnings.simplefilter("ignore", DeprecationWarning)
        memo: Memo = {root: change_dist_size(root, (draws,), expand=True) for root in roots}
    memo |= given or {}
    graphs = inlined(list(outputs.values()), roots)
    for name, graph in zip(outputs, graphs, strict=True):
        try:
            _extend(memo, graph, draws)
        except Exception as error:
            raise CannotVectorize(f"{name!r}: {error}") from error
    many = [_with_axis(memo.get(v, v), v, draws) for v in graphs]
    if _count_random(many) != _count_random(list(outputs.values())):
        raise CannotVectorize("a random variable would be drawn more than once")
    return many


def _count_random(outputs: Sequence[Variable]) -> int:
    nodes = {v.owner for v in ancestors_by_value(inlined(outputs)) if v.owner}
    return sum(isinstance(node.op, RandomVariable) for node in nodes)


def _with_axis(new: TensorVariable, old: TensorVariable, draws: TensorVariable) -> TensorVariable:
    return new if _is_batched(new, old) else pt.broadcast_to(new, (draws, *new.shape))


def _is_batched(new: Variable, old: Variable) -> bool:
    return getattr(new.type, "ndim", 0) > getattr(old.type, "ndim", 0)


def _extend(memo: Memo, output: Variable, draws: TensorVariable) -> None:
    for node in toposort([output], blockers=list(memo)):
        missing = [v for v in node.outputs if v not in memo and not isinstance(v.type, RandomType)]
        if missing:
            for old, new in zip(node.outputs, _counterparts(node, memo, draws), strict=True):
                memo.setdefault(old, new)


def _counterparts(node: Apply, memo: Memo, draws: TensorVariable) -> Sequence[Variable]:
    op, inputs = node.op, [memo.get(i, i) for i in node.inputs]
    if isinstance(op, Shape | Shape_i) and None not in node.inputs[0].type.shape:
        shape = np.array(node.inputs[0].type.shape, dtype="int64")
        return [pt.constant(shape if isinstance(op, Shape) else shape[op.i])]
    if isinstance(op, ViewOp):
        return inputs
    if isinstance(op, RandomVariable):
        return _redrawn(node, inputs, draws)
    if any(isinstance(v.type, RandomType) for v in node.inputs):
        raise CannotVectorize(f"{op} draws inside")
    if not any(map(_is_batched, inputs, node.inputs)):
        return node.clone_with_new_inputs(inputs, strict=False).outputs
    return vectorize_graph(node.outputs, dict(zip(node.inputs, inputs, strict=True)))


def _redrawn(node: Apply, inputs: list[Variable], draws: TensorVariable) -> list[Variable]:
    # the same distribution, drawn `draws` times, from a generator of its own
    op, (_, _, *parameters) = node.op, inputs
    batch_ndim = op.batch_ndim(node)
    for parameter, core_ndim in zip(node.inputs[2:], op.ndims_params, strict=True):
        if parameter.type.ndim != batch_ndim + core_ndim:  # the draws' axis would not come first
            raise CannotVectorize(f"{op} has a parameter that lacks batch axes")
    size = pt.as_tensor([draws, *_static_shape(node.outputs[1])[:batch_ndim]], dtype="int64")
    rng = pytensor.shared(np.random.default_rng())
    if isinstance(op, CategoricalRV):
        return _categorical(*parameters, size, rng, op.dtype)
    return op.make_node(rng, size, *parameters).outputs


def _categorical(
    p: TensorVariable, size: TensorVariable, rng: SharedVariable, dtype: str
) -> list[Variable]:
    # PyTensor's sampler loops in Python over all its draws
    next_rng, u = uniform.make_node(rng, size, 0.0, 1.0).outputs
    one, zero = np.array([1, 0], dtype=dtype)
    below = pt.where(pt.cumsum(p, axis=-1)[..., :-1] < u[..., None], one, zero)
    return [next_rng, below.sum(axis=-1, dtype=dtype)]


def _static_shape(variable: TensorVariable) -> tuple[int, ...]:
    if None not in variable.type.shape:
        return variable.type.shape
    shape = constant_fold(list(variable.shape), raise_not_constant=False)
    if any(isinstance(length, Variable) for length in shape):
        raise CannotVectorize(f"the shape of {variable.owner.op} is not fixed")
    return tuple(int(length) for length in shape)

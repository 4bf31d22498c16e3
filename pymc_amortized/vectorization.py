"""From the graph of one draw to the graph of many: a leading axis of independent draws."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytensor
import pytensor.tensor as pt
from pymc.distributions.custom import CustomDistRV, CustomSymbolicDistRV
from pymc.distributions.distribution import SymbolicRandomVariable
from pymc.distributions.shape_utils import change_dist_size
from pymc.distributions.simulator import SimulatorRV
from pymc.distributions.truncated import Truncated, TruncatedRV
from pymc.pytensorf import constant_fold
from pytensor.compile.ops import ViewOp
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.op import Op
from pytensor.graph.replace import vectorize_graph
from pytensor.graph.traversal import ancestors, toposort
from pytensor.scan.op import Scan
from pytensor.tensor.basic import ScalarFromTensor
from pytensor.tensor.random.basic import CategoricalRV, uniform
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.shape import Shape, Shape_i
from pytensor.tensor.subtensor import Subtensor, get_idx_list
from pytensor.tensor.type import TensorType
from pytensor.tensor.variable import TensorVariable

from pymc_amortized.compilation import inlined, inlined_step
from pymc_amortized.graphs import ancestors_by_value, ops, pymc_deprecations
from pymc_amortized.rejection import Rejection
from pymc_amortized.scans import batched_scan, has_axis, with_axis

__all__ = ["CannotVectorize", "black_box", "is_drawn", "vectorized"]

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
    own = {"pymc", "pytensor", __package__}
    return isinstance(op, CustomDistRV | SimulatorRV) or package not in own


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
        The number of draws, an integer scalar. A constant is enough for more models.
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
    drawn = [v for v in random if isinstance(v.owner.op, RandomVariable | SymbolicRandomVariable)]
    roots = [v for v in drawn if dependent.isdisjoint(ancestors(v.owner.inputs))]
    if not isinstance(draws, Constant):  # which PyMC's own loops could not take
        roots = [v for v in roots if not _loops(v)]
    with pymc_deprecations():
        resized = {root: _independent(root, draws) for root in roots}
        memo: Memo = {root: many for root, many in resized.items() if many is not None}
        walk = _Walk(memo | (given or {}), draws, _new_generator)
        graphs = inlined(list(outputs.values()), memo, kept=TruncatedRV)
        for name, graph in zip(outputs, graphs, strict=True):
            try:
                walk.extend(graph)
            except Exception as error:
                raise CannotVectorize(f"{name!r}: {error}") from error
    many = [with_axis(walk.memo.get(v, v), v, draws) for v in graphs]
    if _count_random(many) != _count_random(list(outputs.values())):
        raise CannotVectorize("a random variable would be drawn more than once")
    return many


def _independent(variable: TensorVariable, draws: TensorVariable) -> TensorVariable | None:
    """So many draws of a variable by its own size, None where they would share what it is made of.

    PyMC resizes the components of its compound distributions, but not the parameters that are
    drawn; nor does a user's function all that it draws, whatever size it is asked for.
    """
    if isinstance(variable.owner.op, CustomSymbolicDistRV):
        return None
    many = change_dist_size(variable, (draws,), expand=True)
    made_of = {v for v in ancestors(variable.owner.inputs) if is_drawn(v)}
    return many if made_of.isdisjoint(ancestors([many])) else None


def is_drawn(variable: Variable) -> bool:
    """Whether a variable is a draw from a distribution."""
    random = variable.owner and isinstance(
        variable.owner.op, RandomVariable | SymbolicRandomVariable
    )
    return bool(random) and not isinstance(variable.type, RandomType)


def _loops(variable: TensorVariable) -> bool:
    """Whether a random variable is drawn step by step."""
    return any(isinstance(op, Scan) for op in ops([variable], blockers=variable.owner.inputs))


def _count_random(outputs: Sequence[Variable]) -> int:
    nodes = {v.owner for v in ancestors_by_value(inlined(outputs, kept=TruncatedRV)) if v.owner}
    steps = [_plain_step(n.op)[1] for n in nodes if isinstance(n.op, Scan)]
    drawn = sum(isinstance(n.op, RandomVariable | TruncatedRV) for n in nodes)
    return drawn + sum(map(_count_random, steps))


def _new_generator(_: Variable) -> SharedVariable:
    return pytensor.shared(np.random.default_rng())


class _Walk(NamedTuple):
    """From the variables of a graph of one draw to their counterparts of many.

    Attributes
    ----------
    memo : dict of Variable to Variable
        The counterparts so far.
    draws : TensorVariable
        The number of draws.
    generator : callable
        The generator for what was drawn from the given one.
    """

    memo: Memo
    draws: TensorVariable
    generator: Callable[[Variable], Variable]

    def extend(self, output: Variable) -> None:
        """Find the counterparts of all that is above a variable, and its own."""
        for node in toposort([output], blockers=list(self.memo)):
            outputs = [v for v in node.outputs if not isinstance(v.type, RandomType)]
            if any(v not in self.memo for v in outputs):
                for old, new in zip(node.outputs, self.counterparts(node), strict=True):
                    self.memo.setdefault(old, new)

    def counterparts(self, node: Apply) -> Sequence[Variable]:
        """Counterparts of the outputs of a node whose inputs have theirs."""
        op, inputs = node.op, [self.memo.get(i, i) for i in node.inputs]
        batched = any(map(has_axis, inputs, node.inputs))
        if isinstance(op, Shape | Shape_i) and None not in node.inputs[0].type.shape:
            shape = np.array(node.inputs[0].type.shape, dtype="int64")
            return [pt.constant(shape if isinstance(op, Shape) else shape[op.i])]
        if isinstance(op, ViewOp) or (batched and isinstance(op, ScalarFromTensor)):
            return inputs
        if isinstance(op, RandomVariable):
            return self.redrawn(node, inputs)
        if isinstance(op, TruncatedRV):
            return self.truncated(node, inputs)
        draws_inside = any(isinstance(v.type, RandomType) for v in node.inputs)
        if isinstance(op, Scan) and (batched or draws_inside):
            return batched_scan(node, inputs, self.draws, _step)
        if draws_inside:
            raise CannotVectorize(f"{op} draws inside")
        if not batched:
            return node.clone_with_new_inputs(inputs, strict=False).outputs
        if isinstance(op, Subtensor) and any(map(has_axis, inputs[1:], node.inputs[1:])):
            return [self.indexed(node, inputs)]
        return vectorize_graph(node.outputs, dict(zip(node.inputs, inputs, strict=True)))

    def redrawn(self, node: Apply, inputs: list[Variable]) -> list[Variable]:
        """The same distribution, drawn `draws` times."""
        op, (rng, _, *parameters) = node.op, node.inputs
        batch_ndim = op.batch_ndim(node)
        for parameter, core_ndim in zip(parameters, op.ndims_params, strict=True):
            if parameter.type.ndim != batch_ndim + core_ndim:  # the draws' axis would not be first
                raise CannotVectorize(f"{op} has a parameter that lacks batch axes")
        size = self.size(node.outputs[1], batch_ndim)
        rng = self.generator(rng)
        if isinstance(op, CategoricalRV):
            return _categorical(inputs[2], size, rng, op.dtype)
        return op.make_node(rng, size, *inputs[2:]).outputs

    def truncated(self, node: Apply, inputs: list[Variable]) -> list[Variable]:
        """A truncated distribution, which PyMC draws by rejection until all draws are inside."""
        op, variable = node.op, node.outputs[0]
        if not isinstance(op.base_rv_op, RandomVariable):
            raise CannotVectorize(f"{op} truncates a compound distribution")
        core = [0, 0, *op.base_rv_op.ndims_params, 0, 0]
        _, _, *parameters, lower, upper = (
            _padded(new, old, variable.ndim + ndim)
            for new, old, ndim in zip(inputs, node.inputs, core, strict=True)
        )
        size = self.size(variable, variable.ndim)
        rng = self.generator(node.inputs[0])
        if _loops(variable):
            rejection = Rejection(op.base_rv_op, op.max_n_steps)
            return rejection.make_node(rng, size, *parameters, lower, upper).outputs[::-1]
        base = op.base_rv_op.make_node(rng, size, *parameters).outputs[1]
        return Truncated.rv_op(base, lower, upper, op.max_n_steps, size=size).owner.outputs

    def indexed(self, node: Apply, inputs: list[Variable]) -> TensorVariable:
        """Elements of an array chosen by random integers."""
        array = with_axis(inputs[0], node.inputs[0], self.draws)
        index = get_idx_list([array, *map(_as_tensor, inputs[1:])], node.op.idx_list)
        if any(getattr(i, "ndim", 0) for s in index if isinstance(s, slice) for i in _ends(s)):
            raise CannotVectorize("a slice has random ends")
        return array[(pt.arange(self.draws), *index)]

    def size(self, variable: TensorVariable, ndim: int) -> TensorVariable:
        """The number of draws and the leading axes of a variable."""
        return pt.as_tensor([self.draws, *_static_shape(variable)[:ndim]], dtype="int64")


def _as_tensor(index: Variable) -> TensorVariable:
    return index if isinstance(index.type, TensorType) else pt.tensor_from_scalar(index)


def _ends(index: slice) -> tuple[Any, Any, Any]:
    return index.start, index.stop, index.step


def _step(op: Scan, inputs: list[Variable], draws: TensorVariable) -> list[Variable]:
    """The step of a scan with an axis of draws; it draws from the generators that it is given."""
    plain, graphs = _plain_step(op)
    walk = _Walk(dict(zip(plain, inputs, strict=True)), draws, lambda rng: walk.memo[rng])
    for graph in graphs:
        walk.extend(graph)
    found = [walk.memo.get(v, v) for v in graphs]
    return [
        new if isinstance(old.type, RandomType) else with_axis(new, old, draws)
        for new, old in zip(found, graphs, strict=True)
    ]


def _plain_step(op: Scan) -> tuple[list[Variable], list[Variable]]:
    """Inputs and outputs of a copy of the graph of a scan's step."""
    inputs = [v.type() for v in op.inner_inputs]
    return inputs, inlined_step(op, inputs, kept=TruncatedRV)


def _padded(new: Variable, old: Variable, ndim: int) -> Variable:
    """Insert axes of length one behind the draws', up to that of `ndim` axes of one draw."""
    if not has_axis(new, old):
        return new
    return pt.expand_dims(new, tuple(range(1, 1 + ndim - old.type.ndim)))


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

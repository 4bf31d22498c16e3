"""Models of ``pymc.dims``, whose arrays carry the names of their axes, as models without."""

import sys
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pymc as pm
import pytensor
import pytensor.tensor as pt
from pymc.distributions.distribution import SymbolicRandomVariable
from pymc.logprob.transforms import Transform
from pytensor.compile.ops import ViewOp
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import ancestors, toposort
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.sharedvar import TensorSharedVariable
from pytensor.tensor.type import TensorType
from pytensor.tensor.variable import TensorVariable

from pymc_amortized.exceptions import UnsupportedModelError
from pymc_amortized.graphs import pymc_deprecations
from pymc_amortized.translation import Memo, graphs_of, translated

__all__ = ["plain_model"]


def plain_model(model: pm.Model) -> pm.Model:
    """Translate a model of ``pymc.dims`` into one of plain tensors.

    Parameters
    ----------
    model : pm.Model
        A model, of which some variables or none are of ``pymc.dims``. It is not changed.

    Returns
    -------
    pm.Model
        The same model if it has no array with named axes. Otherwise one of the same variables,
        names, dims, axes, transforms and data: its coords and the values of its ``Data`` are those
        of the given model, and follow what ``pm.set_data`` makes of them.

    Raises
    ------
    UnsupportedModelError
        If PyTensor cannot express a variable without names of axes, or axes of a multivariate
        distribution stand before others.
    """
    if "pymc.dims" not in sys.modules or not isinstance(model, pm.Model):
        return model
    outputs = graphs_of(model)
    if not any(map(_has_names, [*ancestors(outputs), *model.data_vars])):
        return model
    with pymc_deprecations():
        return translated(model, _without_names(model, outputs), transform=_plain_transform)


def _has_names(variable: Variable) -> bool:
    # arrays and their generators; by name, as PyTensor's modules differ between generations
    return type(variable.type).__module__.startswith("pytensor.xtensor")


def _plain_transform(variable: Variable, transform: Transform | None) -> Transform | None:
    if transform is not None and _has_names(variable):
        return _WithoutNames(transform, variable.type.dims)
    return transform


def _without_names(model: pm.Model, outputs: Sequence[Variable]) -> Memo:
    """Plain counterparts of graphs, of the variables of the model, and of its data.

    The graphs are cut at the variables of the model, which so stay what they are whatever becomes
    of the graphs between them.
    """
    named = [*model.basic_RVs, *model.deterministics, *model.potentials]
    memo = _inputs(model, outputs)
    cuts = {v: TensorType(v.dtype, v.type.shape)(name=v.name) for v in named}
    own, order = {}, []
    for node in toposort(outputs):
        new = _copied(node, [memo.get(i, i) for i in node.inputs])
        for old, output in zip(node.outputs, new, strict=True):
            output.name = old.name
            memo[old] = output
            if old in cuts:
                order.append(old)
                own[old], memo[old] = output, _like(cuts[old], old)
    wanted = [*order, *(v for v in outputs if v not in cuts)]
    lowered = _lowered([own.get(v, memo.get(v, v)) for v in wanted])
    joined: Memo = {}
    for old, graph in zip(wanted, lowered, strict=True):
        _check(old, graph)
        found = joined[old] = _joined(graph, joined)
        if old in cuts:
            joined[old] = joined[cuts[old]] = _in_order(old.name, found)
            joined[old].name = old.name
    return joined | {v: _tensor(memo[v]) for v in model.data_vars}


def _copied(node: Apply, inputs: Sequence[Variable]) -> list[Variable]:
    # what PyMC copies a pmd.Deterministic with is the one Op that PyTensor does not lower
    if isinstance(node.op, ViewOp) and _has_names(node.outputs[0]):
        return [_like(node.op(_tensor(inputs[0])), node.outputs[0])]
    return node.clone_with_new_inputs(inputs, strict=False).outputs


def _inputs(model: pm.Model, outputs: Sequence[Variable]) -> Memo:
    """What stands for what graphs begin with, and for the model's data."""
    memo: Memo = {}
    for variable in [*ancestors(outputs), *model.data_vars]:
        if variable.owner is not None or variable in memo:
            continue
        if not _has_names(variable):
            memo[variable] = variable
        elif isinstance(variable, SharedVariable):
            memo[variable] = _like(_shared(variable), variable)
        elif isinstance(variable, Constant):
            memo[variable] = _like(pt.constant(variable.data, name=variable.name), variable)
    return memo


def _shared(variable: SharedVariable) -> SharedVariable:
    """A plain variable of the same value, now and whenever it is set; a generator of its own."""
    if not hasattr(variable.type, "dims"):
        return pytensor.shared(variable.get_value())
    return TensorSharedVariable(
        type=TensorType(variable.dtype, variable.type.shape),
        value=None,
        strict=None,
        container=variable.container,
        name=variable.name,
    )


def _like(plain: Variable, variable: Variable) -> Variable:
    """Give a plain variable the names of axes that another one has."""
    from pytensor.xtensor.basic import xtensor_from_tensor

    if not _has_names(variable):
        return plain
    if not hasattr(variable.type, "dims"):
        from pytensor.xtensor.random.type import as_rng

        return as_rng(plain)
    return xtensor_from_tensor(plain, dims=variable.type.dims)


def _tensor(variable: Variable) -> Variable:
    from pytensor.xtensor.basic import XTensorFromTensor

    if not hasattr(variable.type, "dims"):
        return variable
    if variable.owner is not None and isinstance(variable.owner.op, XTensorFromTensor):
        return variable.owner.inputs[0]
    return variable.values


def _lowered(graphs: Sequence[Variable]) -> list[Variable]:
    """Take the names of axes out of graphs, which this changes, as PyTensor does to compile."""
    from pytensor.compile import optdb

    fgraph = FunctionGraph(outputs=[_tensor(graph) for graph in graphs], clone=False)
    optdb.query("+lower_xtensor").rewrite(fgraph)
    return list(fgraph.outputs)


def _check(variable: Variable, graph: Variable) -> None:
    for node in toposort([graph]):
        if any(map(_has_names, node.inputs)):
            raise UnsupportedModelError(
                variable.name,
                f"is made of {node.op} of arrays with named axes, for which PyTensor has no plain "
                "counterpart",
                "expected distributions and functions of pymc.dims: write this part with plain "
                "tensors (`.values`), or leave it out",
            )


def _joined(graph: Variable, memo: Memo) -> Variable:
    """Copy a graph, joined to the counterparts of the variables that it was cut from."""
    for node in toposort([graph], blockers=list(memo)):
        if any(output not in memo for output in node.outputs):
            new = node.clone_with_new_inputs([memo.get(i, i) for i in node.inputs], strict=False)
            for old, output in zip(node.outputs, new.outputs, strict=True):
                output.name = old.name
                memo.setdefault(old, output)
    return memo.get(graph, graph)


def _in_order(name: str, variable: Variable) -> Variable:
    """Draw a random variable with transposed axes in the order of these, where that is possible."""
    if variable.owner is None or not isinstance(variable.owner.op, DimShuffle):
        return variable
    (drawn,) = variable.owner.inputs
    op = drawn.owner and drawn.owner.op
    order = variable.owner.op.new_order
    if not isinstance(op, RandomVariable | SymbolicRandomVariable):
        return variable
    batch = drawn.ndim - op.ndim_supp
    if list(order[batch:]) != list(range(batch, drawn.ndim)):
        raise UnsupportedModelError(
            name,
            f"has other dims behind those of its distribution {op}",
            "expected the dims in `core_dims` to be the last ones: reorder its `dims`",
        )
    return _transposed(drawn.owner, order[:batch]) if isinstance(op, RandomVariable) else variable


def _transposed(node: Apply, order: Collection[int]) -> TensorVariable:
    """The same distribution, its leading axes in another order."""
    rng, size, *parameters = node.inputs
    leading = len(order)
    moved = [p.dimshuffle(*order, *range(leading, p.ndim)) for p in parameters]
    if isinstance(size.type, TensorType):
        size = size[list(order)]
    return node.op.make_node(rng, size, *moved).outputs[1]


class _WithoutNames(Transform):
    """A transform of arrays with named axes, of plain ones.

    Parameters
    ----------
    transform : Transform
        It takes and returns arrays with named axes.
    dims : tuple of str
        The names, in the order of the axes.
    """

    def __init__(self, transform: Transform, dims: tuple[str, ...]) -> None:
        self.transform, self.dims, self.name = transform, dims, transform.name

    def forward(self, value: TensorVariable, *_: Variable) -> TensorVariable:
        """Map values of the variable to unconstrained ones."""
        return self._plainly(self.transform.forward, value)

    def backward(self, value: TensorVariable, *_: Variable) -> TensorVariable:
        """Map unconstrained values to those of the variable."""
        return self._plainly(self.transform.backward, value)

    def log_jac_det(self, value: TensorVariable, *_: Variable) -> TensorVariable:
        """Log of the absolute Jacobian determinant of `backward`."""
        return self._plainly(self.transform.log_jac_det, value)

    def _plainly(self, function: Callable[..., Any], value: TensorVariable) -> TensorVariable:
        from pytensor.xtensor.basic import xtensor_from_tensor

        given = value.type()
        named = function(xtensor_from_tensor(given, dims=self.dims))
        ordered = named.transpose(*(dim for dim in self.dims if dim in named.type.dims))
        (graph,) = _lowered([ordered])
        (result,) = clone_replace([graph], {given: value})
        return result

"""Graphs of a PyMC model: which variables it has, and copies of their graphs made fit for use."""

import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.distribution import SymbolicRandomVariable
from pymc.pytensorf import constant_fold
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import HasInnerGraph, Op
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import ancestors, toposort
from pytensor.tensor.shape import Shape, Shape_i
from pytensor.tensor.variable import TensorVariable

__all__ = [
    "ancestors_by_value",
    "frozen",
    "given_values",
    "names_above",
    "observed_variables",
    "ops",
    "outcome_variables",
    "parents",
    "pymc_deprecations",
    "variables",
    "varied_variables",
]

VARIED = "varied"
"""Attribute of a variable's tag, see :func:`pymc_amortized.variation.varied_model`."""

SHORTER = "shorter"
"""Attribute of a lengthened value's tag: what it has been made from."""


@contextmanager
def pymc_deprecations() -> Iterator[None]:
    """Be silent about what PyMC itself uses, and the PyTensor that it asks for deprecates."""
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", category)
        yield


def observed_variables(model: pm.Model) -> list[TensorVariable]:
    """Observed variables, each once, in the model's order."""
    # PyMC 5.28's sample_posterior_predictive appends duplicates to model.observed_RVs
    return list(dict.fromkeys(model.observed_RVs))


def varied_variables(model: pm.Model) -> list[TensorVariable]:
    """Those observed variables that stand for varied ``pm.Data``, in the model's order."""
    return [rv for rv in observed_variables(model) if getattr(rv.tag, VARIED, False)]


def outcome_variables(model: pm.Model) -> list[TensorVariable]:
    """The other observed variables, whose density is the likelihood."""
    varied = varied_variables(model)
    return [rv for rv in observed_variables(model) if rv not in varied]


def variables(model: pm.Model) -> dict[str, TensorVariable]:
    """Free, observed and deterministic variables by name, in this order."""
    return {v.name: v for v in (*model.free_RVs, *observed_variables(model), *model.deterministics)}


def frozen(
    model: pm.Model, outputs: Sequence[Variable], *, sort: Collection[str] = ()
) -> list[TensorVariable]:
    """Copy graphs, with every ``pm.Data`` and dim length a constant of its present value.

    Static shapes then follow from the constants. Neither the model nor its
    graphs are changed; random generators stay the model's own.

    Parameters
    ----------
    model : pm.Model
        The model that the graphs belong to.
    outputs : sequence of Variable
        Graphs over the model's variables.
    sort : collection of str, default ()
        Random variables whose values are sorted along their last axis, for
        themselves and for all that depends on them.

    Returns
    -------
    list of TensorVariable
        The new graphs, in the order of ``outputs``.
    """
    containers = (*model.named_vars.values(), *model.dim_lengths.values())
    memo: dict[Variable, Variable] = {
        v: v.type.constant_type(type=v.type, data=v.get_value(), name=v.name)
        for v in containers
        if isinstance(v, SharedVariable)
    }
    sorted_variables = {model[name] for name in sort}
    for node in toposort(outputs):
        new = node.clone_with_new_inputs([memo.get(i, i) for i in node.inputs], strict=False)
        _infer_static_shapes(new)
        for old_output, output in zip(node.outputs, new.outputs, strict=True):
            output.name = old_output.name
            is_sorted = old_output in sorted_variables
            memo[old_output] = pt.sort(output, axis=-1) if is_sorted else output
    return [memo.get(output, output) for output in outputs]


def _infer_static_shapes(node: Apply) -> None:
    # a graph inside an Op keeps the output types it was made with, whatever its inputs become
    if isinstance(node.op, SymbolicRandomVariable):
        for output in node.outputs:
            if None in getattr(output.type, "shape", ()):
                folded = constant_fold(list(output.shape), raise_not_constant=False)
                shape = tuple(None if isinstance(s, Variable) else int(s) for s in folded)
                output.type = output.type.clone(shape=shape)


def ancestors_by_value(
    outputs: Sequence[Variable], blockers: Collection[Variable] = ()
) -> set[Variable]:
    """Everything above graphs, and themselves, except what only lends its shape.

    Nothing above ``blockers``.
    """
    seen: set[Variable] = set()
    waiting = list(outputs)
    while waiting:
        variable = waiting.pop()
        if variable in seen or (variable.owner and isinstance(variable.owner.op, Shape | Shape_i)):
            continue
        seen.add(variable)
        if variable.owner and variable not in blockers:
            waiting.extend(variable.owner.inputs)
    return seen


def names_above(
    outputs: Sequence[Variable], given: Collection[Variable], others: Sequence[Variable]
) -> list[str]:
    """Names of those other variables that the values of graphs depend on beside the given ones."""
    above = ancestors_by_value(outputs, blockers=given)
    return [variable.name for variable in others if variable in above]


def ops(outputs: Sequence[Variable], blockers: Collection[Variable] = ()) -> Iterator[Op]:
    """Every Op in graphs, and in the graphs inside these Ops; nothing above ``blockers``."""
    nodes = {
        v.owner for v in ancestors(outputs, blockers=blockers) if v.owner and v not in blockers
    }
    for node in nodes:
        yield node.op
        if isinstance(node.op, HasInnerGraph):
            yield from ops(node.op.inner_outputs)


def parents(model: pm.Model, rv: TensorVariable) -> list[TensorVariable]:
    """The random variables of the model above a random variable, in the model's order."""
    above = set(ancestors(rv.owner.inputs))
    return [parent for parent in dict.fromkeys(model.basic_RVs) if parent in above]


def given_values(
    model: pm.Model, rv: TensorVariable
) -> tuple[TensorVariable, list[TensorVariable]]:
    """Make a random variable, frozen, given values of those above it, and the inputs for these."""
    own, *above = frozen(model, [rv, *parents(model, rv)])
    inputs = {parent: parent.type() for parent in above}
    (given,) = clone_replace([own], inputs)
    return given, list(inputs.values())

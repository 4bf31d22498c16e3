"""Compile graphs to run at NumPy's speed, at once, with random generators of their own."""

from collections.abc import Collection, Sequence

import numpy as np
import pytensor
from pymc.pytensorf import collect_default_updates
from pytensor.compile.builders import OpFromGraph
from pytensor.compile.mode import Mode, get_mode
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable
from pytensor.graph.op import HasInnerGraph, Op
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import ancestors, toposort
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.variable import TensorConstant

__all__ = ["compiled", "inlined", "inlined_step", "reseed"]

# No compiler: NumPy does the work. Without the rewrites that gather sums and products, because
# PyTensor runs those of three arrays or more in a Python loop. With those that pm.draw adds.
_MODE = (
    get_mode("FAST_COMPILE")
    .excluding("local_add_canonizer", "local_mul_canonizer", "slogdet_specialization")
    .including("random_make_inplace", "local_check_parameter_to_ninf_switch")
)


_QUICK = Mode(_MODE.linker, None)


def compiled(
    inputs: Sequence[Variable], outputs: Sequence[Variable], *, quick: bool = False
) -> tuple[pytensor.compile.Function, list[SharedVariable]]:
    """Compile copies of graphs.

    Parameters
    ----------
    inputs : sequence of Variable
        What the function takes; what no output depends on is ignored.
    outputs : sequence of Variable
        What it returns, as a list.
    quick : bool, default False
        Compile in half the time what may run slower, of scans ten times.

    Returns
    -------
    function : pytensor.compile.Function
        The compiled function. Each call draws anew.
    generators : list of SharedVariable
        Its random generators, which no other graph shares.
    """
    graphs, generators = _with_own_generators(outputs)
    # asked before inlining, which hides from PyMC how the generators move on
    updates = collect_default_updates(graphs, inputs=inputs)
    graphs = inlined([*graphs, *updates.values()])
    function = pytensor.function(
        list(inputs),
        graphs[: len(outputs)],
        updates=dict(zip(updates, graphs[len(outputs) :], strict=True)),
        mode=_QUICK if quick else _MODE,
        on_unused_input="ignore",
    )
    _own_constants(function)
    return function, generators


def _own_constants(function: pytensor.compile.Function) -> None:
    # SciPy's samplers broadcast their parameters for writing, and PyTensor makes the arrays of
    # constants that it has looked at read-only, whatever other graphs have views of them
    for variable, cell in function.vm.storage_map.items():
        if isinstance(variable, TensorConstant):
            cell[0] = cell[0].copy()


def reseed(generators: Sequence[SharedVariable], seed: int) -> None:
    """Give each generator an independent stream that follows from one seed."""
    streams = np.random.SeedSequence(seed).spawn(len(generators))
    for generator, stream in zip(generators, streams, strict=True):
        generator.set_value(np.random.Generator(np.random.PCG64(stream)), borrow=True)


def _with_own_generators(
    outputs: Sequence[Variable],
) -> tuple[list[Variable], list[SharedVariable]]:
    new = {
        v: pytensor.shared(np.random.default_rng())
        for v in ancestors(outputs)
        if isinstance(v, SharedVariable) and isinstance(v.type, RandomType)
    }
    return clone_replace(list(outputs), new), list(new.values())


def inlined(
    outputs: Sequence[Variable],
    leaves: Collection[Variable] = (),
    kept: type[Op] | tuple[type[Op], ...] = (),
) -> list[Variable]:
    """Copy graphs with every Op that holds a graph of its own replaced by that graph.

    Parameters
    ----------
    outputs : sequence of Variable
        The graphs.
    leaves : collection of Variable, default ()
        Variables that stay themselves, with all above them.
    kept : type of Op or tuple of these, default ()
        What is not replaced.
    """
    return _inline(outputs, {leaf: leaf for leaf in leaves}, kept)


def inlined_step(
    op: HasInnerGraph, inputs: Sequence[Variable], kept: type[Op] | tuple[type[Op], ...] = ()
) -> list[Variable]:
    """Copy the graph inside an Op, with every Op that holds a graph of its own inlined.

    Parameters
    ----------
    op : HasInnerGraph
        The Op.
    inputs : sequence of Variable
        Inputs of the copy.
    kept : type of Op or tuple of these, default ()
        What is not replaced.
    """
    return _inline(*_inner_graph(op, inputs), kept)


def _inline(
    outputs: Sequence[Variable],
    memo: dict[Variable, Variable],
    kept: type[Op] | tuple[type[Op], ...],
) -> list[Variable]:
    for node in toposort(outputs, blockers=list(memo)):
        inputs = [memo.get(i, i) for i in node.inputs]
        if isinstance(node.op, OpFromGraph) and not isinstance(node.op, kept):
            new = _inline(*_inner_graph(node.op, inputs), kept)
        elif all(new is old for new, old in zip(inputs, node.inputs, strict=True)):
            continue
        else:
            new = node.clone_with_new_inputs(inputs, strict=False).outputs
        for old_output, new_output in zip(node.outputs, new, strict=True):
            memo.setdefault(old_output, new_output)
    return [memo.get(output, output) for output in outputs]


def _inner_graph(
    op: HasInnerGraph, inputs: Sequence[Variable]
) -> tuple[Sequence[Variable], dict[Variable, Variable]]:
    # clone_replace would copy what is above the inputs too, and so draw it a second time
    if hasattr(op.fgraph, "bind"):  # PyTensor 3
        return op.fgraph.bind(inputs), {i: i for i in inputs}
    return op.inner_outputs, dict(zip(op.inner_inputs, inputs, strict=True))

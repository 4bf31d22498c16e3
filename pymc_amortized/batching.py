"""Compile a graph of one draw into a function of many draws."""

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
import pytensor.tensor as pt
from pymc.logprob.utils import local_check_parameter_to_ninf_switch
from pymc.pytensorf import compile as compile_graph
from pytensor.compile.mode import Mode
from pytensor.graph.replace import vectorize_graph
from pytensor.graph.rewriting.basic import dfs_rewriter
from pytensor.graph.rewriting.utils import rewrite_graph
from pytensor.scan.op import Scan
from pytensor.tensor.variable import TensorVariable

from pymc_amortized.elementwise import COMPOSED
from pymc_amortized.graphs import ops
from pymc_amortized.vectorization import vectorized

__all__ = ["batched_function"]

MODE = (
    Mode("py", "fast_run")
    .excluding("fusion", "inplace", "BlasOpt", "slogdet_specialization")
    .register(COMPOSED)
)
"""What makes a density stable, and no compiler: 10,000 log joints of a linear regression take
5 ms, against 1 ms after 6 s of compiling C. The last rewrite excluded fails in PyTensor 2, loudly,
where there are many matrices."""

Batched = Callable[..., list[np.ndarray]]
BatchShape = tuple[int | None, ...]


def batched_function(
    inputs: Sequence[TensorVariable],
    outputs: Sequence[TensorVariable],
    *,
    batch_shapes: Sequence[BatchShape] | None = None,
    mode: Mode | str = MODE,
) -> Batched:
    """Compile graphs for inputs that carry leading batch axes.

    Parameters
    ----------
    inputs : sequence of TensorVariable
        Root variables of the graphs, each for one draw.
    outputs : sequence of TensorVariable
        Graphs of one draw.
    batch_shapes : sequence of tuple, optional
        Leading axes of each input: None for any length, 1 for one that is broadcast against
        those of the others. By default every input has one axis of any length.
    mode : Mode or str, optional
        PyTensor's compilation mode; by default NumPy's speed without a compiler's wait.

    Returns
    -------
    callable
        Takes one array an input, of shape ``(*batch, *shape)``, and returns a list of one array
        an output. Where PyTensor cannot batch the graph, it is evaluated draw by draw.
    """
    shapes = list(batch_shapes or [(None,)] * len(inputs))
    try:
        switched = _switched(outputs)
        loops = any(isinstance(op, Scan) for op in ops(switched))
        return (_in_rows if loops else _broadcasting)(inputs, switched, shapes, mode)
    except Exception:  # noqa: BLE001  a broken graph fails below as well
        return _looped(inputs, outputs, shapes, mode)


def _switched(outputs: Sequence[TensorVariable]) -> list[TensorVariable]:
    """Densities of -inf where parameters are out of range: checks would take all draws together."""
    switch = dfs_rewriter(local_check_parameter_to_ninf_switch)
    return rewrite_graph(list(outputs), include=(), custom_rewrite=switch)


def _broadcasting(
    inputs: Sequence[TensorVariable],
    outputs: Sequence[TensorVariable],
    shapes: Sequence[BatchShape],
    mode: Mode | str,
) -> Batched:
    """All batch axes in the graph: nothing is repeated that is the same along one of them."""
    wide = [_with_batch(i, shape) for i, shape in zip(inputs, shapes, strict=True)]
    graphs = vectorize_graph(outputs, dict(zip(inputs, wide, strict=True)))
    ndim = max(map(len, shapes), default=0)
    if any(g.type.ndim != o.type.ndim + ndim for g, o in zip(graphs, outputs, strict=True)):
        raise NotImplementedError("an output does not depend on any input")
    return _compiled(wide, graphs, mode)


def _in_rows(
    inputs: Sequence[TensorVariable],
    outputs: Sequence[TensorVariable],
    shapes: Sequence[BatchShape],
    mode: Mode | str,
) -> Batched:
    """One axis for all of the batch: PyTensor would run a scan anew for each of its elements."""
    number = pt.lscalar("rows")
    rows = {i: _with_batch(i, (None,)) for i in inputs}
    named = {str(k): output for k, output in enumerate(outputs)}
    run = _compiled([number, *rows.values()], vectorized(named, (), number, rows), mode)
    return _flattened(lambda count, arrays: run(count, *arrays), shapes)


def _looped(
    inputs: Sequence[TensorVariable],
    outputs: Sequence[TensorVariable],
    shapes: Sequence[BatchShape],
    mode: Mode | str,
) -> Batched:
    one = _compiled(inputs, outputs, mode)

    def every(count: int, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        results = [one(*(a[k] for a in arrays)) for k in range(count)]
        return [np.stack(column) for column in zip(*results, strict=True)]

    return _flattened(every, shapes)


def _flattened(
    call: Callable[[int, Sequence[np.ndarray]], list[np.ndarray]], shapes: Sequence[BatchShape]
) -> Batched:
    """Give a function of a number of rows, and of arrays of so many, all the batch axes."""
    ndims = list(map(len, shapes))

    def every(*arrays: np.ndarray) -> list[np.ndarray]:
        pairs = list(zip(arrays, ndims, strict=True))
        batch = np.broadcast_shapes(*(a.shape[:ndim] for a, ndim in pairs))
        events = [a.shape[ndim:] for a, ndim in pairs]
        broad = [np.broadcast_to(a, (*batch, *e)) for a, e in zip(arrays, events, strict=True)]
        count = prod(batch)
        rows = [a.reshape(count, *e) for a, e in zip(broad, events, strict=True)]
        return [column.reshape(*batch, *column.shape[1:]) for column in call(count, rows)]

    return every


def _with_batch(variable: TensorVariable, shape: BatchShape) -> TensorVariable:
    wide = (*shape, *variable.type.shape)
    return pt.tensor(variable.name, shape=wide, dtype=variable.type.dtype)


def _compiled(
    inputs: Sequence[TensorVariable], outputs: Sequence[TensorVariable], mode: Mode | str
) -> Batched:
    # the package's own arrays are float64, whatever floatX is
    downcast = {"allow_input_downcast": True}
    return compile_graph(inputs, outputs, mode=mode, on_unused_input="ignore", **downcast)

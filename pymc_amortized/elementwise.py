"""Elementwise functions that NumPy lacks, put together from some that it has."""

from collections.abc import Callable

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import dfs_rewriter, node_rewriter
from pytensor.scalar.basic import ScalarOp
from pytensor.scalar.math import Log1mexp, Softplus
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.variable import TensorVariable

__all__ = ["COMPOSED"]


def _softplus(x: TensorVariable) -> TensorVariable:
    return pt.maximum(x, 0) + pt.log1p(pt.exp(-pt.abs(x)))


def _log1mexp(x: TensorVariable) -> TensorVariable:
    """Mächler (2012), Accurately computing log(1 - exp(-|a|)), R package Rmpfr."""
    return pt.switch(x < -np.log(2), pt.log1p(-pt.exp(x)), pt.log(-pt.expm1(x)))


FORMULAS: dict[type[ScalarOp], Callable[[TensorVariable], TensorVariable]] = {
    Softplus: _softplus,
    Log1mexp: _log1mexp,
}


@node_rewriter([Elemwise])
def _composed(_: FunctionGraph, node: Apply) -> list[TensorVariable] | None:
    formula = FORMULAS.get(type(node.op.scalar_op))
    return [formula(*node.inputs)] if formula else None


# behind the rewrites that would put the formulas back together
COMPOSED = (dfs_rewriter(_composed), 48.7)
"""For ``Mode.register``: without a compiler, PyTensor evaluates these functions number by number
in Python, a hundred times slower than what replaces them."""

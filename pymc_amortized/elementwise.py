"""Elementwise functions of PyTensor that NumPy lacks, put together from some that it has."""

from collections.abc import Callable
from functools import reduce

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import dfs_rewriter, node_rewriter
from pytensor.scalar.basic import Add, Mul, ScalarOp
from pytensor.scalar.math import Log1mexp, Softplus
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.variable import TensorVariable

__all__ = ["COMPOSED"]


def _softplus(x: TensorVariable) -> TensorVariable:
    return pt.maximum(x, 0) + pt.log1p(pt.exp(-pt.abs(x)))


def _log1mexp(x: TensorVariable) -> TensorVariable:
    """Mächler (2012), Accurately computing log(1 - exp(-|a|)), R package Rmpfr."""
    return pt.switch(x < -np.log(2), pt.log1p(-pt.exp(x)), pt.log(-pt.expm1(x)))


def _sum(*terms: TensorVariable) -> TensorVariable | None:
    return reduce(pt.add, terms) if len(terms) > 2 else None


def _product(*factors: TensorVariable) -> TensorVariable | None:
    return reduce(pt.mul, factors) if len(factors) > 2 else None


FORMULAS: dict[type[ScalarOp], Callable[..., TensorVariable | None]] = {
    Softplus: _softplus,
    Log1mexp: _log1mexp,
    Add: _sum,
    Mul: _product,
}


@node_rewriter([Elemwise])
def _composed(_: FunctionGraph, node: Apply) -> list[TensorVariable] | None:
    formula = FORMULAS.get(type(node.op.scalar_op))
    new = formula(*node.inputs) if formula else None
    return None if new is None else [new]


# behind the rewrites that would put the formulas back together
COMPOSED = (dfs_rewriter(_composed), 48.7)
"""For ``Mode.register``: without a compiler, PyTensor evaluates these functions, and sums and
products of three arrays or more, number by number in Python, a hundred times slower than what
replaces them."""

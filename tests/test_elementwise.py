"""Functions put together from NumPy's: as exact as PyTensor's own, and not number by number."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.scalar.math import Log1mexp, Softplus
from scipy import special

from pymc_amortized.batching import MODE

CASES = {
    "softplus": (pt.softplus, lambda x: -special.log_expit(-x), [-800.0, -40, -1, 0, 1, 40, 800]),
    "softplus_found": (lambda x: pt.log1p(pt.exp(x)), lambda x: np.logaddexp(0, x), [-50.0, 50]),
    "log1mexp": (pt.log1mexp, lambda x: np.log(-np.expm1(x)), [-1e-12, -1e-3, -0.5, -0.7, -1]),
    "log1mexp_far": (pt.log1mexp, lambda x: np.log1p(-np.exp(x)), [-0.8, -5.0, -30, -700]),
}


@pytest.mark.parametrize("name", CASES)
def test_values_are_stable_and_made_by_numpy(name: str) -> None:
    graph, exact, points = CASES[name]
    x = pt.dvector("x")
    function = pytensor.function([x], graph(x), mode=MODE)
    np.testing.assert_allclose(function(points), exact(np.array(points)), rtol=1e-14)
    scalar_ops = [
        getattr(node.op, "scalar_op", None) for node in function.maker.fgraph.apply_nodes
    ]
    assert not any(isinstance(op, Softplus | Log1mexp) for op in scalar_ops)

"""Truncated draws by rejection."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.tensor.random.basic import categorical, poisson
from scipy import stats

from pymc_amortized.rejection import Rejection

DRAWS = 4000


def drawn(op, *arguments, shape):
    rng = pytensor.shared(np.random.default_rng(3))
    return (
        op.make_node(rng, pt.constant(np.array(shape)), *arguments)
        .outputs[1]
        .eval(mode="FAST_COMPILE")
    )


def test_draws_are_those_between_the_bounds():
    rates, lower = np.array([0.3, 2.0, 8.0]), np.array([1, 2, 3])
    x = drawn(Rejection(poisson, 1000), rates, lower, 9, shape=(DRAWS, 3))
    assert x.dtype == "int64"
    for column, rate, low in zip(x.T, rates, lower, strict=True):
        support = np.arange(low, 10)
        p = stats.poisson.pmf(support, rate)
        counts = [(column == k).sum() for k in support]
        assert sum(counts) == DRAWS
        expected = DRAWS * p / p.sum()
        common = expected > 5
        chi2 = ((counts - expected) ** 2 / expected)[common].sum()
        assert stats.chi2.sf(chi2, common.sum() - 1) > 1e-4


def test_bounds_without_draws_are_an_error():
    with pytest.raises(
        ValueError, match=r"truncated poisson: 2 draws are still outside .* 5 steps"
    ):
        drawn(Rejection(poisson, 5), 0.1, 60, 70, shape=(2,))


def test_parameters_are_scalars():
    with pytest.raises(NotImplementedError, match="no scalars"):
        Rejection(categorical, 10)

"""Variables whose draws must be sorted to follow the model's own prior."""

from collections.abc import Callable

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from models import Fill, build
from pymc.distributions import transforms

from pymc_amortized.ordering import sorted_names


def with_prior(prior: Callable[[], pt.TensorVariable]) -> Fill:
    def fill() -> None:
        pm.Normal("y", prior().sum(), 1, observed=np.zeros(3))

    return fill


def after_random_parent(**arguments: object) -> pt.TensorVariable:
    return pm.Normal("mu", pm.Normal("center"), pm.HalfNormal("scale"), **arguments)


CORRELATED = np.array([[1.0, 0.5, 0.5], [0.5, 1.0, 0.5], [0.5, 0.5, 1.0]])
ORDERED = {"transform": transforms.ordered}


SORTED = {
    "iid": lambda: pm.Normal("mu", 0, 1, shape=3, **ORDERED),
    "rows": lambda: pm.Normal("mu", np.array([[0.0], [5.0]]), 1, shape=(2, 3), **ORDERED),
    "random parents": lambda: after_random_parent(shape=3, **ORDERED),
    "chained": lambda: pm.HalfNormal("mu", 1, shape=3, **ORDERED),
    "correlated": lambda: pm.MvNormal("mu", np.zeros(3), CORRELATED, **ORDERED),
}
UNRESTRICTED = {
    "softplus": lambda: positive(transform=transforms.log_exp_m1),
    "log": lambda: positive(transform=transforms.log),
    "none": lambda: positive(),
}


def positive(**arguments: object) -> pt.TensorVariable:
    return pm.HalfNormal("mu", default_transform=None, **arguments)


@pytest.mark.parametrize("prior", SORTED.values(), ids=SORTED)
def test_sorting_mends_exchangeable_order(prior: Callable[[], pt.TensorVariable]) -> None:
    assert sorted_names(build(with_prior(prior))) == {"mu"}


@pytest.mark.parametrize("prior", UNRESTRICTED.values(), ids=UNRESTRICTED)
def test_other_transforms_of_the_whole_support(prior: Callable[[], pt.TensorVariable]) -> None:
    assert sorted_names(build(with_prior(prior))) == frozenset()


def test_sorted_parents_of_a_transformed_variable() -> None:
    def fill() -> None:
        mu = pm.Normal("mu", 0, 1, shape=2, transform=transforms.ordered)
        inside = pm.distributions.transforms.Interval(
            bounds_fn=lambda *inputs: (inputs[2], inputs[3])
        )
        u = pm.Uniform("u", mu[0], mu[1], default_transform=None, transform=inside)
        pm.Normal("y", u, 1, observed=np.zeros(3))

    assert sorted_names(build(fill)) == {"mu"}


UNEQUAL = np.diag([1.0, 1.0, 4.0])
DESCENDING = transforms.Ordered(ascending=False)
POSITIVE = transforms.Ordered(positive=True)


RESTRICTED = {
    "means": lambda: pm.Normal("mu", np.array([0.0, 1.0, 2.0]), 1, **ORDERED),
    "scales": lambda: pm.Normal("mu", 0, np.array([1.0, 1.0, 1.1]), **ORDERED),
    "variances": lambda: pm.MvNormal("mu", np.zeros(3), UNEQUAL, **ORDERED),
    "scalar": lambda: pm.Normal("mu", 0, 1, transform=transforms.log),
    "interval": lambda: pm.Normal("mu", 0, 1, shape=3, transform=transforms.Interval(-1, 1)),
    "descending": lambda: pm.Normal("mu", 0, 1, shape=3, transform=DESCENDING),
    "positive": lambda: pm.Normal("mu", 0, 1, shape=3, transform=POSITIVE),
    "zero sum": lambda: pm.Normal("mu", shape=3, transform=transforms.ZeroSumTransform([-1])),
}


@pytest.mark.parametrize("prior", RESTRICTED.values(), ids=RESTRICTED)
def test_restrictions_that_sorting_cannot_mend(prior: Callable[[], pt.TensorVariable]) -> None:
    with pytest.raises(ValueError, match=r"'mu' is restricted by.*cannot mend.*use a distribution"):
        sorted_names(build(with_prior(prior)))

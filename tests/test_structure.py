"""What a model says of itself."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from models import CASES, SUPPORTED, build

import pymc_amortized as pma
from pymc_amortized import structure


@pytest.mark.parametrize("name", SUPPORTED)
def test_registry(name: str) -> None:
    case = SUPPORTED[name]
    model = case.build()
    assert structure.has_likelihood(model) == case.likelihood
    assert structure.sorted_names(model) == case.sort


def test_shape_that_depends_on_draws_is_refused() -> None:
    def fill() -> None:
        a = pm.Normal("a", shape=5)
        pm.Deterministic("positive", a[a > 0])
        pm.Normal("y", a, observed=np.zeros(5))

    with pytest.raises(
        pma.UnsupportedModelError, match="'positive' has a shape that depends on random draws"
    ):
        structure.shapes(build(fill))


def test_names_come_once_and_in_order() -> None:
    model = CASES["two_observed"].build()
    model.observed_RVs.append(model["y"])  # as PyMC 5.28's sample_posterior_predictive does
    assert structure.observed_names(model) == ["y", "count"]
    assert structure.free_names(model) == ["a"]
    hierarchical = CASES["hierarchical"].build()
    assert structure.free_names(hierarchical) == ["mu", "tau", "z"]
    assert structure.deterministic_names(hierarchical) == ["theta"]


def test_constant_data_are_those_used_as_more_than_observations() -> None:
    def fill() -> None:
        a = pm.Normal("a")
        x = pm.Data("x", np.arange(3.0))
        only_observed = pm.Data("only_observed", np.array([1.0, 2.0, 3.0]))
        both = pm.Data("both", np.arange(3.0))
        pm.Poisson("counts", pt.exp(a), observed=only_observed)
        pm.Normal("y", a * x, 1, observed=both)
        pm.Normal("z", both, pt.exp(a), observed=np.zeros(3))

    data = structure.constant_data(build(fill))
    assert set(data) == {"x", "both"}
    np.testing.assert_array_equal(data["x"], [0.0, 1.0, 2.0])


def test_observed_values_are_the_present_ones_in_the_variable_dtype() -> None:
    model = CASES["two_observed"].build()
    with model:
        pm.set_data({"counts": np.array([4, 5, 6])})
    values = structure.observed_values(model)
    np.testing.assert_array_equal(values["count"], [4, 5, 6])
    assert values["count"].dtype == "int64"
    np.testing.assert_array_equal(values["y"], np.zeros(4))


def custom_dist_without_logp_as_prior() -> None:
    a = pm.CustomDist("a", 0.0, random=lambda mu, rng=None, size=None: rng.normal(mu, 1, size))
    pm.Normal("y", a, 1, observed=np.zeros(3))


def custom_dist_with_derived_logp() -> None:
    a = pm.CustomDist("a", 0.0, dist=lambda mu, size: pt.exp(pm.Normal.dist(mu, 1, size=size)))
    pm.Normal("y", a, 1, observed=np.zeros(3))


def test_likelihood_needs_every_density() -> None:
    assert not structure.has_likelihood(build(custom_dist_without_logp_as_prior))
    assert structure.has_likelihood(build(custom_dist_with_derived_logp))

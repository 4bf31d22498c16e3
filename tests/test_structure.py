"""What a model says of itself, and what is refused by name."""

import re
import warnings

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from models import CASES, Fill, build

from pymc_amortized import structure


@pytest.mark.parametrize("name", CASES)
def test_registry(name: str) -> None:
    case = CASES[name]
    model = case.build()
    structure.check_model(model)
    assert structure.has_likelihood(model) == case.likelihood
    assert structure.sorted_names(model) == case.sort


def test_shape_that_depends_on_draws_is_refused() -> None:
    def fill() -> None:
        a = pm.Normal("a", shape=5)
        pm.Deterministic("positive", a[a > 0])
        pm.Normal("y", a, observed=np.zeros(5))

    with pytest.raises(ValueError, match="shape of 'positive' depends on random draws"):
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


def no_observed() -> None:
    pm.Normal("a")


def no_free() -> None:
    pm.Normal("y", 0, 1, observed=np.zeros(3))


def named_draw() -> None:
    pm.Normal("y", pm.Normal("draw"), 1, observed=np.zeros(3))


def flat() -> None:
    pm.Normal("y", pm.Flat("level"), 1, observed=np.zeros(3))


def half_flat() -> None:
    pm.Normal("y", 0, pm.HalfFlat("level"), observed=np.zeros(3))


def icar() -> None:
    w = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    pm.Normal("y", pm.ICAR("level", W=w), 1, observed=np.zeros(3))


def only_logp() -> None:
    level = pm.CustomDist("level", logp=lambda x: -(x**2))
    pm.Normal("y", level, 1, observed=np.zeros(3))


def nested_only_logp() -> None:
    a = pm.Normal("a")
    component = pm.CustomDist.dist(a, logp=lambda x, a: -((x - a) ** 2), shape=3)
    pm.Mixture("level", [0.5, 0.5], [component, pm.Normal.dist(a, shape=3)], observed=np.zeros(3))


def potential() -> None:
    a = pm.Normal("a")
    pm.Potential("level", -(a**2))
    pm.Normal("y", a, 1, observed=np.zeros(3))


def minibatch() -> None:
    data = pm.Minibatch(np.zeros(10), batch_size=5)
    pm.Normal("level", pm.Normal("a"), 1, observed=data, total_size=10)


def minibatch_covariate() -> None:
    x, y = pm.Minibatch(np.zeros(10), np.zeros(10), batch_size=5)
    pm.Normal("level", pm.Normal("a") * x, 1, observed=y, total_size=10)


def total_size() -> None:
    pm.Normal("level", pm.Normal("a"), 1, observed=np.zeros(5), total_size=10)


def multinomial() -> None:
    level = pm.Multinomial("level", 5, [0.2, 0.3, 0.5])
    pm.Normal("y", level, 1, observed=np.zeros(3))


def dirichlet_multinomial() -> None:
    level = pm.DirichletMultinomial("level", 5, np.ones(3))
    pm.Normal("y", level, 1, observed=np.zeros(3))


def empty() -> None:
    pm.Normal("level", pm.Normal("a"), 1, observed=np.zeros(0))


def missing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pm.exceptions.ImputationWarning)
        pm.Normal("level", pm.Normal("a"), 1, observed=np.array([1.0, np.nan]))


def missing_multivariate() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pm.exceptions.ImputationWarning)
        mu = pm.Normal("a", shape=2)
        pm.MvNormal("level", mu, np.eye(2), observed=np.array([[1.0, np.nan], [0.0, 0.0]]))


@pytest.mark.parametrize(
    ("fill", "error", "match"),
    [
        (no_observed, ValueError, "no observed variable.*`observed=`"),
        (no_free, ValueError, "no free variable.*prior"),
        (named_draw, ValueError, "'draw' is the name of a dim of every result"),
        (flat, NotImplementedError, "'level' cannot be simulated.*flat.*choose another"),
        (half_flat, NotImplementedError, "'level' cannot be simulated.*half_flat"),
        (icar, NotImplementedError, "'level' cannot be simulated.*icar"),
        (only_logp, NotImplementedError, "'level' cannot be simulated.*`random=`"),
        (nested_only_logp, NotImplementedError, "'level' cannot be simulated.*CustomDist"),
        (potential, NotImplementedError, "pm.Potential 'level'.*prior"),
        (minibatch, NotImplementedError, "'level' uses pm.Minibatch.*whole data"),
        (minibatch_covariate, NotImplementedError, "'level' uses pm.Minibatch"),
        (total_size, NotImplementedError, "'level' uses .*total_size="),
        (multinomial, NotImplementedError, "'level' is discrete and multivariate.*pm.Binomial"),
        (dirichlet_multinomial, NotImplementedError, "'level' is discrete and multivariate"),
        (empty, ValueError, "'level' has no elements.*one or more"),
        (missing, NotImplementedError, "'level' is partially observed.*drop or fill"),
        (missing_multivariate, NotImplementedError, "'level' is partially observed"),
    ],
)
def test_refusals(fill: Fill, error: type[Exception], match: str) -> None:
    with pytest.raises(error) as raised:
        structure.check_model(build(fill))
    assert re.search(match, str(raised.value), flags=re.IGNORECASE)


def test_no_model_is_refused() -> None:
    with pytest.raises(TypeError, match=r"expected a pm\.Model, got dict"):
        structure.check_model({})

"""What is refused by name."""

import pickle
import re
import warnings

import numpy as np
import pymc as pm
import pytest
from models import Fill, build

import pymc_amortized as pma
from pymc_amortized import refusals
from pymc_amortized.forward import forward_sampler
from pymc_amortized.parameters import parameters
from pymc_amortized.refusals import check_model, check_prior


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
    ("fill", "match"),
    [
        (no_observed, "no observed variable.*`observed=`"),
        (no_free, "no free variable.*prior"),
        (named_draw, "'draw' is the name of a dim of every result"),
        (flat, "'level' cannot be simulated.*flat.*choose another"),
        (half_flat, "'level' cannot be simulated.*half_flat"),
        (icar, "'level' cannot be simulated.*icar"),
        (only_logp, "'level' cannot be simulated.*`random=`"),
        (nested_only_logp, "'level' cannot be simulated.*CustomDist"),
        (minibatch, "'level' uses pm.Minibatch.*whole data"),
        (minibatch_covariate, "'level' uses pm.Minibatch"),
        (total_size, "'level' uses .*total_size="),
        (multinomial, "'level' is free, discrete and multivariate.*pm.Binomial"),
        (dirichlet_multinomial, "'level' is free, discrete and multivariate"),
        (empty, "'level' has no elements.*one or more"),
        (missing, "'level' is partially observed.*drop or fill"),
        (missing_multivariate, "'level' is partially observed"),
    ],
)
def test_refusals(fill: Fill, match: str) -> None:
    with pytest.raises(pma.UnsupportedModelError) as raised:
        check_model(build(fill))
    assert re.search(match, str(raised.value), flags=re.IGNORECASE)


def test_no_model_is_refused() -> None:
    with pytest.raises(TypeError, match=r"expected a pm\.Model, got dict"):
        check_model({})


def test_the_error_can_be_sent_between_processes() -> None:
    error = pma.UnsupportedModelError("x", "is odd", "expected an even one")
    again = pickle.loads(pickle.dumps(error))
    assert (again.variable, again.reason, again.cure) == ("x", "is odd", "expected an even one")
    assert str(again) == "'x' is odd; expected an even one"
    assert isinstance(again, ValueError | NotImplementedError)


def test_values_that_are_rounded_are_no_point_masses() -> None:
    """As in single precision, where draws of a continuous prior repeat by chance."""
    rng = np.random.default_rng(1)
    assert not refusals._piles_up(np.float32(rng.normal(2000, 5, 500)))
    assert not refusals._piles_up(np.round(rng.normal(0, 30, 500)))
    assert refusals._piles_up(np.maximum(rng.normal(2, 1, 500), 0))


def test_what_is_integrated_out_may_have_any_prior() -> None:
    def fill() -> None:
        jump = pm.Censored("jump", pm.Normal.dist(), lower=0, upper=None)
        pm.Normal("y", pm.Normal("a") + jump, 1, observed=np.zeros(3))

    model = build(fill)
    draws = forward_sampler(model).draw(2, 0)
    check_prior(model, (), parameters(model, draws, ["a"]))
    with pytest.raises(pma.UnsupportedModelError, match="'jump' has a prior with point masses"):
        check_prior(model, (), parameters(model, draws))

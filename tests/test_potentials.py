"""Potentials of parameters: simulations follow the prior times what they say, exactly."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from models import CASES, SUPPORTED
from scipy.stats import kstest, norm, truncnorm
from trained import untrained

import pymc_amortized as pma
from pymc_amortized.forward import forward_sampler
from pymc_amortized.inference_data import group
from pymc_amortized.potentials import kept_by_weight

DRAWS = 20_000
PRECISION = np.array([[5.0, -4.0], [-4.0, 5.0]])
"""Of two standard normals, times exp(-2 (a0 - a1)^2)."""


def assert_normal(draws, mean, covariance):
    """Means, variances and covariance, within five standard errors of independent draws."""
    centred = draws - mean
    scale = np.sqrt(np.diag(covariance) / len(draws))
    assert np.abs(centred.mean(axis=0) / scale).max() < 5
    products = centred[:, [0, 1, 0]] * centred[:, [0, 1, 1]]
    expected = covariance[[0, 1, 0], [0, 1, 1]]
    error = products.std(axis=0) / np.sqrt(len(draws))
    assert np.abs((products.mean(axis=0) - expected) / error).max() < 5


def test_simulations_follow_the_weighted_prior():
    draws = forward_sampler(SUPPORTED["potential"].build()).draw(DRAWS, 1)
    assert_normal(draws["a"], np.zeros(2), np.linalg.inv(PRECISION))
    residual = draws["y"] - draws["a"]
    assert np.abs(residual.mean(axis=0)).max() < 5 / np.sqrt(DRAWS)
    assert len(np.unique(draws["a"][:, 0])) == DRAWS


def test_weights_beyond_the_trial_are_copies():
    """An unbounded weight: exp(x^2 / 4) of a standard normal is a normal of variance two."""

    def draw(draws, seed):
        x = np.random.default_rng(seed).normal(size=draws)
        return {"x": x, "w": x**2 / 4}

    trial = np.linspace(-1, 1, 1001) ** 2 / 4
    x = kept_by_weight(draw, "w", trial, "p")(200_000, 3)["x"]
    assert x.shape == (200_000,)
    assert np.var(x) == pytest.approx(2, abs=0.05)
    assert kstest(x, norm(0, np.sqrt(2)).cdf).statistic < 0.01


def test_exact_posterior_of_a_potential():
    """Importance weights know it: from poor networks to the conjugate posterior."""
    y = np.array([0.5, 1.0])
    idata = untrained("potential").sample(
        {"y": y}, draws=DRAWS // 4, random_seed=4, progressbar=False
    )
    exact = np.linalg.inv(PRECISION + np.eye(2))
    draws = group(idata)["a"].to_numpy().reshape(-1, 2)
    efficiency = float(group(idata, "amortized")["importance_ess"]) / len(draws)
    thinned = draws[: int(len(draws) * min(1, efficiency))]
    assert_normal(thinned, exact @ y, exact)


def test_values_that_are_excluded_by_a_loop():
    model = SUPPORTED["potential_of_a_simulator"].build()
    sampler = forward_sampler(model)
    draws = sampler.draw(500, 2)
    assert not sampler.vectorized
    assert (draws["a"] > 0).all()
    assert kstest(draws["a"], truncnorm(0, np.inf).cdf).pvalue > 1e-4
    np.testing.assert_array_equal(sampler.recipe()(500, 2)["y"], draws["y"])


def never(a):
    return pt.switch(a > 8, 0.0, -np.inf)


@pytest.mark.parametrize(
    ("potential", "message"),
    [
        (never, r"'p' is a pm.Potential that leaves 0 % of the prior's draws"),
        (lambda a: pt.log(a), r"'p' is a pm.Potential that is NaN or infinite"),
    ],
)
def test_potentials_that_leave_nothing_are_refused(potential, message):
    with pm.Model() as model:
        a = pm.Normal("a")
        pm.Potential("p", potential(a))
        pm.Normal("y", a, 1, observed=np.zeros(3))
    with pytest.raises(pma.UnsupportedModelError, match=message):
        pma.simulate(model, progressbar=False)


def test_data_containers_count_as_data():
    model = CASES["linear_regression"].build()
    with model:
        pm.Potential("p", -((model["x"] * model["b0"]) ** 2).sum())
    with pytest.raises(pma.UnsupportedModelError, match=r"'p' is a pm.Potential of the data 'x'"):
        pma.simulate(model, progressbar=False)


def test_a_number_that_is_rarely_none_is_named_too():
    def draw(draws, seed):
        x = np.arange(float(draws))
        return {"x": x, "w": np.where(x == 3, np.nan, 0.0)}

    weighted = kept_by_weight(draw, "w", np.zeros(100), "p")
    with pytest.raises(pma.UnsupportedModelError, match=r"'p' is a pm.Potential that is NaN"):
        weighted(10, 1)

"""Surprise: uniform on what the model makes, small on what it does not."""

import numpy as np
import pytest
from scipy import stats
from trained import untrained

import pymc_amortized as pma
from pymc_amortized.familiarity import Familiarity, fit_familiarity, traits

QUIET = {"progressbar": False, "random_seed": 1}


def banana(n: int, seed: int) -> np.ndarray:
    """Skewed, curved, on two scales."""
    x, y = np.random.default_rng(seed).normal(size=(2, n))
    return np.column_stack([x, 1e3 * (x**2 + 0.1 * y)])


@pytest.fixture(scope="module")
def familiar() -> Familiarity:
    return fit_familiarity(banana(2000, 1), banana(4000, 2))


def test_uniform_on_data_of_the_same_kind(familiar: Familiarity) -> None:
    surprise = familiar.surprise(banana(5000, 3))
    assert stats.kstest(surprise, "uniform").pvalue > 1e-3
    assert (surprise < 0.01).mean() == pytest.approx(0.01, abs=4 * np.sqrt(2 * 0.01 / 4000))


def test_small_off_the_curve_although_near_the_mean(familiar: Familiarity) -> None:
    """Where Mahalanobis' distance would see nothing."""
    inside = np.array([[0.0, 1500.0], [1.5, 0.0], [-1.5, 200.0]])
    far = np.array([[0.0, -1e5], [0.0, -1e6], [100.0, 0.0], [1e10, 1e10]])
    assert (familiar.surprise(inside) < 0.01).all()
    assert (familiar.surprise(far) < 1e-4).all()
    assert np.diff(familiar.surprise(far[:2])) < 0


def test_what_lies_beyond_all_simulations_follows_the_tail() -> None:
    """Of Student's t with 3 degrees of freedom, from fewer distances than the tail asks for."""
    rng = np.random.default_rng(6)
    familiar = fit_familiarity(rng.standard_t(3, (2000, 1)), rng.standard_t(3, (2000, 1)))
    others = rng.standard_t(3, (200_000, 1))
    beyond = (familiar.surprise(others) < 1e-4).mean()
    assert 1e-6 < beyond < 3e-4  # careful rather than rash


def test_constant_summaries_are_familiar() -> None:
    constant = fit_familiarity(np.ones((50, 3)), np.ones((20, 3)))
    np.testing.assert_array_equal(constant.surprise(np.ones((4, 3))), 1)
    assert constant.surprise(np.full((1, 3), 2.0)) < 1e-5


def test_arrays_round_trip(familiar: Familiarity) -> None:
    again = Familiarity.from_arrays(familiar.arrays())
    np.testing.assert_array_equal(again.surprise(banana(9, 4)), familiar.surprise(banana(9, 4)))


@pytest.mark.parametrize("name", ["one_parameter", "simulator"])
def test_uniform_on_simulations_of_a_model(name: str) -> None:
    """Whatever the network is worth, and without a likelihood too."""
    amortized = untrained(name)
    simulated = pma.simulate(amortized.model, draws=400, random_seed=5, progressbar=False)
    data = {"y": simulated.prior_predictive["y"].to_numpy()[0]}
    surprise = amortized.sample(data, draws=2, refine=None, **QUIET).amortized["surprise"]
    floor = 1 / 201  # of 200 simulations that were held out
    assert stats.kstest(surprise - floor / 2, "uniform").pvalue > 1e-3


def test_unlike_data_warn_by_name() -> None:
    amortized = untrained("simulator")
    data = {"y": np.array([[0.1, 0.2, 0.3, 0.1], [1e4, -1e4, 1e4, -1e4]])}
    with pytest.warns(UserWarning, match=r"data of the datasets 1 are unlike.*surprise of"):
        idata = amortized.sample(data, draws=2, **QUIET)
    assert idata.amortized["surprise"].to_numpy()[0] > 0.01


def test_trained_posterior_knows_its_own_data_and_not_others(
    counts: pma.AmortizedPosterior,
) -> None:
    assert counts.sample(**QUIET).amortized["surprise"] > 0.01
    with pytest.warns(UserWarning, match="unlike those that the network was trained on"):
        counts.sample({"y": np.array([0, 60] * 5)}, refine=None, **QUIET)


def test_a_gross_outlier_shows_although_the_summary_leaves_it_out() -> None:
    """Such as one that is made of medians, say."""
    rng = np.random.default_rng(7)
    data = rng.normal(size=(7000, 40)) * rng.gamma(4, 0.3, (7000, 1))
    strange = data[6000:6100].copy()
    strange[:, 3] = 30
    ordinary = np.zeros((3, 40))

    def of(data: np.ndarray) -> np.ndarray:
        return traits(np.median(data, axis=1, keepdims=True), data)

    familiar = fit_familiarity(of(data[:2000]), of(data[2000:6000]))
    assert (familiar.surprise(of(strange)) < 0.01).all()
    assert (familiar.surprise(of(ordinary)) > 0.01).all()  # as near the middle as can be
    assert stats.kstest(familiar.surprise(of(data[6100:])), "uniform").pvalue > 1e-3

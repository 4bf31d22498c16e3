"""Ranks of right posteriors are uniform, those of wrong ones are not."""

import numpy as np
import pytest
from scipy import stats

from pymc_amortized.ranks import LEVELS, coverage, scaled_ranks, tarp, uniformity

SIMULATIONS, DRAWS = 1000, 200


def pairs(
    seed: int, scale: float = 1.0, shift: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    """Truths and posterior draws of two conjugate quantities, wrong by a scale and a shift."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(SIMULATIONS, 2))
    y = truth + rng.normal(size=truth.shape)
    noise = rng.normal(size=(SIMULATIONS, DRAWS, 2))
    return truth, y[:, None] / 2 + np.sqrt(0.5) * (shift + scale * noise), rng


def fails(**wrong: float) -> float:
    """Part of 60 runs in which one of two quantities is called wrong."""
    runs = [scaled_ranks(*pairs(seed, **wrong)) for seed in range(60)]
    p_value = uniformity(np.hstack(runs), np.random.default_rng(0)).p_value
    return float(np.mean(p_value.reshape(60, 2).min(axis=1) < 0.05 / 2))


def test_right_posteriors_pass_and_wrong_ones_fail() -> None:
    assert fails() <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / 60)
    assert fails(scale=0.9) >= 0.95
    assert fails(scale=1.1) >= 0.95
    assert fails(shift=0.2) >= 0.95


def test_band_holds_all_of_a_uniform_distribution_function() -> None:
    rng = np.random.default_rng(1)
    ranks = rng.random((500, 400))
    found = uniformity(ranks, rng)
    function = (ranks[..., None] <= found.points).mean(axis=0) - found.points
    inside = ((function >= found.band[0] - 1e-9) & (function <= found.band[1] + 1e-9)).all(axis=1)
    assert inside.mean() == pytest.approx(0.95, abs=0.03 + 4 * np.sqrt(0.05 * 0.95 / 400))


def test_ties_are_broken_at_random() -> None:
    """Of a discrete quantity that the data say nothing of."""
    rng = np.random.default_rng(2)
    truth, draws = rng.integers(3, size=(4000, 1)), rng.integers(3, size=(4000, 50, 1))
    ranks = scaled_ranks(truth, draws, rng)
    assert stats.kstest(ranks[:, 0], "uniform").pvalue > 1e-3


@pytest.mark.parametrize(("scale", "sign"), [(1.0, 0), (0.7, -1), (1.4, 1)])
def test_coverage_of_intervals_and_regions(scale: float, sign: int) -> None:
    """Against the normal distribution: an interval of z covers P(|Z| < scale z)."""
    truth, draws, rng = pairs(3, scale=scale)
    intervals = coverage(scaled_ranks(truth, draws, rng))
    expected = 2 * stats.norm.cdf(scale * stats.norm.ppf((1 + LEVELS) / 2)) - 1
    error = 4 * np.sqrt(0.25 / SIMULATIONS) + 0.01
    np.testing.assert_allclose(intervals, np.column_stack([expected] * 2), atol=error)
    regions = tarp(truth, draws, rng)
    middle = np.mean(np.abs(regions - 0.5) < 0.25) - 0.5
    assert np.sign(middle) == sign or abs(middle) < 4 * np.sqrt(0.25 / SIMULATIONS)
    assert (abs(middle) > 0.03) == bool(sign)


def test_posterior_that_ignores_the_data_is_caught_by_the_likelihood() -> None:
    """The prior as posterior has uniform ranks of parameters, not of the log likelihood."""
    rng = np.random.default_rng(4)
    truth = rng.normal(size=(SIMULATIONS, 1))
    y = truth + 0.3 * rng.normal(size=truth.shape)
    draws = rng.normal(size=(SIMULATIONS, DRAWS, 1))
    likelihood = [-np.square(y - truth), -np.square(y[:, None] - draws)]
    of_parameter = uniformity(scaled_ranks(truth, draws, rng), rng).p_value[0]
    of_likelihood = uniformity(scaled_ranks(*likelihood, rng), rng).p_value[0]
    assert of_parameter > 0.01
    assert of_likelihood < 0.001


@pytest.mark.parametrize("power", [1, 0, -1])
def test_weighted_draws_of_another_distribution(power: int) -> None:
    """Of a truth given a second observation: uniform by its likelihood, though few are left."""
    rng = np.random.default_rng(5)
    draws = rng.gamma(2.0, size=(4000, 1 + 30, 1))  # skewed
    likelihood = np.exp(-20 * np.minimum(np.square(draws[..., 0] - 1), 9))
    left = 1 / np.mean(likelihood**2, axis=1) * np.mean(likelihood, axis=1) ** 2
    assert np.median(left) < 0.35
    which = [rng.choice(31, p=w / w.sum()) for w in likelihood]
    for row, place in enumerate(which):
        draws[row, [0, place]] = draws[row, [place, 0]]
    weights = np.exp(-20 * power * np.minimum(np.square(draws[..., 0] - 1), 9))
    ranks = scaled_ranks(draws[:, 0], draws[:, 1:], rng, weights)
    p_value = uniformity(ranks, rng).p_value[0]
    assert (p_value > 0.001) == (power == 1)

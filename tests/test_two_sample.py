"""Tests of samples against what is known: sizes, closed forms, and what has to be seen."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from pymc_amortized.two_sample import (
    TwoSample,
    classifier_test,
    joint_test,
    kernel_test,
    spacing,
)


def autocorrelated(rng: np.random.Generator, rho: float, draws: int, size: int = 2) -> np.ndarray:
    """Four stationary chains of independent, skewed parameters."""
    noise = rng.normal(size=(4, draws, size)) * np.sqrt(1 - rho**2)
    noise[:, 0] /= np.sqrt(1 - rho**2)
    return np.exp(0.5 * lfilter([1], [1, -rho], noise, axis=1))


def rotated(rng: np.random.Generator, rho: float, draws: int) -> np.ndarray:
    """Two standard normals of this correlation."""
    return rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], draws)


def test_p_values_of_the_kernel_are_uniform_under_the_null() -> None:
    rng = np.random.default_rng(1)
    p_values = [kernel_test(*rng.gamma(2, 1, (2, 40, 2)))[1] for _ in range(300)]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_p_values_of_the_classifier_err_to_the_safe_side() -> None:
    rng = np.random.default_rng(2)
    found = np.array([classifier_test(*rng.gamma(2, 1, (2, 40, 3))) for _ in range(150)])
    accuracy, p_value = found.T
    assert accuracy.mean() == pytest.approx(0.5, abs=4 * accuracy.std() / np.sqrt(150))
    for level in (0.05, 0.1):
        assert (p_value < level).mean() <= level + 2 * np.sqrt(level * (1 - level) / 150)
    assert (p_value < 0.25).mean() > 0.05


def test_discrepancy_of_shifted_normals_is_that_of_the_closed_form() -> None:
    """Gaussian integrals, for the kernel's width that the draws themselves give."""
    rng, shift, differences = np.random.default_rng(3), 0.8, []
    for _ in range(20):
        x, y = rng.normal(size=(300, 1)), rng.normal(shift, 1, (300, 1))
        both = np.concatenate([x, y])
        squares = np.square(both - both.T)[np.triu_indices(600, 1)]
        width = np.median(squares)
        same = np.sqrt(width / (width + 2))
        exact = 2 * same * (1 - np.exp(-(shift**2) / (2 * (width + 2))))
        differences.append(kernel_test(x, y)[0] - exact)
    assert np.mean(differences) == pytest.approx(0, abs=4 * np.std(differences) / np.sqrt(20))
    assert exact > 10 * np.std(differences) / np.sqrt(20)


def test_accuracy_for_shifted_normals_is_that_of_the_best_classifier() -> None:
    rng = np.random.default_rng(4)
    accuracy, p_value = classifier_test(rng.normal(size=(2000, 1)), rng.normal(1, 1, (2000, 1)))
    error = 0.5 / np.sqrt(4000)
    assert accuracy == pytest.approx(stats.norm.cdf(0.5), abs=4 * error)
    assert p_value < 1e-6


def test_a_correlation_is_seen_where_all_margins_agree() -> None:
    rng = np.random.default_rng(5)
    pair = [rotated(rng, rho, 2000).reshape(4, 500, 2) for rho in (0.6, -0.2)]
    found = joint_test(*pair, (1.0, 1.0))
    assert found.c2st > 0.58
    assert found.c2st_p_value < 1e-3
    assert found.mmd > 0
    assert found.mmd_p_value == 1 / 500
    same = rotated(rng, 0.6, 2000).reshape(4, 500, 2)
    found = joint_test(pair[0], same, (1.0, 1.0))
    assert found.c2st < 0.53
    assert min(found.c2st_p_value, found.mmd_p_value) > 0.01


def test_spacing_of_known_chains() -> None:
    rng = np.random.default_rng(6)
    assert (spacing(rng.normal(size=(4, 1000, 20))) < 1.5).all()
    apart = spacing(np.log(autocorrelated(rng, 0.9, 2000, 20)))
    assert np.median(apart) == pytest.approx(np.log(0.05) / np.log(0.9), rel=0.15)
    slow = np.log(autocorrelated(rng, 0.97, 2000))
    of_scale_alone = np.exp(2 * slow) * rng.normal(size=slow.shape)
    assert (spacing(of_scale_alone) > 5).all()


def test_spacing_where_there_is_none() -> None:
    rng = np.random.default_rng(7)
    draws = rng.normal(size=(2, 50, 4))
    draws[..., 1] = 3.0
    draws[0, 5, 2] = np.nan
    draws[..., 3] = np.sign(draws[..., 3])
    one, constant, spoilt, sign = spacing(draws)
    assert constant == 1
    assert spoilt == np.inf
    assert np.isfinite([one, sign]).all()
    assert (spacing(draws[:, :3]) == [np.inf, 1, np.inf, np.inf]).all()
    assert spacing(draws[..., 1:2]).tolist() == [1]


def test_autocorrelated_chains_of_one_target_are_not_told_apart() -> None:
    rng, found, blind = np.random.default_rng(8), [], []
    for _ in range(12):
        chains, truth = autocorrelated(rng, 0.95, 2000), autocorrelated(rng, 0.0, 2000)
        apart = tuple(spacing(draws).max() for draws in (chains, truth))
        found.append(joint_test(chains, truth, apart))
        blind.append(kernel_test(*(x[:, :200].reshape(-1, 2) for x in (chains, truth)))[1])
    error = np.sqrt(1 / 12 / 12)  # of the mean of twelve uniform p values
    assert np.mean([one.mmd_p_value for one in found]) > 0.5 - 3 * error
    assert np.mean([one.c2st_p_value for one in found]) > 0.5 - 3 * error
    assert np.mean(blind) < 0.5 - 4 * error  # what thinning is for


def test_scales_and_order_of_parameters_do_not_matter() -> None:
    rng = np.random.default_rng(9)
    x, y = (rng.gamma(2, scale, (4, 100, 2)) for scale in (1.3, 1.0))
    factor = np.array([1e-6, 1e6])
    first, second = (joint_test(s * x, s * y, (1.0, 1.0)) for s in (1.0, factor))
    np.testing.assert_allclose(first, second, rtol=1e-6)
    other = joint_test(x[..., ::-1], y[..., ::-1], (1.0, 1.0))
    assert other.mmd == pytest.approx(first.mmd, rel=1e-6)


def test_constants() -> None:
    rng = np.random.default_rng(10)
    x, y = rng.normal(size=(2, 4, 100, 1))
    alone = joint_test(x, y, (1.0, 1.0))
    padded = [np.concatenate([z, np.full_like(z, 0.1)], axis=-1) for z in (x, y)]
    assert joint_test(*padded, (1.0, 1.0)) == alone
    for mine, theirs in ((0.1, 0.2), (rng.normal(size=x.shape), 0.1), (1e30, y)):
        pair = np.full_like(x, mine), np.full_like(y, theirs)
        found = joint_test(*pair, (1.0, 1.0))
        assert found.c2st > 0.8
        assert found.c2st_p_value < 1e-6
        assert found.mmd_p_value == 1 / 500
    both = np.full_like(x, 0.1)
    assert np.isnan(joint_test(both, both, (1.0, 1.0))).all()


def test_too_few_draws_are_not_judged() -> None:
    x = np.random.default_rng(11).normal(size=(4, 100, 2))
    assert np.isnan(joint_test(x, x, (1.0, 21.0))).all()
    assert np.isnan(joint_test(x, x, (np.inf, 1.0))).all()
    assert np.isfinite(joint_test(x, x[:2] + 0.1, (20.0, 1.0))).all()
    assert np.isnan(TwoSample()).all()


def test_many_datasets_share_the_draws() -> None:
    """An accuracy is a multiple of one over the number of draws."""
    rng = np.random.default_rng(12)
    x, y = rng.normal(size=(2, 4, 100, 2))
    found = joint_test(x, y, (1.0, 1.0), datasets=400)
    assert found.c2st * 200 == pytest.approx(round(found.c2st * 200), abs=1e-9)
    every_fourth = joint_test(x[:, ::4], y[:, ::4], (1.0, 1.0))
    assert found.mmd == pytest.approx(every_fourth.mmd, abs=1e-3)
    assert found.mmd != joint_test(x, y, (1.0, 1.0)).mmd

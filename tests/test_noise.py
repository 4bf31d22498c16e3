"""Noise has the density that comes with it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import chi2, kstest, norm

from pymc_amortized import noise
from pymc_amortized.noise import defensive_noise, standard_noise

DRAWS = 40_000


@pytest.mark.parametrize("size", [1, 2, 40])
def test_standard_noise_is_standard_normal(size: int) -> None:
    drawn, own, proposal = standard_noise((2, DRAWS, size), np.random.default_rng(1))
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(own, norm.logpdf(drawn).sum(axis=-1), rtol=1e-4)
    np.testing.assert_array_equal(proposal, own)
    assert kstest((drawn.astype(float) ** 2).sum(axis=-1).ravel(), chi2(size).cdf).pvalue > 1e-3


@pytest.mark.parametrize("size", [1, 2, 40])
def test_a_part_of_defensive_noise_is_wider(size: int) -> None:
    drawn, own, proposal = defensive_noise((2, DRAWS, size), np.random.default_rng(2))
    wide, part = 1 + noise.WIDTH / np.sqrt(size), noise.WIDE_PART
    narrow, wider = (norm.logpdf(drawn, scale=s).sum(axis=-1) for s in (1, wide))
    mixture = logsumexp([np.log(1 - part) + narrow, np.log(part) + wider], axis=0)
    np.testing.assert_allclose(own, narrow, rtol=1e-4)
    np.testing.assert_allclose(proposal, mixture, rtol=1e-4)
    squares = (drawn.astype(float) ** 2).sum(axis=-1).ravel()

    def cdf(value: np.ndarray) -> np.ndarray:
        return (1 - part) * chi2(size).cdf(value) + part * chi2(size).cdf(value / wide**2)

    assert kstest(squares, cdf).pvalue > 1e-3


def test_weights_of_defensive_noise_are_bounded_and_have_mean_one() -> None:
    _, own, proposal = defensive_noise((DRAWS, 3), np.random.default_rng(3))
    weights = np.exp(own.astype(float) - proposal)
    assert weights.max() <= (1 + 1e-4) / (1 - noise.WIDE_PART)
    assert abs(weights.mean() - 1) < 4 * weights.std() / np.sqrt(DRAWS)


def test_far_noise_has_a_finite_density() -> None:
    """Wide noise of hundreds of parameters is beyond what float32 can exponentiate."""
    _, own, proposal = defensive_noise((2000, 500), np.random.default_rng(4))
    assert np.isfinite(own).all()
    assert np.isfinite(proposal).all()

"""What differs between the generations of ArviZ."""

import numpy as np
import pytest
import xarray as xr
from scipy.signal import lfilter
from scipy.special import logsumexp

from pymc_amortized import generation


def test_mean_standard_error_of_independent_draws() -> None:
    draws = np.random.default_rng(3).normal(0, 2, (4, 1000, 200))
    dataset = xr.Dataset({"x": (("chain", "draw", "row"), draws)})
    error = generation.mean_standard_error(dataset)["x"]
    assert error.dims == ("row",)
    assert error.mean().item() == pytest.approx(2 / np.sqrt(4000), rel=0.05)


def test_effective_sample_size_of_chains_with_a_known_one() -> None:
    """An autoregressive chain of rho has (1 - rho) / (1 + rho) of its length."""
    noise = np.random.default_rng(4).normal(size=(4, 2000, 50))
    dims = ("chain", "draw", "row")
    chains = {"free": (dims, noise), "slow": (dims, lfilter([1], [1, -0.5], noise, axis=1))}
    size = generation.effective_sample_size(xr.Dataset(chains))
    assert size["slow"].dims == ("row",)
    assert size["free"].mean().item() == pytest.approx(8000, rel=0.05)
    assert size["slow"].mean().item() == pytest.approx(8000 / 3, rel=0.05)


def tail(shape: float) -> np.ndarray:
    """Log of weights with a Pareto tail of this shape, of 20 datasets."""
    rng = np.random.default_rng(1)
    return shape * rng.exponential(size=(20, 4000))


@pytest.mark.parametrize("shape", [0.2, 0.5, 0.9])
def test_pareto_k_is_the_shape_of_the_tail(shape: float) -> None:
    """A wrong sign of the log weights gives 0 or less: the other tail is bounded."""
    _, pareto_k = generation.pareto_smoothed(tail(shape))
    assert pareto_k.shape == (20,)
    error = (1 + shape) / np.sqrt(3 * np.sqrt(4000))  # of one fit to the tail
    assert pareto_k.mean() == pytest.approx(shape, abs=4 * error / np.sqrt(20) + 0.05)


def test_smoothed_weights_are_normalized_and_keep_their_order() -> None:
    raw = tail(0.9) + 100
    smoothed, _ = generation.pareto_smoothed(raw)
    np.testing.assert_allclose(logsumexp(smoothed, axis=1), 0, atol=1e-10)
    order = np.argsort(raw, axis=1)
    assert (np.diff(np.take_along_axis(smoothed, order, 1), axis=1) >= -1e-12).all()

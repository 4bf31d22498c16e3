"""Scans for many draws at once: each draw's steps are its own."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from models import build
from pytensor.scan.utils import until

from pymc_amortized.forward import forward_sampler

DRAWS = 4000


def sampled(fill):
    sampler = forward_sampler(build(fill))
    return sampler, sampler.draw(DRAWS if sampler.vectorized else 50, 3)


def two_states() -> None:
    """Taps, a random sequence, a fixed one, a matrix state, and an output without a state."""
    a = pm.Uniform("a", -0.6, 0.6)
    b = pm.Uniform("b", -0.3, 0.3)
    noise = pm.Normal("noise", shape=5)
    start = pm.Normal("start", shape=2)

    def step(shock, fixed, before, last, total, a, b):
        new = a * last + b * before + shock
        return new, total + fixed * pt.stack([new, a]), new**2

    x, total, square = pytensor.scan(
        step,
        sequences=[noise, pt.arange(5.0)],
        outputs_info=[{"initial": start, "taps": [-2, -1]}, pt.zeros(2), None],
        non_sequences=[a, b],
        return_updates=False,
    )
    pm.Deterministic("x", x)
    pm.Deterministic("total", total)
    pm.Deterministic("square", square)
    pm.Normal("y", x[-1], 1, observed=0.0)


def test_states_sequences_and_parameters_are_each_draws_own():
    sampler, draws = sampled(two_states)
    assert sampler.vectorized, sampler.reason
    before, last = draws["start"].T
    total = np.zeros((DRAWS, 2))
    for k in range(5):
        before, last = last, draws["a"] * last + draws["b"] * before + draws["noise"][:, k]
        total = total + k * np.column_stack([last, draws["a"]])
        np.testing.assert_allclose(draws["x"][:, k], last, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(draws["total"][:, k], total, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(draws["square"][:, k], last**2, rtol=1e-10, atol=1e-12)


def random_steps() -> None:
    rho = pm.Uniform("rho", -0.9, 0.9)
    sigma = pm.HalfNormal("sigma", 1)
    pm.AR(
        "y", rho=rho[None], sigma=sigma, init_dist=pm.Normal.dist(), steps=5, observed=np.zeros(6)
    )


def test_noise_is_independent_of_draws_steps_and_parameters():
    sampler, draws = sampled(random_steps)
    assert sampler.vectorized, sampler.reason
    y, rho, sigma = draws["y"], draws["rho"], draws["sigma"]
    noise = (y[:, 1:] - rho[:, None] * y[:, :-1]) / sigma[:, None]
    together = np.column_stack([noise, y[:, 0], rho, sigma])
    correlation = np.corrcoef(together.T) - np.eye(8)
    assert np.abs(correlation).max() < 5 / np.sqrt(DRAWS)
    lagged = np.corrcoef(noise[:-1, 0], noise[1:, 0])[0, 1]
    assert abs(lagged) < 5 / np.sqrt(DRAWS)
    assert np.abs(noise.std(axis=0) - 1).max() < 5 / np.sqrt(2 * DRAWS)


def last_of(step, **options) -> None:
    """The state that a scan from zero ends with."""
    start = pt.constant(0.0, dtype="float64")
    levels = pytensor.scan(step, outputs_info=start, return_updates=False, **options)
    pm.Deterministic("last", levels[-1])
    pm.Normal("y", levels[-1], 1, observed=0.0)


def until_large() -> None:
    rate = pm.Uniform("rate", 0.5, 2)

    def step(x, rate):
        return x + rate, until(x + rate > 4)

    last_of(step, n_steps=20, non_sequences=rate)


def test_a_condition_is_each_draws_own():
    """A batch would stop all at once; the loop does not."""
    sampler, draws = sampled(until_large)
    assert not sampler.vectorized
    assert "stops at a condition" in sampler.reason
    expected = draws["rate"] * np.ceil(np.nextafter(4, 5) / draws["rate"])
    np.testing.assert_allclose(draws["last"], expected)


def random_length() -> None:
    n = pm.DiscreteUniform("n", 1, 6)
    last_of(lambda x: x + 1, n_steps=n)


def test_a_random_number_of_steps_is_each_draws_own():
    sampler, draws = sampled(random_length)
    assert not sampler.vectorized
    assert len(np.unique(draws["n"])) > 3
    np.testing.assert_array_equal(draws["last"], draws["n"])


def chosen() -> None:
    z = pm.Categorical("z", np.array([0.2, 0.3, 0.5]))
    k = pm.DiscreteUniform("k", 0, 1)
    table = pm.Normal("table", shape=(4, 3, 2))
    fixed = pt.as_tensor(np.arange(24.0).reshape(3, 2, 4))
    pm.Deterministic("column", table[:, z])
    pm.Deterministic("entry", table[1, z, k])
    pm.Deterministic("row", fixed[z, k, 1:])
    pm.Normal("y", table[0, z, k], 1, observed=0.0)


def test_random_indices_are_each_draws_own():
    sampler, draws = sampled(chosen)
    assert sampler.vectorized, sampler.reason
    every, z, k = np.arange(DRAWS), draws["z"], draws["k"]
    np.testing.assert_array_equal(draws["column"], draws["table"][every, :, z])
    np.testing.assert_array_equal(draws["entry"], draws["table"][every, 1, z, k])
    np.testing.assert_array_equal(draws["row"], np.arange(24.0).reshape(3, 2, 4)[z, k, 1:])


def sliced() -> None:
    k = pm.DiscreteUniform("k", 1, 3)
    pm.Deterministic("sum", pt.as_tensor(np.arange(5.0))[:k].sum())
    pm.Normal("y", k, 1, observed=0.0)


def test_random_ends_of_slices_are_each_draws_own():
    _, draws = sampled(sliced)
    np.testing.assert_array_equal(draws["sum"], draws["k"] * (draws["k"] - 1) / 2)


def test_a_batch_of_one_has_its_axis() -> None:
    assert forward_sampler(build(two_states)).draw(1, 0)["total"].shape == (1, 5, 2)

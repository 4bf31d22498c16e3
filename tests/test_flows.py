import numpy as np
import pytest

from pymc_amortized import flows, summaries
from pymc_amortized.backend import tf, tfb
from pymc_amortized.networks import Network
from pymc_amortized.spline import Spline

BINS, BOUND = 8, 5.0


def raw(n, seed=0):
    return np.random.default_rng(seed).normal(0, 1.5, (n, 3 * BINS - 1)).astype(np.float32)


def test_spline_goes_there_and_back_and_has_its_own_slope():
    values = np.linspace(-7, 7, 4001).astype(np.float32)
    spline = Spline(tf.repeat(raw(1), 4001, 0))
    x = tf.constant(values)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y, log_slope = spline.forward(x)
    slope = tape.gradient(y, x).numpy()
    back, log_slope_back = spline.inverse(y)
    np.testing.assert_allclose(back, values, atol=1e-4)
    np.testing.assert_allclose(log_slope_back, -log_slope, atol=2e-3)
    np.testing.assert_allclose(np.exp(log_slope), slope, rtol=1e-3)
    assert np.all(np.diff(y) > 0)


def test_spline_is_tfps():
    spline = Spline(raw(50))
    inner = spline.left[..., 1:]
    tfps = tfb.RationalQuadraticSpline(spline.widths, spline.heights, inner, range_min=-BOUND)
    x = np.random.default_rng(1).uniform(-4.9, 4.9, 50).astype(np.float32)
    y, log_slope = spline.forward(x)
    np.testing.assert_allclose(y, tfps.forward(x), atol=1e-4)
    np.testing.assert_allclose(log_slope, tfps.forward_log_det_jacobian(x), atol=1e-3)


def test_no_nan_at_the_edges_of_bins():
    spline = Spline(raw(2000, seed=3))
    for edge in (spline.x, spline.y):
        for k in range(BINS):
            for direction in (spline.forward, spline.inverse):
                with tf.GradientTape() as tape:
                    tape.watch(edge)
                    total = sum(tf.reduce_sum(part) for part in direction(edge[:, k]))
                assert np.isfinite(total)
                assert np.isfinite(tape.gradient(total, edge)).all()


def network(size, seed=0):
    made = Network(
        summaries.residual_mlp(width=16, features=8),
        flows.spline_coupling(width=16),
        3,
        size,
        seed,
    )
    rng = np.random.default_rng(seed)
    made.assign({n: w + 0.15 * rng.normal(size=w.shape) for n, w in made.weights().items()})
    return made


DATA = np.array([[0.5, -1.0, 2.0], [-1.5, 0.3, 0.1]], np.float32)


@pytest.mark.parametrize("size", [1, 2])
def test_density_integrates_to_one(size):
    points = 4001 if size == 1 else 801
    axis = np.linspace(-15, 15, points)
    grid = np.stack(np.meshgrid(*[axis] * size, indexing="ij"), -1).reshape(-1, size)
    log_density = network(size).log_prob(np.stack([grid, grid]), DATA)
    total = np.exp(log_density).sum(axis=1) * (axis[1] - axis[0]) ** size
    np.testing.assert_allclose(total, 1, atol=0.01)
    assert np.abs(log_density[0] - log_density[1]).max() > 0.1  # it depends on the data


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_draws_have_the_density_that_comes_with_them(size):
    made = network(size)
    draws, log_density = made.sample(DATA, 500, np.random.default_rng(1))
    assert draws.shape == (2, 500, size)
    np.testing.assert_allclose(made.log_prob(draws, DATA), log_density, atol=2e-3)
    again, _ = made.sample(DATA, 500, np.random.default_rng(1))
    np.testing.assert_array_equal(again, draws)


def test_blocks_do_not_mix_datasets_up(monkeypatch):
    made = network(2)
    points = np.random.default_rng(2).normal(size=(2, 50, 2))
    whole = made.log_prob(points, DATA)
    monkeypatch.setattr("pymc_amortized.networks.ROWS", 7)
    np.testing.assert_allclose(made.log_prob(points, DATA), whole, rtol=1e-4, atol=1e-3)
    swapped = made.log_prob(points[::-1], DATA[::-1])
    np.testing.assert_allclose(swapped, whole[::-1], rtol=1e-4, atol=1e-3)
    draws, log_density = made.sample(DATA, 50, np.random.default_rng(3))
    np.testing.assert_allclose(made.log_prob(draws, DATA), log_density, atol=2e-3)


def test_extreme_data_stay_finite():
    draws, log_density = network(3).sample(1e3 * DATA, 100, np.random.default_rng(1))
    assert np.isfinite(draws).all()
    assert np.isfinite(log_density).all()

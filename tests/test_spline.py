"""Rational-quadratic splines: there and back, against TFP's, and at the edges of bins."""

import numpy as np
import pytest

from pymc_amortized.backend import tf, tfb
from pymc_amortized.spline import EDGE, SMALLEST, UNIT_SLOPE, Spline

BOUND = 5.0
EPS = float(np.finfo(np.float32).eps)
CASES = [(1, 1.0), (2, 3.0), (8, 0.5), (8, 2.0), (16, 1.5)]
"""Bins, and standard deviation of the raw numbers: the more of both, the steeper."""

STEEP = 3.0
"""Slopes of exp(3) and more stretch the rounding of single precision too far to compare."""


def raw(bins: int, scale: float, number: int = 1) -> np.ndarray:
    rng = np.random.default_rng(bins)
    return rng.normal(0, scale, size=(number, 3 * bins - 1)).astype(np.float32).T


def left_edges(sizes: np.ndarray) -> np.ndarray:
    return (np.cumsum(sizes, axis=0) - sizes - BOUND).astype(np.float32)


def values_of(spline: Spline) -> np.ndarray:
    """Values inside and far out, with all edges of bins and their neighbours: (*number, n)."""
    number = spline.widths.shape[1]
    grid = np.tile(np.linspace(-7, 7, 701, dtype=np.float32), (number, 1))
    out = np.tile(np.float32([-1e4, -50, -BOUND, BOUND, BOUND - EDGE, 50, 1e4]), (len(grid), 1))
    knots = np.concatenate([left_edges(s.numpy()).T for s in (spline.widths, spline.heights)], 1)
    beside = [np.nextafter(knots, np.float32(side)) for side in (-np.inf, np.inf)]
    return np.sort(np.concatenate([grid, out, knots, *beside], axis=1), axis=1)


def wide(numbers: np.ndarray, values: np.ndarray) -> Spline:
    """The same splines for each of several values: batch (number, n)."""
    return Spline(tf.repeat(tf.constant(numbers)[..., None], values.shape[1], axis=-1))


@pytest.mark.parametrize(("bins", "scale"), CASES)
def test_there_and_back(bins: int, scale: float) -> None:
    numbers = raw(bins, scale, 20)
    values = values_of(Spline(tf.constant(numbers)))
    spline = wide(numbers, values)
    for there, back in ((spline.forward, spline.inverse), (spline.inverse, spline.forward)):
        moved, log_slope = there(tf.constant(values))
        again, log_slope_back = back(moved)
        error = np.abs(again - values) / np.maximum(1, np.abs(values))
        # the way back stretches the rounding of what was moved by its slope
        assert (error / np.maximum(1, np.exp(-log_slope))).max() < 500 * EPS * BOUND
        gentle = np.abs(log_slope) < STEEP
        assert error[gentle].max() < 1e-4
        beside = np.abs(values - np.round(values, 1)) > 1e-6  # where slopes change fast
        assert np.abs(log_slope + log_slope_back)[gentle & ~beside].max() < 3e-2


@pytest.mark.parametrize(("bins", "scale"), CASES)
@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_log_derivative_is_that_of_autodiff(bins: int, scale: float, direction: str) -> None:
    numbers = raw(bins, scale, 10)
    values = tf.constant(np.tile(np.linspace(-6, 6, 500, dtype=np.float32), (10, 1)))
    with tf.GradientTape() as tape:
        tape.watch(values)
        moved, log_slope = getattr(wide(numbers, values), direction)(values)
    slope = tape.gradient(moved, values)
    gentle = np.abs(log_slope) < STEEP
    assert np.abs(np.log(slope[gentle]) - log_slope[gentle]).max() < 2e-3
    assert bins == 1 or np.ptp(log_slope) > 0.1


@pytest.mark.parametrize(("bins", "scale"), CASES)
@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_monotone_and_the_identity_outside(bins: int, scale: float, direction: str) -> None:
    numbers = raw(bins, scale, 20)
    values = values_of(Spline(tf.constant(numbers)))
    moved, log_slope = getattr(wide(numbers, values), direction)(tf.constant(values))
    steps = np.diff(moved)
    assert steps.min() > -50 * EPS * BOUND
    gentle = (np.abs(log_slope) < STEEP).all(axis=1)
    assert (steps[gentle][np.diff(values)[gentle] > 0.01] > 0).all()
    outside = np.abs(values) >= BOUND
    np.testing.assert_array_equal(moved.numpy()[outside], values[outside])
    assert not log_slope.numpy()[outside].any()


@pytest.mark.parametrize(("bins", "scale"), CASES[1:])
def test_agrees_with_tfp(bins: int, scale: float) -> None:
    numbers = raw(bins, scale, 10)
    values = tf.constant(np.random.default_rng(1).uniform(-4.9, 4.9, (10, 200)), tf.float32)
    spline = wide(numbers, values)
    slopes = SMALLEST + tf.nn.softplus(spline.slopes + UNIT_SLOPE)
    bins_last = [tf.transpose(part, (1, 2, 0)) for part in (spline.widths, spline.heights, slopes)]
    tfp = tfb.RationalQuadraticSpline(*bins_last, range_min=-BOUND)
    moved, log_slope = spline.forward(values)
    np.testing.assert_allclose(moved, tfp.forward(values), atol=1e-4)
    np.testing.assert_allclose(log_slope, tfp.forward_log_det_jacobian(values), atol=5e-3)
    moved, log_slope = spline.inverse(values)
    expected, stretch = tfp.inverse(values), np.maximum(1, np.exp(log_slope))
    assert (np.abs(moved - expected) / stretch).max() < 1e-4


@pytest.mark.parametrize("bins", [1, 2, 8])
def test_zeros_are_the_identity(bins: int) -> None:
    values = np.linspace(-6, 6, 101, dtype=np.float32)
    spline = Spline(tf.zeros((3 * bins - 1, 101)))
    for moved, log_slope in (spline.forward(values), spline.inverse(values)):
        np.testing.assert_allclose(moved, values, atol=20 * EPS * BOUND)
        np.testing.assert_allclose(log_slope, 0, atol=20 * EPS)


def test_bins_have_a_least_size_and_fill_the_range() -> None:
    spline = Spline(tf.constant(raw(8, 50.0, 30)))
    for sizes in (spline.widths, spline.heights):
        assert sizes.numpy().min() >= 2 * BOUND * SMALLEST * (1 - 1e-5)
        np.testing.assert_allclose(np.sum(sizes, 0), 2 * BOUND, rtol=1e-5)


@pytest.mark.parametrize("scale", [0.0, 1.0, 10.0, 300.0])
@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_nothing_is_nan_at_the_edges(scale: float, direction: str) -> None:
    numbers = raw(8, scale, 100)
    values = tf.constant(values_of(Spline(tf.constant(numbers))))
    variable = tf.constant(numbers)
    with tf.GradientTape() as tape:
        tape.watch([values, variable])
        spline = Spline(tf.repeat(variable[..., None], values.shape[1], axis=-1))
        moved, log_slope = getattr(spline, direction)(values)
        total = tf.reduce_sum(moved) + tf.reduce_sum(log_slope)
    for result in (moved, log_slope, *tape.gradient(total, [values, variable])):
        assert np.isfinite(result).all()

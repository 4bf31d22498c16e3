"""A coupling layer: there and back, and its log-determinant against the Jacobian of autodiff."""

import numpy as np
import pytest

from pymc_amortized.backend import tf
from pymc_amortized.coupling import Coupling

RAW = 3 * 4 - 1
SIZES = [(0, 1), (0, 3), (1, 2), (2, 3), (1, 4), (4, 5)]
"""Parameters that are kept, and all."""


class Condition:
    """Splines that depend linearly on the kept parameters, and a count of the questions."""

    def __init__(self, kept: int, size: int) -> None:
        rng = np.random.default_rng(10 * kept + size)
        self.shape = (size - kept, RAW)
        self.intercept = rng.normal(0, 0.7, self.shape).astype(np.float32)
        self.slopes = rng.normal(0, 0.2, (kept, (size - kept) * RAW)).astype(np.float32)
        self.calls = 0

    def __call__(self, first: tf.Tensor) -> tf.Tensor:
        self.calls += 1
        raw = tf.tensordot(first, self.slopes, 1)
        splines = self.intercept + tf.reshape(raw, (*first.shape[:-1], *self.shape))
        axes = range(len(splines.shape))
        return tf.transpose(splines, [axes[-1], axes[-2], *axes[:-2]])


def coupling(kept: int, size: int) -> Coupling:
    return Coupling(kept, Condition(kept, size))


def points(size: int, seed: int = 1) -> tf.Tensor:
    """Draws of datasets, a few of them outside the splines' range: (draws, datasets, size)."""
    values = np.random.default_rng(seed).normal(0, 2, (20, 5, size))
    return tf.constant(values, tf.float32)


@pytest.mark.parametrize(("kept", "size"), SIZES)
@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_there_and_back(kept: int, size: int, direction: str) -> None:
    start = points(size)
    moved = getattr(coupling(kept, size), direction)(start)
    back = {"forward": "inverse", "inverse": "forward"}[direction]
    # another layer, as TFP would hand out what it remembers of this one
    again = getattr(coupling(kept, size), back)(tf.identity(moved))
    np.testing.assert_allclose(again, start, atol=1e-3)
    np.testing.assert_array_equal(moved[..., :kept], start[..., :kept])
    assert np.abs(moved - start)[..., kept:].mean(axis=(0, 1)).min() > 0.05


@pytest.mark.parametrize(("kept", "size"), SIZES)
@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_log_determinant_is_that_of_autodiff(kept: int, size: int, direction: str) -> None:
    start = points(size)
    rows = tf.reshape(start, (-1, size))
    with tf.GradientTape() as tape:
        tape.watch(rows)
        moved = getattr(coupling(kept, size), direction)(rows)
    jacobian = tape.batch_jacobian(moved, rows).numpy().astype(np.float64)
    expected = np.linalg.slogdet(jacobian)[1].reshape(20, 5)
    log_det = getattr(coupling(kept, size), f"{direction}_log_det_jacobian")(start, event_ndims=1)
    np.testing.assert_allclose(log_det, expected, atol=2e-3 * size)
    assert np.abs(expected).mean() > 0.1  # a wrong sign would show


def test_value_and_log_determinant_come_from_one_evaluation() -> None:
    condition = Condition(1, 3)
    layer, start = Coupling(1, condition), points(3)
    noise = layer.inverse(start)
    layer.inverse_log_det_jacobian(start, event_ndims=1)
    layer.forward(noise)
    layer.forward_log_det_jacobian(noise, event_ndims=1)
    assert condition.calls == 1


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_other_values_are_evaluated_anew(direction: str) -> None:
    used = coupling(1, 3)
    used.inverse_log_det_jacobian(used.forward(points(3, seed=2)), event_ndims=1)
    for method, arguments in (
        (direction, {}),
        (f"{direction}_log_det_jacobian", {"event_ndims": 1}),
    ):
        found = getattr(used, method)(points(3), **arguments)
        expected = getattr(coupling(1, 3), method)(points(3), **arguments)
        np.testing.assert_array_equal(found, expected)

"""Noise becomes the same parameters whatever the number of draws, and compiled once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import pytest

from pymc_amortized import flows, pushforward
from pymc_amortized.backend import compiled, tf, tfb
from pymc_amortized.flows import SplineCouplingFlow

SIZE, FEATURES = 3, 2
BUILT = flows.spline_coupling(couplings=2, width=8, bins=3)
MANY = pushforward.BLOCKS * pushforward.ROWS


@pytest.fixture
def _none_kept() -> None:
    pushforward._kept.cache_clear()


def flow(seed: int) -> SplineCouplingFlow:
    """A flow with weights as after training."""
    rng = np.random.default_rng(seed)
    made = BUILT(SIZE, FEATURES, rng)
    for variable in made.trainable_variables:
        variable.assign(rng.normal(0, 0.3, size=variable.shape))
    return made


def weights(of: SplineCouplingFlow) -> list[tf.Tensor]:
    return [tf.convert_to_tensor(variable.value) for variable in of.trainable_variables]


def given(datasets: int, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Contexts and noise."""
    rng = np.random.default_rng(3)
    context = rng.normal(size=(datasets, FEATURES)).astype(np.float32)
    return context, rng.standard_normal((datasets, draws, SIZE), np.float32)


def check_pushed(found: tuple[np.ndarray, np.ndarray], seed: int, *given: np.ndarray) -> None:
    """Each dataset's values and log determinants are those of its own bijector.

    Values up to rounding, which is that of the noise times the slope.
    """
    for k, (context, noise) in enumerate(zip(*given, strict=True)):
        values, log_det, slopes = map(np.asarray, alone(seed)(context[None], noise))
        off = (found[0][k] - values) / (1 + slopes)
        np.testing.assert_allclose(off, np.zeros_like(off), atol=1e-5)
        np.testing.assert_allclose(found[1][k], log_det, atol=1e-3)


@cache
def alone(seed: int) -> Callable[..., Any]:
    """The map of one dataset's noise, by a flow that nothing else is done with."""
    context = tf.TensorSpec((1, FEATURES), tf.float32)
    return compiled(partial(pushed, flow(seed)), context, tf.TensorSpec((None, SIZE), tf.float32))


def pushed(
    of: SplineCouplingFlow, context: tf.Tensor, noise: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """What noise is mapped to, and how much each value changes with all of the noise."""
    bijector = of.bijector(context)
    values = bijector.forward(noise)
    columns = [tf.gradients(column, noise)[0] for column in tf.unstack(values, axis=1)]
    slopes = tf.stack([tf.reduce_sum(tf.abs(column), axis=1) for column in columns], axis=1)
    return values, bijector.forward_log_det_jacobian(noise, event_ndims=1), slopes


@pytest.mark.parametrize(
    ("datasets", "draws"),
    [
        (1, 1),
        (5, pushforward.FEWEST - 1),
        (100, pushforward.FEWEST - 1),
        (100, pushforward.FEWEST),
        (50, pushforward.ROWS),
        (40, pushforward.ROWS + 1),
        (1, pushforward.FEW),
        (1, pushforward.FEW + 1),
        (2, MANY),
        (2, MANY + 1),
    ],
)
def test_any_number_of_datasets_and_draws(datasets: int, draws: int) -> None:
    one, arrays = flow(1), given(datasets, draws)
    push = pushforward.pushforward(BUILT, one, SIZE, FEATURES)
    check_pushed(push(weights(one), *arrays), 1, *arrays)


@pytest.mark.parametrize("draws", [10, pushforward.FEW])
def test_the_same_architecture_is_compiled_once(draws: int) -> None:
    one, other, arrays = flow(1), flow(2), given(3, draws)
    push = pushforward.pushforward(BUILT, one, SIZE, FEATURES)
    assert pushforward.pushforward(BUILT, other, SIZE, FEATURES) is push
    for seed, each in ((1, one), (2, other), (1, one)):
        check_pushed(push(weights(each), *arrays), seed, *arrays)
    wider = flows.spline_coupling(couplings=2, width=9, bins=3)
    for built, features in ((wider, FEATURES), (BUILT, FEATURES + 1)):
        new = built(SIZE, features, np.random.default_rng(1))
        assert pushforward.pushforward(built, new, SIZE, features) is not push


def test_the_number_of_threads_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    one, arrays = flow(1), given(3, 3000)
    push = pushforward.pushforward(BUILT, one, SIZE, FEATURES)
    every = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(pushforward, "_threads", lambda threads=threads: threads)
        every.append(push(weights(one), *arrays))
    for other in every[1:]:
        for found, expected in zip(other, every[0], strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("_none_kept")
def test_few_are_kept() -> None:
    for features in range(1, pushforward.KEPT + 3):
        made = BUILT(SIZE, features, np.random.default_rng(1))
        push = pushforward.pushforward(BUILT, made, SIZE, features)
    assert pushforward._kept.cache_info().currsize == pushforward.KEPT
    assert pushforward.pushforward(BUILT, made, SIZE, features) is push


class Scaled:
    """A user's own flow: noise times the context."""

    trainable_variables = ()

    def __init__(self, size: int, features: int, rng: np.random.Generator) -> None:
        del size, features, rng

    def bijector(self, context: tf.Tensor) -> tfb.Bijector:
        return tfb.Scale(tf.exp(context[:, :1]))


@pytest.mark.usefixtures("_none_kept")
@pytest.mark.parametrize("draws", [10, pushforward.FEW])
def test_users_own_flows_are_pushed_by_themselves(draws: int) -> None:
    one, (context, noise) = Scaled(SIZE, FEATURES, np.random.default_rng(1)), given(2, draws)
    push = pushforward.pushforward(Scaled, one, SIZE, FEATURES)
    values, log_det = push([], context, noise)
    np.testing.assert_allclose(values, np.exp(context[:, None, :1]) * noise, rtol=1e-5)
    np.testing.assert_allclose(log_det, np.tile(SIZE * context[:, :1], (1, draws)), rtol=1e-5)
    assert not pushforward._kept.cache_info().currsize


def test_what_has_no_bijector_is_not_pushed() -> None:
    assert pushforward.pushforward(BUILT, object(), SIZE, FEATURES) is None

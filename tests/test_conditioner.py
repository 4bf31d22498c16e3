"""A coupling's network by hand, and the shapes of what it makes."""

import numpy as np
import pytest
from scipy.special import expit

from pymc_amortized.backend import tf
from pymc_amortized.conditioner import Conditioner

BINS, WIDTH, CHANGED = 4, 5, 2
RAW = 3 * BINS - 1


def conditioner(kept: int) -> Conditioner:
    """One with weights that are none of the initial zeros."""
    made = Conditioner(kept, CHANGED, WIDTH, 1, BINS, np.random.default_rng(1))
    rng = np.random.default_rng(2)
    for variable in made.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    return made


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def test_all_splines_are_the_identity_at_first() -> None:
    made = Conditioner(3, CHANGED, WIDTH, 1, BINS, np.random.default_rng(1))
    assert not made(tf.constant(numbers(7, 3)), numbers(7, WIDTH)).numpy().any()


def test_by_hand() -> None:
    made, kept, context = conditioner(3), numbers(7, 4, 3), numbers(4, WIDTH)
    first, inner, inner_bias, last, last_bias = (v.numpy() for v in made.trainable_variables)
    hidden = kept @ first + context
    hidden = hidden + hidden * expit(hidden) @ inner + inner_bias
    expected = hidden * expit(hidden) @ last.T + last_bias[:, 0]
    found = made(tf.constant(kept), context)
    assert found.shape == (RAW, CHANGED, 7, 4)
    bins_last = np.moveaxis(found, (0, 1), (2, 3)).reshape(7, 4, RAW * CHANGED)
    np.testing.assert_allclose(bins_last, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("batch", [(4,), (7, 4)])
def test_splines_of_the_context_alone_are_made_once_for_all_draws(batch: tuple[int, ...]) -> None:
    context = numbers(4, WIDTH)
    found = conditioner(0)(tf.zeros((*batch, 0)), context)
    assert found.shape == (RAW, CHANGED, *[1] * (len(batch) - 1), 4)
    one = conditioner(0)(tf.zeros((1, 0)), context[2:3])
    third = np.reshape(found[..., 2], (RAW, CHANGED, 1))
    np.testing.assert_allclose(third, one, rtol=1e-5, atol=1e-6)

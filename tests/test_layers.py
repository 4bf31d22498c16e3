"""Layers from seeds, and a residual network by hand."""

import numpy as np

from pymc_amortized.backend import tf
from pymc_amortized.layers import Residual, dense, joint_dense


def silu(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-x))


def randomized(network: Residual) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    for variable in network.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    return [variable.value.numpy() for variable in network.trainable_variables]


def test_a_seed_gives_the_weights() -> None:
    first, same, other = (dense(3, 4, np.random.default_rng(s)).kernel.numpy() for s in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert not np.allclose(first, other)
    assert not dense(3, 4, np.random.default_rng(1), zero=True).kernel.numpy().any()


def test_residual_by_hand() -> None:
    network = Residual(3, 4, 2, 1, np.random.default_rng(2))
    x = np.random.default_rng(3).normal(size=(5, 3)).astype(np.float32)
    first, first_bias, inner, inner_bias, last, last_bias = randomized(network)
    hidden = x @ first + first_bias
    hidden = hidden + silu(hidden) @ inner + inner_bias
    expected = silu(hidden) @ last + last_bias
    np.testing.assert_allclose(network(tf.constant(x)), expected, rtol=1e-4, atol=1e-5)


def test_joint_layers_are_side_by_side_and_differ() -> None:
    layer = joint_dense(3, 4, 2, np.random.default_rng(1))
    first, second = np.split(layer.kernel.numpy(), 2, axis=1)
    assert first.shape == (3, 4)
    assert np.abs(first - second).min() > 0
    limit = np.sqrt(6 / (3 + 4))  # each by its own lengths
    assert 0.5 * limit < np.abs(layer.kernel.numpy()).max() <= limit

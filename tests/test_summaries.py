"""Summary networks: a vector for each dataset, of that dataset alone."""

from collections.abc import Callable

import numpy as np
import pytest

from pymc_amortized import summaries
from pymc_amortized.backend import tf

SMALL = {"residual_mlp": {"width": 16, "blocks": 2, "features": 5}}
"""Sizes that tests are run with, by factory; a new factory is one entry."""

INPUTS = 7


@pytest.fixture(params=SMALL)
def factory(request: pytest.FixtureRequest) -> Callable:
    """Each factory of the module, at a small size."""
    return getattr(summaries, request.param)(**SMALL[request.param])


def data(number: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(number, INPUTS)).astype(np.float32)


def test_every_factory_is_tested() -> None:
    assert set(SMALL) == set(summaries.__all__)


def test_each_dataset_has_its_own_vector(factory: Callable) -> None:
    network = factory(INPUTS, np.random.default_rng(2))
    vectors = network(data(6)).numpy()
    assert vectors.shape == (6, 5)
    np.testing.assert_allclose(network(data(6)[::-1]), vectors[::-1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(network(data(6)[2:3]), vectors[2:3], rtol=1e-4, atol=1e-5)
    assert len(np.unique(vectors, axis=0)) == 6


def test_weights_follow_from_the_generator(factory: Callable) -> None:
    first, same, other = (
        factory(INPUTS, np.random.default_rng(seed))(data(3)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.allclose(first, other)


def test_all_weights_and_all_inputs_count(factory: Callable) -> None:
    network = factory(INPUTS, np.random.default_rng(3))
    rng = np.random.default_rng(4)
    for variable in network.trainable_variables:
        variable.assign(rng.normal(0, 0.3, size=variable.shape))
    inputs = tf.constant(data(4))
    weights = [variable.value for variable in network.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        total = tf.reduce_sum(network(inputs) ** 2)
    of_inputs, *of_weights = tape.gradient(total, [inputs, *weights])
    assert all(np.any(gradient) for gradient in of_weights)
    assert np.all(np.any(of_inputs, axis=0))

"""Summary networks: a vector for each dataset, of that dataset alone."""

from collections.abc import Callable

import numpy as np
import pytest

from pymc_amortized import summaries
from pymc_amortized.backend import tf
from pymc_amortized.layout import Block, Inputs

SMALL = {
    "structured": {"width": 16, "blocks": 2},
    "residual_mlp": {"width": 16, "blocks": 2},
    "deep_set": {"width": 8},
    "set_transformer": {"width": 8, "heads": 2, "inducing": 3},
    "convolution": {"width": 4},
    "recurrent": {"width": 4},
    "transformer": {"width": 8, "heads": 2},
}
"""Sizes that tests are run with, by factory; a new factory is one entry."""

PLAIN, STEPS = 3, 18
INPUTS = {
    "plain": Inputs(PLAIN, np.arange(PLAIN)),
    "set": Block("set", "obs", PLAIN + np.arange(36).reshape(STEPS, 2), 1),
    "groups": Block("set", "group", PLAIN + np.arange(36).reshape(STEPS, 2), 1, groups=3),
    "row of groups": Block("row", "group", PLAIN + np.arange(36).reshape(STEPS, 2), 1, groups=3),
    "series": Block("series", "time", PLAIN + np.arange(36).reshape(STEPS, 2), 1),
    "grid": Block("grid", "row", PLAIN + np.arange(36).reshape(6, 6, 1), 1),
}


def inputs(kind: str, *, gaps: bool = True) -> Inputs:
    """Plain features, and a block of a kind."""
    if kind == "plain":
        return INPUTS["plain"]
    return Inputs(PLAIN + 36, np.arange(PLAIN), (INPUTS[kind],), gaps)


@pytest.fixture(params=SMALL)
def factory(request: pytest.FixtureRequest) -> Callable:
    """Each factory of the module, at a small size."""
    return getattr(summaries, request.param)(**SMALL[request.param], features=5)


def data(number: int, kind: str) -> np.ndarray:
    size = inputs(kind).size
    return np.random.default_rng(1).normal(size=(number, size)).astype(np.float32)


def shaken(network, seed: int = 4):
    """The same network, with weights as after training."""
    rng = np.random.default_rng(seed)
    for variable in network.trainable_variables:
        variable.assign(rng.normal(0, 0.3, size=variable.shape))
    return network


def test_every_factory_is_tested() -> None:
    assert set(SMALL) == set(summaries.__all__)


@pytest.mark.parametrize("kind", INPUTS)
def test_each_dataset_has_its_own_vector(factory: Callable, kind: str) -> None:
    network = factory(inputs(kind), np.random.default_rng(2))
    x = data(6, kind)
    vectors = network(x).numpy()
    assert vectors.shape == (6, 5)
    np.testing.assert_allclose(network(x[::-1]), vectors[::-1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(network(x[2:3]), vectors[2:3], rtol=1e-4, atol=1e-5)
    assert len(np.unique(vectors, axis=0)) == 6


@pytest.mark.parametrize("kind", INPUTS)
def test_weights_follow_from_the_generator(factory: Callable, kind: str) -> None:
    first, same, other = (
        factory(inputs(kind), np.random.default_rng(seed))(data(3, kind)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.allclose(first, other)


@pytest.mark.parametrize("kind", INPUTS)
def test_all_weights_and_all_inputs_count(factory: Callable, kind: str) -> None:
    network = shaken(factory(inputs(kind), np.random.default_rng(3)))
    x = tf.constant(data(4, kind))
    weights = [variable.value for variable in network.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(network(x) ** 2)
    of_inputs, *of_weights = tape.gradient(total, [x, *weights])
    # what attention adds to all logits alike is of no account
    silent = [np.any(g) for g, v in zip(of_weights, network.trainable_variables, strict=True)
              if "key" not in v.path or "bias" not in v.path]  # fmt: skip
    assert all(silent)
    sees = PLAIN if factory.func.__name__ == "_residual_mlp" else inputs(kind).size
    assert np.all(np.any(of_inputs[:, :sees], axis=0))


@pytest.mark.parametrize("name", sorted(SMALL.keys() - {"residual_mlp"}))
@pytest.mark.parametrize("kind", sorted(INPUTS.keys() - {"plain"}))
def test_what_is_missing_counts_as_missing(name: str, kind: str) -> None:
    """Not as a zero, which is a value like others; and NaN gets no further than that."""
    factory = getattr(summaries, name)(**SMALL[name])
    network = shaken(factory(inputs(kind), np.random.default_rng(3)))
    x = data(4, kind)
    x[:, PLAIN + 4 : PLAIN + 8] = np.nan
    with tf.GradientTape() as tape:
        found = network(x)
        total = tf.reduce_sum(found**2)
    gradients = tape.gradient(total, [v.value for v in network.trainable_variables])
    assert np.isfinite(found).all()
    assert all(np.isfinite(g).all() for g in gradients)
    assert not np.allclose(found, network(np.nan_to_num(x)), atol=1e-5)


@pytest.mark.parametrize("name", ["structured", "deep_set", "set_transformer"])
def test_the_order_of_a_set_is_of_no_account(name: str) -> None:
    rng = np.random.default_rng(5)
    network = shaken(getattr(summaries, name)(**SMALL[name])(inputs("set"), rng))
    x = data(4, "set")
    x[:, PLAIN + 4 : PLAIN + 8] = np.nan
    order = rng.permutation(STEPS)
    moved = x.copy()
    moved[:, PLAIN:] = x[:, PLAIN:].reshape(4, STEPS, 2)[:, order].reshape(4, -1)
    np.testing.assert_allclose(network(x), network(moved), rtol=1e-4, atol=1e-4)
    moved[0, PLAIN] += 1
    assert not np.allclose(network(x)[0], network(moved)[0], atol=1e-3)


@pytest.mark.parametrize("name", ["convolution", "recurrent", "transformer"])
def test_the_order_of_a_series_tells(name: str) -> None:
    rng = np.random.default_rng(6)
    network = shaken(getattr(summaries, name)(**SMALL[name])(inputs("series"), rng))
    x = data(4, "series")
    moved = x.copy()
    moved[:, PLAIN:] = x[:, PLAIN:].reshape(4, STEPS, 2)[:, ::-1].reshape(4, -1)
    assert np.abs(network(x) - network(moved)).max() > 0.01

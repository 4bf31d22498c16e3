"""Trainers that are kept for networks of the same architecture."""

from __future__ import annotations

import numpy as np
import pytest
from trained import small

from pymc_amortized import flows, trainer
from pymc_amortized.backend import keras, tf
from pymc_amortized.layout import Inputs, flat_inputs
from pymc_amortized.networks import Network
from pymc_amortized.trainer import borrowed

STEPS, BATCH, ELEMENTS = 5, 16, 3


@pytest.fixture(autouse=True)
def _none_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "_kept", {})


def network(seed: int = 1, elements: int = ELEMENTS, **replaced: object) -> Network:
    """A conditional normal distribution, which compiles fast."""
    parts = small() | {"flow": flows.spline_coupling(couplings=0, width=8)} | replaced
    return Network(**parts, inputs=flat_inputs(elements), size=1, seed=seed)


def trained(net: Network, seed: int) -> np.ndarray:
    """Running mean of the weights after two rounds."""
    rng = np.random.default_rng(seed)
    rows = STEPS * BATCH
    with borrowed(net, STEPS, BATCH) as lent:
        for _ in range(2):
            data = rng.gumbel(size=(rows, net.inputs.size)).astype(np.float32)
            loss = lent.round(data[:, :1] / 2, data, np.full(STEPS, 0.01, np.float32))
            assert np.isfinite(loss)
        return lent.mean_weights()


def by_keras(net: Network, data: np.ndarray, rates: np.ndarray) -> None:
    """Make a round of Keras' own steps, one optimizer of each weight."""
    variables = net.trainable_variables
    optimizer = keras.optimizers.Adam(global_clipnorm=trainer.CLIP)
    for k, rate in enumerate(rates):
        rows = data[k * BATCH : (k + 1) * BATCH]
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(net.loss(rows[:, :1] / 2, rows))
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        optimizer.learning_rate.assign(rate)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))


def test_a_round_is_as_many_steps_of_keras() -> None:
    net = network(flow=flows.spline_coupling(couplings=1, width=8))
    rates = np.linspace(0.01, 0.03, STEPS, dtype=np.float32)
    data = np.random.default_rng(5).gumbel(size=(STEPS * BATCH, ELEMENTS)).astype(np.float32)
    with borrowed(net, STEPS, BATCH) as lent:
        lent.round(data[:, :1] / 2, data, rates)
        found = lent.weights()
    assert not np.allclose(found, net.flat_weights(), atol=1e-5)
    by_keras(net, data, rates)
    np.testing.assert_allclose(found, net.flat_weights(), atol=1e-5)


class Unused:
    """A summary that lists a weight and does without it."""

    def __init__(self, inputs: Inputs, rng: np.random.Generator) -> None:
        self.trainable_variables = [keras.Variable(np.ones(2, np.float32))]

    def __call__(self, features: tf.Tensor) -> tf.Tensor:
        return features


def test_a_weight_that_is_not_used_stays_as_it_is() -> None:
    net = network(summary=Unused)
    before, after = net.flat_weights(), trained(net, seed=6)
    np.testing.assert_array_equal(after[:2], before[:2])
    assert not np.array_equal(after[2:], before[2:])


def test_weights_decay_as_much_as_a_round_is_told() -> None:
    net = network(summary=Unused)
    rates, rows = np.linspace(0.01, 0.03, STEPS, dtype=np.float32), STEPS * BATCH
    data = np.random.default_rng(7).gumbel(size=(rows, ELEMENTS)).astype(np.float32)
    values = []
    with borrowed(net, STEPS, BATCH) as lent:
        for decay in (2.0, 0.0):
            lent.round(data[:, :1] / 2, data, rates, decay)
            values.append(lent.weights()[:2])
    np.testing.assert_allclose(values[0], np.prod(1 - 2.0 * rates), rtol=1e-5)
    np.testing.assert_array_equal(values[1], values[0])


def test_what_was_trained_before_leaves_no_trace() -> None:
    alone = trained(network(seed=2), seed=3)
    trainer._kept.clear()
    first, second = network(seed=1), network(seed=2)
    weights = first.flat_weights()
    assert not np.array_equal(trained(first, seed=4), alone)
    np.testing.assert_array_equal(trained(second, seed=3), alone)
    np.testing.assert_array_equal(first.flat_weights(), weights)


def test_the_same_architecture_is_compiled_once() -> None:
    with (
        borrowed(network(seed=1), STEPS, BATCH) as one,
        borrowed(network(seed=1), STEPS, BATCH) as at_once,
    ):
        assert at_once is not one
    with borrowed(network(seed=2), STEPS, BATCH) as again:
        assert again in (one, at_once)
    others = [
        borrowed(network(elements=ELEMENTS + 1), STEPS, BATCH),
        borrowed(network(flow=flows.spline_coupling(couplings=0, width=9)), STEPS, BATCH),
        borrowed(network(), STEPS + 1, BATCH),
        borrowed(network(), STEPS, BATCH + 1),
    ]
    for other in others:
        with other as lent:
            assert lent not in (one, at_once)


def test_few_are_kept() -> None:
    for steps in range(1, trainer.KEPT + 3):
        with borrowed(network(), steps, BATCH):
            pass
    assert [steps for _, steps, _ in trainer._kept] == list(range(3, trainer.KEPT + 3))


def test_a_trainer_that_met_an_error_is_not_lent_again() -> None:
    with pytest.raises(KeyboardInterrupt), borrowed(network(), STEPS, BATCH):
        raise KeyboardInterrupt
    assert not trainer._kept


def test_users_own_parts_are_trained_themselves() -> None:
    factory = flows.spline_coupling(couplings=0, width=8)
    net = network(flow=lambda *sizes: factory(*sizes))
    with borrowed(net, STEPS, BATCH) as lent:
        assert lent.network is net
    assert not trainer._kept


def test_weights_in_a_row_are_those_of_the_network() -> None:
    net, other = network(seed=1), network(seed=2)
    other.assign_flat(net.flat_weights())
    for key, values in net.weights().items():
        np.testing.assert_array_equal(other.weights()[key], values)
    assert len(net.flat_weights()) == sum(values.size for values in net.weights().values())

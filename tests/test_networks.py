"""Summary and flow as one: each dataset's draws follow its own data, however they are cut."""

from collections.abc import Callable

import numpy as np
import pytest

from pymc_amortized import blocks, flows, noise, summaries
from pymc_amortized.backend import tf, tfd
from pymc_amortized.layout import Inputs, flat_inputs
from pymc_amortized.networks import Network

SIZE, DATASETS = 2, 5
INPUTS = flat_inputs(3)
SD = 0.1


class Copy:
    """A summary that gives data as they are."""

    trainable_variables = ()

    def __init__(self, inputs: Inputs, rng: np.random.Generator) -> None:
        del inputs, rng

    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs


class Around:
    """A flow that gives a normal distribution around the first features."""

    trainable_variables = ()

    def __init__(self, size: int, features: int, rng: np.random.Generator) -> None:
        del features, rng
        self.size = size

    def __call__(self, context: tf.Tensor) -> tfd.Distribution:
        return tfd.MultivariateNormalDiag(context[:, : self.size], SD * tf.ones(self.size))


@pytest.fixture(scope="module")
def simple() -> Network:
    """A network whose distribution is known."""
    return Network(Copy, Around, INPUTS, SIZE, seed=1)


def spline_network(seed: int) -> Network:
    summary = summaries.residual_mlp(width=8, blocks=1, features=4)
    flow = flows.spline_coupling(couplings=2, width=8, bins=4)
    return Network(summary, flow, INPUTS, SIZE, seed)


@pytest.fixture(scope="module")
def trained() -> Network:
    """A network of the package's own parts, with weights as after training."""
    network = spline_network(1)
    rng = np.random.default_rng(2)
    for variable in network.trainable_variables:
        variable.assign(rng.normal(0, 0.3, size=variable.shape))
    return network


def data(number: int = DATASETS) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(number, INPUTS.size))


def context(network: Network) -> np.ndarray:
    return network.summaries(data())


@pytest.mark.parametrize("rows", [1, 150, 400, 2**16])
def test_draws_follow_their_own_data(
    simple: Network, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "ROWS", rows)
    draws = 200 if rows > 1 else 10
    drawn, log_density, _ = simple.sample(context(simple), draws, np.random.default_rng(4))
    assert drawn.shape == (DATASETS, draws, SIZE)
    noise = (drawn - data()[:, None, :SIZE]) / SD
    assert np.abs(noise.mean(axis=1)).max() < 5 / np.sqrt(draws)
    assert np.abs(np.mean(noise**2) - 1) < 5 * np.sqrt(2 / noise.size)
    found = len(np.unique(noise.round(5)))  # no chunk repeats another
    assert found > 0.95 * noise.size
    expected = -0.5 * (noise**2).sum(axis=-1) - SIZE * np.log(SD * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(log_density, expected, atol=1e-3)


@pytest.mark.parametrize("rows", [1, 7, 30, 2**16])
def test_log_prob_does_not_depend_on_the_cut(
    trained: Network, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = np.random.default_rng(5).normal(size=(DATASETS, 10, SIZE))
    given = context(trained)
    alone = np.concatenate([trained.log_prob(points[[k]], given[[k]]) for k in range(DATASETS)])
    monkeypatch.setattr(blocks, "ROWS", rows)
    got = trained.log_prob(points, given)
    assert got.shape == (DATASETS, 10)
    np.testing.assert_allclose(got, alone, rtol=1e-4, atol=1e-4)
    swapped = trained.log_prob(points, given[::-1])
    assert np.abs(swapped - alone)[[0, 1, 3, 4]].max(axis=1).min() > 1e-2


@pytest.mark.parametrize("rows", [64, 2**16])
def test_density_of_draws_is_log_prob(
    trained: Network, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "ROWS", rows)
    given = context(trained)
    drawn, log_density, _ = trained.sample(given, 150, np.random.default_rng(6))
    np.testing.assert_allclose(trained.log_prob(drawn, given), log_density, atol=2e-3)


def test_the_same_generator_gives_the_same_draws(trained: Network) -> None:
    given = context(trained)
    first, again, other = (trained.sample(given, 20, np.random.default_rng(s)) for s in (7, 7, 8))
    for one, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, same)
    assert not np.isclose(first[0], other[0]).any(axis=-1).all()


def test_loss_is_minus_log_prob(trained: Network) -> None:
    points = np.random.default_rng(9).normal(size=(DATASETS, SIZE)).astype(np.float32)
    loss = trained.loss(tf.constant(points), tf.constant(data(), tf.float32))
    log_density = trained.log_prob(points[:, None], context(trained))[:, 0]
    np.testing.assert_allclose(loss, -log_density, rtol=1e-4, atol=1e-4)


def test_weights_round_trip(trained: Network) -> None:
    other = spline_network(5)
    points = np.random.default_rng(10).normal(size=(DATASETS, 4, SIZE))
    before = other.log_prob(points, context(other))
    weights = trained.weights()
    assert list(weights) == sorted(weights)
    kept = {key: value.copy() for key, value in weights.items()}
    other.assign(weights)
    # the graphs were traced before: they see the new weights
    got = other.log_prob(points, context(other))
    np.testing.assert_allclose(
        got, trained.log_prob(points, context(trained)), rtol=1e-5, atol=1e-5
    )
    assert not np.allclose(got, before, atol=0.1)
    for variable in other.trainable_variables:
        variable.assign(tf.zeros(variable.shape))
    for key, value in weights.items():
        np.testing.assert_array_equal(value, kept[key])  # copies, not views


def test_draws_are_of_the_weights_of_the_moment(trained: Network) -> None:
    other = spline_network(5)

    def drawn(network: Network) -> np.ndarray:
        return network.sample(np.zeros((2, network.features)), 10, np.random.default_rng(12))[0]

    before = drawn(other)
    other.assign(trained.weights())
    np.testing.assert_array_equal(drawn(other), drawn(trained))
    other.assign_flat(spline_network(5).flat_weights())
    np.testing.assert_array_equal(drawn(other), before)
    assert not np.isclose(before, drawn(trained)).any(axis=-1).all()


def test_seeds_give_the_initial_weights() -> None:
    first, same, other = (spline_network(seed).weights() for seed in (1, 1, 2))
    assert all(np.array_equal(first[key], same[key]) for key in first)
    assert not all(np.array_equal(first[key], other[key]) for key in first)


def test_defensive_draws_have_the_density_that_comes_with_them(trained: Network) -> None:
    """The flow's density is their expected weight's numerator, and never 1.25 times theirs."""
    rng = np.random.default_rng(11)
    given = context(trained)
    drawn, log_density, log_proposal = trained.sample(given, 4000, rng, defensive=True)
    np.testing.assert_allclose(trained.log_prob(drawn, given), log_density, atol=5e-3)
    weights = np.exp(log_density - log_proposal)
    assert weights.max() < 1 / (1 - noise.WIDE_PART) + 0.01
    error = weights.std(axis=1) / np.sqrt(4000)
    np.testing.assert_array_less(np.abs(weights.mean(axis=1) - 1), 4.5 * error)
    plain, *_ = trained.sample(given, 4000, np.random.default_rng(11))
    assert np.square(drawn).mean() > 1.05 * np.square(plain).mean()


class Plain(Around):
    """A flow of variables that are not Keras's."""

    def __init__(self, size: int, features: int, rng: np.random.Generator) -> None:
        super().__init__(size, features, rng)
        self.trainable_variables = [tf.Variable(0.0)]


@pytest.mark.parametrize(
    ("built", "message"),
    [
        (lambda *_: None, "expected a function that returns a callable .* that returns None"),
        (Plain, "expected keras.Variable objects in `trainable_variables`, got ResourceVariable"),
    ],
)
def test_what_cannot_be_trained_is_refused(built: Callable[..., object], message: str) -> None:
    with pytest.raises(TypeError, match=f"flow: {message}"):
        Network(Copy, built, INPUTS, SIZE, seed=1)
    with pytest.raises(TypeError, match="summary: expected a function"):
        Network(lambda *_: None, Around, INPUTS, SIZE, seed=1)

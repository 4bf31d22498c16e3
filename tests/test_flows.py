"""Conditional flows: a density that integrates to one, and draws that follow it."""

from functools import cache

import numpy as np
import pytest
from scipy import stats

from pymc_amortized import flows, schedule, summaries, training
from pymc_amortized.backend import tf
from pymc_amortized.layout import flat_inputs
from pymc_amortized.networks import Network

DATA = np.array([[0.5, -1.0, 2.0], [-1.5, 0.3, 0.1]], np.float32)


@cache
def network(size: int) -> Network:
    """A network of weights that were not trained, but are none of the initial zeros."""
    summary = summaries.residual_mlp(width=16, blocks=1, features=8)
    made = Network(
        summary, flows.spline_coupling(couplings=3, width=16), flat_inputs(3), size, seed=0
    )
    rng = np.random.default_rng(0)
    made.assign({n: w + 0.15 * rng.normal(size=w.shape) for n, w in made.weights().items()})
    return made


@pytest.mark.parametrize("size", [1, 2])
def test_density_integrates_to_one(size: int) -> None:
    points = 4001 if size == 1 else 801
    axis = np.linspace(-15, 15, points)
    grid = np.stack(np.meshgrid(*[axis] * size, indexing="ij"), -1).reshape(-1, size)
    made = network(size)
    log_density = made.log_prob(np.stack([grid, grid]), made.summaries(DATA))
    total = np.exp(log_density).sum(axis=1) * (axis[1] - axis[0]) ** size
    np.testing.assert_allclose(total, 1, atol=0.01)
    assert np.abs(log_density[0] - log_density[1]).max() > 0.1  # it depends on the data


@pytest.mark.parametrize("size", [1, 2, 5])
def test_draws_have_the_density_that_comes_with_them(size: int) -> None:
    made = network(size)
    context = made.summaries(DATA)
    draws, log_density, _ = made.sample(context, 500, np.random.default_rng(1))
    assert draws.shape == (2, 500, size)
    np.testing.assert_allclose(made.log_prob(draws, context), log_density, atol=2e-3)
    again, *_ = made.sample(context, 500, np.random.default_rng(1))
    np.testing.assert_array_equal(again, draws)


def test_few_parameters_have_a_smaller_network_unless_told_otherwise() -> None:
    def sizes(size: int, **options: int) -> list[int]:
        flow = flows.spline_coupling(**options)(size, 2, np.random.default_rng(1))
        assert all(len(c.hidden.blocks) == options.get("blocks", 1) for c in flow.conditioners)
        return [conditioner.kernel.shape[1] for conditioner in flow.conditioners]

    assert (sizes(4), sizes(5)) == ([32] * 3, [64] * 4)
    assert sizes(4, couplings=1, width=8, blocks=3) == [8]


def test_extreme_data_stay_finite() -> None:
    made = network(5)
    context = made.summaries(1e3 * DATA)
    draws, log_density, _ = made.sample(context, 100, np.random.default_rng(1))
    assert np.isfinite(draws).all()
    assert np.isfinite(log_density).all()


@pytest.mark.parametrize("size", [1, 2, 3])
def test_without_couplings_it_is_a_normal_distribution(size: int) -> None:
    """Splines start as the identity; location and scale then are what the affine layer says."""
    flow = flows.spline_coupling(width=8, bins=4)(size, 2, np.random.default_rng(1))
    shift, log_scale = np.linspace(-3, 30, size), np.linspace(-4, 2.5, size)
    raw = np.concatenate([shift, flows.STEEPEST * np.arctanh(log_scale / flows.STEEPEST)])
    flow.affine = lambda *_: tf.constant(raw[None], tf.float32)
    normal = stats.norm(shift, np.exp(log_scale))
    points = normal.ppf(np.random.default_rng(2).uniform(0.01, 0.99, (50, 1, size)))
    found = flow(tf.zeros((1, 2))).log_prob(tf.constant(points, tf.float32))
    np.testing.assert_allclose(found, normal.logpdf(points).sum(axis=-1), rtol=1e-4, atol=1e-3)


COUNTS = np.array([0, 1, 3, 10])
PRIOR = stats.gamma(2, scale=1 / 0.5)


def features(count: np.ndarray) -> np.ndarray:
    return np.log(2.0 + count)[:, None].astype(np.float32) - 1.5


@pytest.fixture(scope="module")
def log_rate() -> Network:
    """Trained on the log of a rate given one count: a skewed posterior, the more the fewer."""
    summary = summaries.residual_mlp(width=16, blocks=1, features=4)
    made = Network(summary, flows.spline_coupling(couplings=2, width=16), flat_inputs(1), 1, seed=1)
    rng = np.random.default_rng(2)

    def simulated(number: int) -> tuple[np.ndarray, np.ndarray]:
        rate = PRIOR.rvs(number, random_state=rng)
        return np.log(rate)[:, None].astype(np.float32), features(rng.poisson(rate))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedule, "LEARNING_RATE", 5e-3)
        training.train(
            made,
            lambda: simulated(50 * 256),
            simulated(5000),
            steps=50,
            batch=256,
            advance=lambda *_, **__: None,
        )
    return made


def exact(count: int) -> stats.rv_continuous:
    """Posterior of the log rate, conjugate."""
    return stats.loggamma(2 + count, loc=-np.log(1.5))


@pytest.mark.parametrize("count", COUNTS)
def test_one_parameter_reaches_a_skewed_posterior(log_rate: Network, count: int) -> None:
    context = log_rate.summaries(features(np.array([count])))
    truth = exact(count)
    grid = np.linspace(*truth.ppf([1e-9, 1 - 1e-9]), 4001)
    density = np.exp(log_rate.log_prob(grid[None, :, None], context))[0]
    assert density.sum() * (grid[1] - grid[0]) == pytest.approx(1, abs=0.01)
    points = truth.rvs(4000, random_state=3)
    loss = truth.logpdf(points) - log_rate.log_prob(points[None, :, None], context)[0]
    assert abs(loss.mean()) < 0.01 + 5 * loss.std() / np.sqrt(4000)
    draws = log_rate.sample(context, 4000, np.random.default_rng(4))[0].ravel()
    for probability in (0.05, 0.25, 0.5, 0.75, 0.95):
        error = np.sqrt(probability * (1 - probability) / 4000)
        below = (draws < truth.ppf(probability)).mean()
        assert abs(below - probability) < 0.01 + 4 * error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"couplings": -1}, "couplings: expected an integer of at least 0, got -1"),
        ({"width": 2.5}, "width: expected an integer of at least 1, got 2.5"),
        ({"blocks": True}, "blocks: expected an integer of at least 0, got True"),
        ({"bins": 0}, "bins: expected an integer of at least 1, got 0"),
        ({"bins": None}, "bins: expected an integer of at least 1, got None"),
        ({"blocks": None}, "blocks: expected an integer of at least 0, got None"),
        ({"bins": 501}, "bins: expected at most 500, got 501"),
    ],
)
def test_other_sizes_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        flows.spline_coupling(**options)

"""NUTS for datasets that weights cannot put right: exact, compiled once, kept when interrupted."""

from collections.abc import Iterator

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from models import CASES
from scipy import stats
from trained import untrained

import pymc_amortized as pma
from pymc_amortized import nuts
from pymc_amortized.generation import convergence
from pymc_amortized.inference_data import group
from pymc_amortized.nuts import Chains, Launch, inputs_of, nuts_sampler, whitened_model
from pymc_amortized.rescue import largest_r_hat, launch, rescued

QUIET = {"progressbar": False, "random_seed": 1}
DISCRETE = ["change_point", "mixture_assignment", "latent_counts"]
CONTINUOUS = [name for name, case in CASES.items() if case.likelihood and name not in DISCRETE]
FAR = np.array([[25, 30, 28, 22, 31, 27, 26, 29, 33, 24], [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]])

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of nutpie and joblib


@pytest.fixture(params=["nutpie", "pymc"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both samplers."""
    monkeypatch.setattr(nuts, "find_spec", lambda name: request.param == "nutpie" or None)
    return request.param


@pytest.fixture
def distrusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """No weights are good enough."""
    monkeypatch.setattr(
        "pymc_amortized.rescue.untrusted", lambda k, ess, draws: (k > -np.inf, k > np.inf)
    )


@pytest.mark.parametrize("name", CONTINUOUS)
def test_whitened_model_has_the_log_joint_of_every_model(name: str) -> None:
    """At any point, scale and data, but for the constant of the scale."""
    amortized, rng = untrained(name), np.random.default_rng(1)
    sampler = amortized._parts.sampler
    whitened = whitened_model(amortized.model, sampler.parameters.shapes)
    size = sampler.parameters.size
    observed = amortized._read(None).values
    vector = sampler.vectors(observed, 3, rng)
    scale = np.linalg.cholesky(np.eye(size) + 0.3)
    expected = sampler.density.log_joint(vector, observed)[0]
    log_joint = whitened.compile_logp(mode="FAST_COMPILE")
    for point, value in zip(vector[0], expected, strict=True):
        z = rng.normal(size=size)
        data = {f"data_of_{name}": array[0] for name, array in observed.items()}
        data |= {"centre": point - scale @ z, "scale": scale}
        for name, held in inputs_of(whitened).items():
            held.set_value(data[name])
        np.testing.assert_allclose(log_joint({"z": z}), value, rtol=1e-8)


def test_draws_are_those_of_the_exact_posterior(engine: str, distrusted: None) -> None:
    """Skewed and under a transform; the network knows next to nothing of it."""
    amortized = untrained("one_parameter")
    dim = "shop"
    y = xr.DataArray(FAR, dims=(dim, "y_dim_0"), coords={dim: ["far", "near"]})
    with pytest.warns(UserWarning, match="of the datasets far are unlike"):
        idata = amortized.sample({"y": y}, refine="auto", draws=4000, predictive=True, **QUIET)
    found = idata.amortized
    assert found["refined_by"].to_numpy().tolist() == ["nuts", "nuts"]
    assert (found["r_hat"] < 1.01).all()
    assert (found["divergences"] == 0).all()
    exact = stats.gamma(2 + FAR.sum(axis=1), scale=1 / (0.5 + 10))
    rate = idata.posterior["rate"]
    assert rate.dims == ("chain", "draw", dim)
    draws, error = rate.to_numpy().reshape(-1, 2), 1 / np.sqrt(found["ess"].to_numpy())
    assert (error < 0.025).all()
    np.testing.assert_array_less(abs(draws.mean(axis=0) - exact.mean()) / exact.std(), 4 * error)
    for level in (0.05, 0.5, 0.95):
        below = (draws < exact.ppf(level)).mean(axis=0)
        np.testing.assert_array_less(abs(below - level), 4 * 0.5 * error)
    lp = amortized.model.compile_logp(mode="FAST_COMPILE")
    near = idata.sample_stats["lp"].sel({dim: "near"}).to_numpy().ravel()[:3]
    first = rate.sel({dim: "near"}).to_numpy().ravel()[:3]
    np.testing.assert_allclose(near, [lp({"rate_log__": np.log(r)}) for r in first], rtol=1e-6)
    statistics = idata.sample_stats
    np.testing.assert_allclose(
        statistics["log_weight"], statistics["lp"] - statistics["log_q"], rtol=1e-6
    )
    means = idata.posterior_predictive["y"].mean(("chain", "draw")).to_numpy()
    np.testing.assert_allclose(means.mean(axis=1), exact.mean(), rtol=0.05)
    assert engine in ("nutpie", "pymc")


def test_only_untrusted_datasets_are_drawn_anew(rough: pma.AmortizedPosterior) -> None:
    y = pma.simulate(rough.model, draws=12, **QUIET).prior_predictive["y"].to_numpy()[0]
    found = rough.sample({"y": y}, refine="auto", draws=500, **QUIET)
    known = found.amortized
    bad = ((known["pareto_k"] > 0.7) | (known["importance_ess"] < 400)).to_numpy()
    assert 0 < bad.sum() < 12
    np.testing.assert_array_equal(known["refined_by"] == "nuts", bad)
    np.testing.assert_array_equal(np.isnan(known["r_hat"]), ~bad)
    plain = rough.sample({"y": y[~bad]}, refine="auto", draws=500, **QUIET)
    assert (plain.amortized["refined_by"] == "psis").all()
    assert np.isnan(plain.amortized["ess"]).all()


def no_start() -> pm.Model:
    """Whose density does not exist where the data are negative."""
    with pm.Model() as model:
        a = pm.Normal("a")
        logp = lambda value, a: pm.math.log(value) - (value - a) ** 2 / 2  # noqa: E731
        random = lambda a, rng=None, size=None: np.exp(rng.normal(a, size=size))  # noqa: E731
        pm.CustomDist("y", a, logp=logp, random=random, observed=np.ones(2))
    return model


@pytest.mark.filterwarnings("ignore:The data", "ignore:observed", "ignore:Pareto k")
def test_chains_that_cannot_start_do_not_lose_the_other_datasets(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The starts are made up: of the data that have a density nowhere, none would be tried."""
    model = no_start()
    sampler = nuts_sampler(model, {"a": ()})
    start = Launch(np.zeros((2, 1)), np.zeros(1), np.eye(1))
    data = [{"y": np.array([1.0, -1])}, {"y": np.ones(2)}]
    found = dict(sampler(data, [start, start], 100, 100, np.random.default_rng(1)))
    assert list(found) == [1]
    assert abs(found[1].vector.mean() - 2 / 3) < 0.5
    assert engine in ("nutpie", "pymc")


@pytest.mark.filterwarnings("ignore:The data", "ignore:observed", "ignore:Pareto k")
def test_starts_come_from_the_prior_where_the_network_extrapolates(engine: str) -> None:
    """Its draws are impossible, in double precision."""
    with pm.Model() as model:
        mu, s = pm.Normal("mu", 0, 3), pm.HalfNormal("s", 2)
        pm.Normal("y", mu, s, observed=np.zeros(5))
    y = np.array([1e4, -1e4, 3e4, 5, 6])
    idata = untrained(model).sample({"y": y}, refine="auto", draws=500, **QUIET)
    assert idata.amortized["refined_by"].item() == "nuts"
    # by quadrature over both parameters: mu 4.07, s 257.5
    assert float(idata.posterior["s"].mean()) == pytest.approx(257.5, rel=0.05)
    assert engine in ("nutpie", "pymc")


def test_chains_that_do_not_agree_are_drawn_once_more_for_longer() -> None:
    rng = np.random.default_rng(1)
    good, bad = rng.normal(size=(2, 4, 500, 3))
    bad[0] += 5
    asked = []

    def sample(observed: list, launches: list, draws: int, tune: int, _: object) -> Iterator:
        asked.append((tune, [o["y"] for o in observed], launches))
        every = {2: bad, 0: bad, 1: good} if len(asked) == 1 else {0: good, 1: good}
        yield from ((number, Chains(chains, 4)) for number, chains in every.items())

    start = Launch(np.zeros((4, 3)), np.zeros(3), np.eye(3))
    data = [{"y": 0}, {"y": 1}, {"y": 2}]
    found = list(rescued(sample, data, [start] * 3, 500, rng))
    assert [number for number, _ in found] == [2, 0, 1, 0, 2]
    assert [one.again for _, one in found] == [True, True, False, False, False]
    assert [tune for tune, *_ in asked] == [300, 500]
    assert asked[1][1] == [0, 2]  # in one order, whichever ended first
    again = asked[1][2][0]
    np.testing.assert_array_equal(again.points, bad[:, -1])
    np.testing.assert_allclose(again.centre, bad.mean(axis=(0, 1)))
    covariance = np.cov(bad.reshape(-1, 3).T)
    np.testing.assert_allclose(again.scale @ again.scale.T, covariance, rtol=0.05, atol=0.1)
    assert found[0][1].r_hat > 1.5
    assert found[4][1].r_hat < 1.02
    assert found[4][1].divergences == 4


def test_short_chains_that_agree_are_not_blamed() -> None:
    """What R-hat exceeds one by falls as chains get longer."""
    rng = np.random.default_rng(4)
    for draws in (50, 200, 1000):
        r_hat = [convergence(rng.normal(size=(4, draws, 5)))[0] for _ in range(40)]
        assert np.mean(np.array(r_hat) > largest_r_hat(draws)) <= 0.05
    assert largest_r_hat(1000) == largest_r_hat(5000) == pytest.approx(1.01)


@pytest.mark.filterwarnings("ignore:The data")
def test_same_seed_same_draws_whichever_chain_ends_first(
    distrusted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = [0, 1, 2]

    def unordered(observed: list, *_: object) -> Iterator:
        yield from ((k, Chains(np.full((1, 50, 1), k + 1.0), 0)) for k in order)

    monkeypatch.setattr("pymc_amortized.machinery.nuts_sampler", lambda *_: unordered)
    amortized, y = untrained("one_parameter"), np.vstack([FAR, FAR[:1]])
    options = {"refine": "auto", "draws": 50, "chains": 1, "predictive": True, **QUIET}
    first = amortized.sample({"y": y}, **options)
    order.reverse()
    second = amortized.sample({"y": y}, **options)
    for name in ("posterior", "posterior_predictive"):
        xr.testing.assert_equal(group(first, name), group(second, name))


def test_launch_follows_the_weights_and_their_covariance() -> None:
    """Skewed target: draws of N(0, S) weighted to N(m, S)."""
    rng = np.random.default_rng(2)
    covariance, mean = np.array([[1.0, -0.7], [-0.7, 2.0]]), np.array([0.5, 0.3])
    draws = rng.multivariate_normal(np.zeros(2), covariance, 20_000)
    target = stats.multivariate_normal(mean, covariance)
    log_weight = target.logpdf(draws) - stats.multivariate_normal(np.zeros(2), covariance).logpdf(
        draws
    )
    log_weight[:100] = -np.inf
    found = launch(draws, log_weight, 400, rng)
    np.testing.assert_allclose(found.scale @ found.scale.T, covariance, atol=0.12)
    error = np.sqrt(np.diag(covariance) / 400)
    np.testing.assert_array_less(abs(found.points.mean(axis=0) - mean), 4 * error)
    np.testing.assert_array_less(abs(found.centre - mean), 4 * error)


def test_launch_of_hopeless_weights_lies_between_network_and_posterior() -> None:
    rng = np.random.default_rng(3)
    draws = rng.normal(size=(4000, 2))
    log_weight = stats.norm(4, 0.05).logpdf(draws).sum(axis=1)
    found = launch(draws, log_weight, 4, rng)
    assert 0.05 < found.scale[0, 0] < 1
    assert found.points.mean() > 1
    assert launch(draws, np.full(4000, -np.inf), 4, rng) is None


@pytest.mark.filterwarnings("ignore:The data")
def test_what_was_done_before_an_interrupt_is_kept(
    distrusted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    amortized, draw = untrained("one_parameter"), np.log(np.full((1, 50, 1), 7.0))

    def interrupted(*_: object) -> Iterator:
        yield 0, Chains(draw, 0)
        raise KeyboardInterrupt

    monkeypatch.setattr("pymc_amortized.machinery.nuts_sampler", lambda *_: interrupted)
    options = {"refine": "auto", "draws": 50, "chains": 1, **QUIET}
    with pytest.warns(UserWarning, match="NUTS was interrupted"):
        idata = amortized.sample({"y": FAR}, **options)
    assert idata.amortized["refined_by"].to_numpy().tolist() == ["nuts", "psis"]
    np.testing.assert_allclose(idata.posterior["rate"].isel(dataset=0), 7.0)
    assert idata.posterior["rate"].isel(dataset=1).std() > 0


def test_disagreeing_chains_warn_of_the_datasets(
    distrusted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stuck(*_: object) -> Iterator:
        rng = np.random.default_rng(1)
        yield 0, Chains(rng.normal(np.arange(4)[:, None, None], 0.01, (4, 50, 1)), 0)

    monkeypatch.setattr("pymc_amortized.machinery.nuts_sampler", lambda *_: stuck)
    with pytest.warns(UserWarning, match="chains of NUTS do not agree"):
        untrained("one_parameter").sample(refine="auto", draws=50, **QUIET)


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_variables_are_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=r"refine: expected .* NUTS cannot draw the discrete var"):
        untrained(name).sample(refine="auto", **QUIET)


def test_convergence_needs_chains_and_draws() -> None:
    assert np.isnan(convergence(np.zeros((1, 10, 2)))).all()
    assert np.isnan(convergence(np.zeros((4, 3, 2)))).all()
    r_hat, ess = convergence(np.random.default_rng(1).normal(size=(4, 500, 2)))
    assert abs(r_hat - 1) < 0.01
    assert 1500 < ess < 2500

"""Importance weights against exact normalizing constants, and what is chosen by them."""

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from models import CASES
from scipy import stats
from trained import untrained

import pymc_amortized as pma
from pymc_amortized import noise
from pymc_amortized.data import Datasets
from pymc_amortized.refinement import Diagnosis, diagnose, more_proposals, resample, untrusted
from pymc_amortized.results import warn_of_weights
from pymc_amortized.sampling import Drawn

PROPOSALS = 2000
SHOPS = [f"shop {k}" for k in range(6)]
QUIET = {"progressbar": False, "random_seed": 1}


def skewed(datasets: int, seed: int, proposals: int = PROPOSALS) -> tuple[np.ndarray, np.ndarray]:
    """Draws of a Gamma(2, 1), and their log weights for 7 times a Gamma(3, 2) density."""
    draws = np.random.default_rng(seed).gamma(2, 1, (datasets, proposals))
    target = np.log(7) + stats.gamma(3, scale=0.5).logpdf(draws)
    return draws, target - stats.gamma(2).logpdf(draws)


def test_evidence_is_exact_within_its_own_error() -> None:
    found = diagnose(skewed(400, 1)[1])
    z = (found.log_marginal_likelihood - np.log(7)) / found.log_marginal_likelihood_error
    assert abs(z.mean()) < 4 / np.sqrt(400)
    assert z.std() == pytest.approx(1, abs=4 / np.sqrt(2 * 400))
    assert found.weighted.all()


def test_error_of_the_evidence_is_not_known_where_the_tail_is_too_heavy() -> None:
    rng = np.random.default_rng(8)
    log_weight = np.stack([rng.normal(0, 0.3, PROPOSALS), rng.normal(0, 6, PROPOSALS)])
    found = diagnose(log_weight)
    assert found.pareto_k[0] < 0.7 < found.pareto_k[1]
    assert np.isfinite(found.log_marginal_likelihood_error[0])
    assert found.log_marginal_likelihood_error[1] == np.inf


def test_nothing_is_trusted_whose_tail_cannot_be_told() -> None:
    heavy, few = untrusted(np.array([np.nan, np.inf, 0.9, 0.1]), np.full(4, 1000.0), 1000)
    assert heavy.tolist() == [True, True, True, False]
    assert not few.any()


@pytest.mark.parametrize("proposals", [1, 2, 24])
def test_few_proposals_have_weights_but_no_tail(proposals: int) -> None:
    found = diagnose(np.full((3, proposals), 2.0))
    assert np.isnan(found.pareto_k).all()
    np.testing.assert_allclose(found.weights, 1 / proposals)
    np.testing.assert_allclose(found.log_marginal_likelihood, 2.0)
    assert np.isposinf(found.log_marginal_likelihood_error).all()


def test_effective_sample_size_is_that_of_the_weights() -> None:
    """With bounded weights: the mean squared weight is 4^2 Gamma(4) / 3^4."""
    squared = 16 * 6 / 81
    found = diagnose(skewed(100, 2)[1])
    assert found.importance_ess.mean() == pytest.approx(PROPOSALS / squared, rel=0.02)


def test_chosen_draws_follow_the_target() -> None:
    draws, log_weight = skewed(200, 3)
    index = resample(diagnose(log_weight).weights, 500, np.random.default_rng(4))
    chosen = np.take_along_axis(draws, index, axis=1)
    gamma, error = stats.gamma(3, scale=0.5), 1 / np.sqrt(200 * 500 / 2)
    assert chosen.mean() == pytest.approx(gamma.mean(), abs=4 * gamma.std() * error)
    for level in (0.05, 0.5, 0.95):
        assert (gamma.cdf(chosen) < level).mean() == pytest.approx(level, abs=4 * 0.5 * error)


def test_each_proposal_comes_as_often_as_its_weight_says() -> None:
    weights = np.array([[0.5, 0.26, 0.1, 0.1, 0.04, 0.0]] * 3000)
    index = resample(weights, 10, np.random.default_rng(5))
    times = np.stack([(index == k).sum(axis=1) for k in range(6)], axis=1)
    assert (np.abs(times - 10 * weights) < 1 + 1e-9).all()  # rounded up or down
    error = np.sqrt(0.25 / 3000)
    np.testing.assert_allclose(times.mean(axis=0), 10 * weights[0], atol=4 * error)


def test_even_weights_are_chosen_without_replacement_in_random_order() -> None:
    index = resample(np.full((300, 40), 1 / 40), 20, np.random.default_rng(6))
    assert all(len(set(row)) == 20 for row in index)
    neighbours = np.corrcoef(index[:, :-1].ravel(), index[:, 1:].ravel())[0, 1]
    assert abs(neighbours + 1 / 39) < 4 / np.sqrt(index.size)


def test_datasets_without_weights_leave_the_others_alone() -> None:
    _, log_weight = skewed(5, 7)
    alone = diagnose(log_weight[[0, 2]])
    log_weight[1], log_weight[3, 5], log_weight[4, 7] = -np.inf, np.nan, np.inf
    found = diagnose(log_weight)
    np.testing.assert_array_equal(found.weighted, [True, False, True, False, False])
    np.testing.assert_array_equal(found.pareto_k[[1, 3, 4]], np.inf)
    np.testing.assert_array_equal(found.importance_ess[[1, 3, 4]], 0)
    np.testing.assert_allclose(found.pareto_k[[0, 2]], alone.pareto_k)
    np.testing.assert_allclose(found.weights[[0, 2]], alone.weights)
    np.testing.assert_allclose(found.weights[[1, 3, 4]], 1 / PROPOSALS)


def test_weights_that_differ_beyond_all_bounds_are_not_trusted() -> None:
    _, log_weight = skewed(2, 7)
    alone = diagnose(log_weight[:1])
    log_weight[1] *= 1e6
    found = diagnose(log_weight)
    assert found.pareto_k[0] == alone.pareto_k[0]
    assert found.pareto_k[1] > 10  # infinite on ArviZ 1
    np.testing.assert_allclose(found.weights.sum(axis=1), 1)
    assert np.isposinf(found.log_marginal_likelihood_error[1])


def test_even_weights_and_impossible_draws_are_no_trouble() -> None:
    log_weight = np.zeros((2, PROPOSALS))
    log_weight[1, :500] = -np.inf
    found = diagnose(log_weight)
    np.testing.assert_array_equal(found.pareto_k, 0)
    np.testing.assert_allclose(found.log_marginal_likelihood, [0, np.log(0.75)], atol=1e-12)
    np.testing.assert_allclose(found.importance_ess, [PROPOSALS, 0.75 * PROPOSALS])
    assert found.weights[1, :500].max() == 0


def evidence_of_counts(y: np.ndarray) -> np.ndarray:
    """Of Poisson counts with a Gamma(2, 0.5) rate: Gelman et al. (2013), section 2.6."""
    from scipy.special import gammaln

    total, n = y.sum(axis=1), y.shape[1]
    own = gammaln(2 + total) - gammaln(2) + 2 * np.log(0.5) - (2 + total) * np.log(0.5 + n)
    return own - gammaln(y + 1).sum(axis=1)


def test_refined_posterior_of_a_poor_network_is_exact() -> None:
    """Skewed, with a log transform: a lost Jacobian would show in evidence and mean."""
    amortized = untrained("one_parameter")
    simulated = pma.simulate(amortized.model, draws=40, **QUIET)
    y = simulated.prior_predictive["y"].to_numpy()[0]
    idata = amortized.sample({"y": y}, draws=2500, **QUIET)
    diagnosis = idata.amortized
    trusted = (diagnosis["pareto_k"] < 0.5).to_numpy()
    assert trusted.sum() >= 35
    z = diagnosis["log_marginal_likelihood"].to_numpy() - evidence_of_counts(y)
    z = (z / diagnosis["log_marginal_likelihood_error"].to_numpy())[trusted]
    assert abs(z.mean()) < 4 / np.sqrt(len(z))
    assert np.abs(z).max() < 4.5
    exact = stats.gamma(2 + y.sum(axis=1), scale=1 / (0.5 + y.shape[1]))
    rate = idata.posterior["rate"].to_numpy().reshape(-1, len(y))
    error = np.sqrt(1 / diagnosis["importance_ess"].to_numpy() + 1 / len(rate))
    z = ((rate.mean(axis=0) - exact.mean()) / exact.std() / error)[trusted]
    assert abs(z.mean()) < 4 / np.sqrt(len(z))
    assert np.abs(z).max() < 4.5


def test_group_has_a_value_a_dataset_and_draws_are_those_weighted() -> None:
    amortized = untrained("one_parameter")
    raw = amortized.sample(refine=None, draws=50, **QUIET)
    refined = amortized.sample(draws=50, **QUIET)
    assert raw.amortized["refined_by"].item() == "none"
    assert refined.amortized["refined_by"].item() == "psis"
    for name in ("pareto_k", "importance_ess", "log_marginal_likelihood"):
        assert refined.amortized[name].dims == ()
        assert np.isfinite(raw.amortized[name])
    stats_ = refined.sample_stats
    excess = stats_["log_weight"] - (stats_["lp"] - stats_["log_q"])
    assert excess.max() < -np.log(1 - noise.WIDE_PART) + 1e-5  # of the wider proposal
    raw_stats = raw.sample_stats
    np.testing.assert_allclose(raw_stats["log_weight"], raw_stats["lp"] - raw_stats["log_q"])
    unconstrained = np.log(refined.posterior["rate"].to_numpy().ravel())
    lp = amortized.model.compile_logp()
    expected = [lp({"rate_log__": value}) for value in unconstrained]
    np.testing.assert_allclose(stats_["lp"].to_numpy().ravel(), expected, rtol=1e-8)


@pytest.mark.filterwarnings("ignore:The weighted draws")
def test_poor_weights_warn_of_the_datasets_by_name(rough: pma.AmortizedPosterior) -> None:
    simulated = pma.simulate(rough.model, draws=len(SHOPS), **QUIET).prior_predictive["y"]
    dim = rough.model.named_vars_to_dims["y"][0]
    y = xr.DataArray(simulated.to_numpy()[0], dims=("shop", dim), coords={"shop": SHOPS})
    with pytest.warns(UserWarning, match="Pareto k of the datasets") as warned:
        pareto_k = rough.sample({"y": y}, **QUIET).amortized["pareto_k"]
    assert pareto_k.dims == ("shop",)
    named = pareto_k["shop"][(pareto_k > 0.7).to_numpy()].to_numpy()
    assert 0 < len(named) < len(SHOPS)
    assert f"of the datasets {', '.join(named)} is above" in str(warned[0].message)


def test_weights_worth_too_few_draws_warn_of_the_datasets() -> None:
    known = {
        "pareto_k": np.array([0.3, 0.3, 0.9, 0.3]),
        "importance_ess": np.array([500.0, 120, 60, 150]),
        "refined_by": np.array(["psis", "psis", "psis", "nuts"]),
    }
    datasets = Datasets({}, {"shop": np.array(SHOPS[:4])}, (4,))
    heavy = r"^Pareto k of the datasets shop 2 is above 0.68 \(0.90 at most\)"
    few = r"^The weighted draws of the datasets shop 1 are worth few .*\(120 at least\)"
    with pytest.warns(UserWarning, match=heavy), pytest.warns(UserWarning, match=few):
        warn_of_weights(Drawn({}, {}, {}, known), 1000, datasets)


def test_more_proposals_where_they_help() -> None:
    """Enough already, four times as many, at most a hundred each, and once more in doubt."""
    k, ess = np.array([0.2, 0.2, 0.2, 0.9, np.inf]), np.array([1000.0, 320, 0.5, 2, 0])
    known = Diagnosis(np.ones((5, 1250)), k, ess, np.zeros(5), np.zeros(5))
    np.testing.assert_array_equal(
        more_proposals(known, 1000), [0, 4 * 1250, 100_000, 10_000, 10_000]
    )


def nan_density() -> pm.Model:
    with pm.Model() as model:
        a = pm.Normal("a")
        logp = lambda value, a: pm.math.log(value) + 0 * a  # noqa: E731
        random = lambda a, rng=None, size=None: np.exp(rng.normal(a, size=size))  # noqa: E731
        pm.CustomDist("y", a, logp=logp, random=random, observed=np.ones(2))
    return model


@pytest.mark.filterwarnings("ignore:The data")
def test_without_finite_densities_the_draws_are_the_network_s_own() -> None:
    amortized = untrained(nan_density())
    data = {"y": np.array([[1.0, 2.0], [1.0, -2.0]])}
    with pytest.warns(UserWarning, match="Draws of the datasets 1 are the network's own"):
        idata = amortized.sample(data, **QUIET)
    assert idata.amortized["refined_by"].to_numpy().tolist() == ["psis", "none"]
    assert idata.amortized["pareto_k"].to_numpy()[1] == np.inf
    raw = amortized.sample(data, refine=None, **QUIET)
    alone, own = (float(fit.posterior["a"].isel(dataset=1).std()) for fit in (idata, raw))
    assert alone / own == pytest.approx(1, abs=4 / np.sqrt(4000))  # defensive draws: 1.17


@pytest.mark.filterwarnings("ignore:The data")
@pytest.mark.parametrize("refine", ["psis", "auto"])
def test_impossible_data_do_not_lose_the_other_datasets(refine: str) -> None:
    data = {"y": np.array([[1, 2, 3], [1, 11, 3]])}
    outside = "'y' inside the support.* datasets 1, such as 11"
    own = "^Draws of the datasets 1 are the network's own"
    amortized = untrained("beta_binomial")
    with pytest.warns(UserWarning, match=outside), pytest.warns(UserWarning, match=own):
        idata = amortized.sample(data, refine=refine, draws=250, **QUIET)
    assert idata.amortized["refined_by"].to_numpy().tolist() == ["psis", "none"]
    np.testing.assert_array_equal(np.isinf(idata.amortized["pareto_k"]), [False, True])
    assert np.isfinite(idata.posterior["p"]).all()


def test_models_without_a_likelihood_are_not_refined() -> None:
    amortized = untrained("simulator")
    idata = amortized.sample(draws=5, **QUIET)
    assert idata.amortized["refined_by"].item() == "none"
    with pytest.raises(ValueError, match=r"refine: expected None.*no likelihood.*got 'psis'"):
        amortized.sample(refine="psis", **QUIET)


def test_unknown_ways_are_refused() -> None:
    with pytest.raises(ValueError, match=r"refine: expected .psis., .auto. or None, got 'mcmc'"):
        untrained(CASES["one_parameter"].build()).sample(refine="mcmc", **QUIET)


@pytest.mark.filterwarnings(
    "ignore:Pareto k", "ignore:Draws of", "ignore:The data", "ignore:The weighted"
)
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.likelihood])
def test_every_kind_of_model_is_refined(name: str) -> None:
    """Weights favour what the model's density favours, whatever the variables are."""
    amortized = untrained(name)
    raw = amortized.sample(refine=None, draws=250, **QUIET)
    refined = amortized.sample(draws=250, **QUIET)
    assert refined.amortized["refined_by"].item() == "psis"
    assert np.isfinite(refined.sample_stats["lp"]).all()
    assert refined.amortized["importance_ess"] >= 1
    error = raw.sample_stats["log_weight"].std() / np.sqrt(1000)
    gained = refined.sample_stats["log_weight"].mean() - raw.sample_stats["log_weight"].mean()
    assert gained > -4 * error

"""The amortized posterior: exact where the exact one is known, labelled as PyMC's, or refused.

The first half asks trained posteriors for their numbers, the rest needs no training.
"""

import json
from collections.abc import Callable
from types import MappingProxyType

import arviz as az
import numpy as np
import pymc as pm
import pytest
import xarray as xr
from models import CASES, YEARS
from scipy import stats
from trained import untrained

import pymc_amortized as pma
from pymc_amortized import blocks
from pymc_amortized.inference_data import group

DATASETS = 100
SAMPLE = {"refine": None, "progressbar": False}


def held_out(amortized: pma.AmortizedPosterior, number: int = DATASETS) -> np.ndarray:
    simulated = pma.simulate(amortized.model, draws=number, random_seed=99, progressbar=False)
    return group(simulated, "prior_predictive")["y"][0].to_numpy()


def exact_line(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Posterior means (datasets, 2) and covariance; Gelman et al. (2013), section 14.8."""
    design = np.column_stack([np.ones(12), YEARS])
    covariance = np.linalg.inv(design.T @ design / 0.49 + np.diag([1 / 4, 1 / 2.25]))
    return (y @ design / 0.49 + np.array([1, 0]) / [4, 2.25]) @ covariance, covariance


def draws_of_line(line: pma.AmortizedPosterior, y: np.ndarray, seed: int) -> np.ndarray:
    """Draws of the two coefficients: (draws, datasets, 2)."""
    posterior = group(line.sample({"y": y}, random_seed=seed, **SAMPLE))
    return np.stack([posterior[n].to_numpy().reshape(-1, len(y)) for n in ("b0", "b1")], -1)


def test_line_against_the_closed_form(line: pma.AmortizedPosterior) -> None:
    y = held_out(line)
    draws = draws_of_line(line, y, seed=2)
    means, covariance = exact_line(y)
    sd = np.sqrt(np.diag(covariance))
    assert (np.abs(draws.mean(axis=0) - means) / sd).mean() < 0.05
    ratios = (draws.std(axis=0) / sd).mean(axis=0)
    assert np.all((ratios > 0.97) & (ratios < 1.03))
    correlations = [np.corrcoef(draws[:, k].T)[0, 1] for k in range(DATASETS)]
    assert np.mean(correlations) == pytest.approx(covariance[0, 1] / sd.prod(), abs=0.03)


def test_line_cannot_be_told_from_the_closed_form_by_a_classifier(
    line: pma.AmortizedPosterior,
) -> None:
    from sklearn.model_selection import cross_val_score
    from sklearn.neural_network import MLPClassifier

    y = held_out(line, 2)
    draws = draws_of_line(line, y, seed=3)
    means, covariance = exact_line(y)
    rng = np.random.default_rng(5)
    for k in range(2):
        reference = rng.multivariate_normal(means[k], covariance, 4000)
        both = np.concatenate([reference, draws[:, k]])
        both = (both - reference.mean(axis=0)) / reference.std(axis=0)
        order, labels = rng.permutation(8000), np.repeat([0, 1], 4000)
        network = MLPClassifier((20, 20), max_iter=500, random_state=1)
        accuracy = cross_val_score(network, both[order], labels[order], cv=5).mean()
        assert accuracy < 0.53  # 0.5 +- 0.006 if there is nothing to tell


def exact_rate(y: np.ndarray) -> stats.rv_continuous:
    """Posterior of `one_parameter`."""
    return stats.gamma(2 + y.sum(axis=-1), scale=1 / (0.5 + 10))


def test_counts_against_the_exact_gamma(counts: pma.AmortizedPosterior) -> None:
    y = held_out(counts)
    exact = exact_rate(y)
    posterior = group(counts.sample({"y": y}, random_seed=2, **SAMPLE))
    draws = posterior["rate"].to_numpy().reshape(-1, DATASETS)
    assert (np.abs(draws.mean(axis=0) - exact.mean()) / exact.std()).mean() < 0.1
    assert (draws.std(axis=0) / exact.std()).mean() == pytest.approx(1, abs=0.05)
    for probability in (0.05, 0.5, 0.95):  # a reversed skew would show in the tails
        below = (draws < exact.ppf(probability)).mean()
        assert below == pytest.approx(probability, abs=0.02)
    assert draws.min() > 0


def test_log_prob_is_the_exact_density_in_the_models_own_parameter(
    counts: pma.AmortizedPosterior,
) -> None:
    y = held_out(counts, 3)
    rate = np.linspace(1e-3, 30, 20_001)
    log_prob = counts.log_prob({"rate": rate}, {"y": y})
    assert log_prob.dims == ("draw", "dataset")
    total = np.exp(log_prob).sum("draw").to_numpy() * (rate[1] - rate[0])
    np.testing.assert_allclose(total, 1, atol=0.01)
    for k in range(3):
        exact = exact_rate(y[k])
        middle = exact.ppf([0.1, 0.5, 0.9])
        found = counts.log_prob({"rate": middle}, {"y": y[k]})
        np.testing.assert_allclose(found, exact.logpdf(middle), atol=0.25)
    assert float(counts.log_prob({"rate": -1.0})) == -np.inf


def test_importance_weights_are_nearly_even(counts: pma.AmortizedPosterior) -> None:
    """Up to a constant, the log weights are those of the exact posterior."""
    idata = counts.sample(random_seed=4, **SAMPLE)
    log_weight = group(idata, "sample_stats")["log_weight"].to_numpy()
    weight = np.exp(log_weight - log_weight.max())
    assert weight.mean() ** 2 / (weight**2).mean() > 0.9
    rate = group(idata)["rate"]
    exact = exact_rate(np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3])).logpdf(rate)
    expected = exact - counts.log_prob(group(idata)).transpose(*rate.dims).to_numpy()
    constant = log_weight - expected
    np.testing.assert_allclose(constant, constant.mean(), atol=5e-3)


def test_same_seed_same_draws(rough: pma.AmortizedPosterior) -> None:
    first, second, other = (sample(rough, random_seed=s)["posterior"]["b0"] for s in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def sample(
    amortized: pma.AmortizedPosterior, observed: object = None, **options: object
) -> dict[str, xr.Dataset]:
    """Sample, and get the groups."""
    idata = amortized.sample(observed, **{"random_seed": 3, **SAMPLE, **options})
    return {name: group(idata, name) for name in ("posterior", "sample_stats", "observed_data")}


def group_names(idata: object) -> list[str]:
    return list(idata.children) if isinstance(idata, xr.DataTree) else list(idata.groups())


def assert_close(ours: xr.DataArray, theirs: xr.DataArray) -> None:
    """Equal up to single precision, whatever the order of the dims."""
    assert set(ours.dims) == set(theirs.dims)
    np.testing.assert_allclose(ours.transpose(*theirs.dims), theirs, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("rows", [4, 20, 2**16])
def test_sample_stats_are_log_densities_of_unconstrained_parameters(
    rough: pma.AmortizedPosterior, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "ROWS", rows)
    y = held_out(rough, 3)
    y[1] = 1 + 0.5 * YEARS  # the model's own
    groups = sample(rough, {"y": y}, draws=5, chains=2)
    posterior, found = groups["posterior"], groups["sample_stats"]
    log_joint = rough.model.compile_logp(mode="FAST_COMPILE")
    own = posterior.isel(dataset=1).stack(row=("chain", "draw"))
    columns = (own[name].to_numpy() for name in ("b0", "b1", "sigma"))
    expected = [
        log_joint({"b0": b0, "b1": b1, "sigma_log__": np.log(sigma)})
        for b0, b1, sigma in zip(*columns, strict=True)
    ]
    np.testing.assert_allclose(found["lp"].isel(dataset=1).to_numpy().ravel(), expected, rtol=1e-6)
    np.testing.assert_allclose(found["log_weight"], found["lp"] - found["log_q"], rtol=1e-6)
    log_q = rough.log_prob(posterior, {"y": y}) + np.log(posterior["sigma"])
    assert_close(log_q, found["log_q"])


def heavy_tails() -> pm.Model:
    with pm.Model() as model:
        pm.Normal("y", pm.Cauchy("mu", 0, 1), 2, observed=[3.0, 4.0])
    return model


@pytest.mark.parametrize("far", [-1e300, 1e39])
def test_what_is_beyond_single_precision_has_no_density(
    rough: pma.AmortizedPosterior, far: float
) -> None:
    assert float(rough.log_prob({"b0": far, "b1": 0.0, "sigma": 1.0})) == -np.inf


@pytest.mark.parametrize(
    "build", [CASES["linear_regression"].build, heavy_tails], ids=["light_tails", "heavy_tails"]
)
def test_log_prob_is_the_density_of_the_draws(build: Callable[[], pm.Model]) -> None:
    """The draws in a box, against the integral of the density over it."""
    amortized = untrained(build())
    draws = sample(amortized, draws=5000)["posterior"].stack(row=("chain", "draw"))
    low, high = ({n: float(draws[n].quantile(q)) for n in draws.data_vars} for q in (0.1, 0.9))
    inside = np.all([(draws[n] > low[n]) & (draws[n] < high[n]) for n in low], axis=0).mean()
    rng = np.random.default_rng(6)
    points = {name: rng.uniform(low[name], high[name], 20_000) for name in low}
    density = np.exp(amortized.log_prob(points).to_numpy()).ravel()
    density *= np.prod([high[name] - low[name] for name in low])
    error = np.sqrt((density.var() + inside * (1 - inside)) / 20_000)
    assert error < 0.02
    assert abs(inside - density.mean()) < 5 * error


def test_many_datasets_are_those_one_by_one(rough: pma.AmortizedPosterior) -> None:
    """Densities are equal, means of draws within five standard errors."""
    y = held_out(rough, 4)
    many = sample(rough, {"y": y})
    points = many["posterior"].isel(chain=0, draw=slice(20))
    together = rough.log_prob(points, {"y": y})
    for k in range(4):
        alone = sample(rough, {"y": y[k]}, random_seed=10 + k)
        assert_close(rough.log_prob(points.isel(dataset=k), {"y": y[k]}), together.isel(dataset=k))
        np.testing.assert_array_equal(many["observed_data"]["y"][k], alone["observed_data"]["y"])
        for name in ("b0", "b1", "sigma"):
            a, b = alone["posterior"][name], many["posterior"][name].isel(dataset=k)
            assert a.dims == b.dims == ("chain", "draw")
            error = np.sqrt((a.var() + b.var()) / a.size)
            assert abs(a.mean() - b.mean()) < 5 * error


def test_dims_of_datasets_keep_names_and_coords(rough: pma.AmortizedPosterior) -> None:
    y = held_out(rough, 6)
    labelled = xr.DataArray(
        y.reshape(3, 2, 12), dims=("country", "half", "obs"), coords={"country": list("abc")}
    )
    plain = sample(rough, {"y": y}, draws=5, chains=2)
    dataset = xr.Dataset({"y": labelled.transpose("country", "obs", "half")})
    named = sample(rough, dataset, draws=5, chains=2)
    for name in ("posterior", "sample_stats"):
        for variable, array in named[name].data_vars.items():
            assert array.dims == ("chain", "draw", "country", "half")
            assert array["country"].to_numpy().tolist() == list("abc")
            expected = plain[name][variable].to_numpy().reshape(2, 5, 3, 2)
            np.testing.assert_array_equal(array, expected)
    np.testing.assert_array_equal(
        named["observed_data"]["y"].transpose("country", "half", "obs"), labelled
    )


def test_labels_of_the_model_decide_on_the_order(rough: pma.AmortizedPosterior) -> None:
    y = xr.DataArray(held_out(rough, 1)[0], dims="obs", coords={"obs": range(12)})
    ordered, reversed_ = (sample(rough, {"y": v}, draws=5)["posterior"] for v in (y, y[::-1]))
    xr.testing.assert_equal(ordered, reversed_)


@pytest.mark.parametrize("name", ["linear_regression", "hierarchical", "dirichlet_multinomial"])
def test_the_result_is_labelled_as_by_pymc(name: str) -> None:
    model = CASES[name].build()
    options = {"draws": 6, "chains": 2, "random_seed": 1, "progressbar": False}
    ours = untrained(model).sample(**options, refine=None)
    mode = {"compile_kwargs": {"mode": "FAST_COMPILE"}}
    with model:
        theirs = pm.sample(**options, **mode, tune=10, cores=1, compute_convergence_checks=False)
    assert type(ours) is type(theirs)
    assert set(group_names(ours)) == {*group_names(theirs), "amortized"}
    for part in set(group_names(theirs)) - {"sample_stats"}:
        mine, own = group(ours, part), group(theirs, part)
        assert list(mine.data_vars) == list(own.data_vars)
        xr.testing.assert_equal(mine.coords.to_dataset(), own.coords.to_dataset())
        for variable in [*own.data_vars, *own.coords]:
            assert mine[variable].dims == own[variable].dims
            assert mine[variable].shape == own[variable].shape
            assert mine[variable].dtype == own[variable].dtype
            assert set(mine[variable].coords) == set(own[variable].coords)
        if part != "posterior":
            xr.testing.assert_equal(mine, own)
    attrs = group(ours).attrs
    assert group(theirs).attrs.keys() - attrs.keys() <= {"tuning_steps"}
    assert attrs["inference_library"] == "pymc_amortized"
    assert attrs["inference_library_version"] == pma.__version__
    assert json.loads(attrs["inference_library_settings"])["converged"] is True


@pytest.mark.parametrize("name", ["dirichlet_multinomial", "lkj", "ordered_means", "random_bounds"])
def test_draws_lie_in_the_support(name: str) -> None:
    groups = sample(untrained(name))
    draws = groups["posterior"]
    if name == "dirichlet_multinomial":
        np.testing.assert_allclose(draws["share"].sum("kind"), 1)
        assert draws["share"].min() >= 0
    elif name == "lkj":
        assert (np.linalg.det(draws["chol_corr"].to_numpy()) > 0).all()
    elif name == "ordered_means":
        assert (draws["mu"].diff(draws["mu"].dims[-1]) > 0).all()
    else:
        assert ((draws["u"] > draws["low"]) & (draws["u"] < draws["low"] + 2)).all()
    assert np.isfinite(groups["sample_stats"]["log_weight"]).all()


def test_deterministics_follow_their_draws_and_var_names_chooses() -> None:
    amortized = untrained("hierarchical")
    draws = sample(amortized, draws=20)["posterior"]
    expected = draws["mu"] + draws["tau"] * draws["z"]
    np.testing.assert_allclose(draws["theta"], expected, rtol=1e-6)
    chosen = sample(amortized, draws=20, var_names=["theta"])["posterior"]
    assert list(chosen.data_vars) == ["theta"]
    xr.testing.assert_equal(chosen["theta"], draws["theta"])


def test_a_deterministic_of_the_data_is_of_those_passed() -> None:
    y = np.linspace(-1, 1, 10).reshape(2, 5)
    draws = sample(untrained("deterministic_of_observed"), {"y": y}, draws=4)["posterior"]
    expected = xr.DataArray(y, dims=("dataset", "obs")) - draws["a"]
    np.testing.assert_allclose(
        draws["residual"], expected.transpose(*draws["residual"].dims), rtol=1e-6
    )


def test_without_a_likelihood_there_are_no_weights() -> None:
    found = sample(untrained("custom_random"), draws=5)["sample_stats"]
    assert list(found.data_vars) == ["log_q"]


BAD = MappingProxyType(
    {
        "unknown": ({"z": np.zeros(12)}, ValueError, r"'y'.* got 'z'"),
        "no_mapping": (np.zeros(12), TypeError, r"mapping from 'y'.* got ndarray"),
        "shape": ({"y": np.zeros(11)}, ValueError, r"'y' to have shape \(12,\).* got \(11,\)"),
        "dims": ({"y": xr.DataArray(np.zeros(12), dims="day")}, ValueError, r"'y' .* \('day',\)"),
        "dtype": ({"y": np.array(["a"] * 12)}, TypeError, r"'y' to hold numbers .* dtype <U1"),
        "nan": ({"y": np.r_[np.nan, np.zeros(11)]}, ValueError, r"finite values of 'y', got 1 "),
        "infinity": ({"y": np.r_[np.inf, np.zeros(11)]}, ValueError, r"finite values of 'y'"),
        "no_dataset": ({"y": np.zeros((0, 12))}, ValueError, r"at least one dataset"),
    }
)


@pytest.mark.parametrize("bad", BAD)
def test_bad_data_are_refused(rough: pma.AmortizedPosterior, bad: str) -> None:
    observed, error, message = BAD[bad]
    with pytest.raises(error, match=message):
        rough.sample(observed)
    with pytest.raises(error, match=message):
        rough.log_prob({"b0": 0.0, "b1": 0.0, "sigma": 1.0}, observed)


def test_datasets_with_nan_are_named(rough: pma.AmortizedPosterior) -> None:
    y = np.zeros((4, 12))
    y[1, 3] = y[3, :2] = np.nan
    with pytest.raises(
        ValueError, match=r"'y', got 3 .* in the datasets 1, 3\. Values may be missing"
    ):
        rough.sample({"y": y})


def test_counts_outside_the_support_are_refused() -> None:
    amortized = untrained("beta_binomial")
    with pytest.raises(ValueError, match=r"'y' to hold integers .* got 1.5"):
        amortized.sample({"y": [1.5, 2, 3]})
    with pytest.raises(ValueError, match=r"'y' inside the support .* such as -1"):
        amortized.sample({"y": [-1, 2, 3]})


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"draws": 0}, "draws: expected an integer"),
        ({"draws": True}, "draws: expected an integer"),
        ({"chains": 1.5}, "chains: expected an integer"),
        ({"var_names": ["b9"]}, "var_names: .* got 'b9'"),
    ],
)
def test_bad_options_are_refused(
    rough: pma.AmortizedPosterior, arguments: dict, match: str
) -> None:
    with pytest.raises(ValueError, match=match):
        rough.sample(**arguments, **SAMPLE)


def test_data_that_changed_since_training_are_named() -> None:
    amortized = untrained("known_noise")
    with amortized.model:
        pm.set_data({"x": YEARS + 1})
    with pytest.raises(ValueError, match="data 'x'"):
        amortized.sample(**SAMPLE)
    with pytest.raises(ValueError, match="data 'x'"):
        amortized.log_prob({"b0": 0.0, "b1": 0.0})


def test_a_variable_added_since_training_is_named() -> None:
    amortized = untrained("one_parameter")
    with amortized.model:
        pm.Normal("more")
    with pytest.raises(ValueError, match=r"free variables rate .*got rate, more"):
        amortized.sample(progressbar=False)


def test_observed_data_may_be_set_in_their_container() -> None:
    amortized = untrained("two_observed")
    new = {"y": np.zeros(4), "count": np.array([3, 2, 5])}
    passed, before = sample(amortized, new, draws=5), sample(amortized, draws=5)
    with amortized.model:
        pm.set_data({"counts": new["count"]})
    own = sample(amortized, draws=5)
    for name in ("posterior", "sample_stats", "observed_data"):
        xr.testing.assert_equal(own[name], passed[name])
    assert (own["posterior"]["a"] != before["posterior"]["a"]).all()


def test_arviz_summarizes_the_result(rough: pma.AmortizedPosterior) -> None:
    idata = rough.sample({"y": held_out(rough, 2)}, draws=50, random_seed=1, **SAMPLE)
    assert len(az.summary(idata, var_names=["b0", "sigma"])) == 4


def test_history_has_a_row_a_round(rough: pma.AmortizedPosterior) -> None:
    assert rough.history["held_out_loss"].dims == ("round",)
    assert rough.history["simulations"].to_numpy().tolist() == [256]
    assert repr(rough) == "AmortizedPosterior(b0, b1, sigma | y)"

"""The whole road, from a model to the posterior of many datasets and to a file and back."""

import json

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from models import CASES, YEARS

import pymc_amortized as pma
from pymc_amortized.inference_data import group

DATASETS = 100
SAMPLE = {"progressbar": False}


@pytest.fixture(scope="module")
def line():
    """Conjugate: known noise, trained by the defaults."""
    model = CASES["known_noise"].build()
    return model, pma.fit(model, random_seed=1, progressbar=False)


@pytest.fixture(scope="module")
def counts():
    """Conjugate: one parameter, skewed, bounded."""
    model = CASES["one_parameter"].build()
    return model, pma.fit(model, random_seed=1, progressbar=False)


def exact_line(y):
    """Posterior means (datasets, 2) and covariance; Gelman et al. (2013), section 14.8."""
    design = np.column_stack([np.ones(12), YEARS])
    covariance = np.linalg.inv(design.T @ design / 0.49 + np.diag([1 / 4, 1 / 2.25]))
    return (y @ design / 0.49 + np.array([1, 0]) / [4, 2.25]) @ covariance, covariance


def held_out(model, draws=DATASETS):
    simulated = pma.simulate(model, draws=draws, random_seed=99, progressbar=False)
    return group(simulated, "prior_predictive")["y"][0].to_numpy()


def test_line_against_the_closed_form(line):
    model, amortized = line
    y = held_out(model)
    posterior = amortized.sample({"y": y}, random_seed=2, **SAMPLE).posterior
    draws = np.stack([posterior[n].to_numpy().reshape(-1, DATASETS) for n in ("b0", "b1")], -1)
    means, covariance = exact_line(y)
    sd = np.sqrt(np.diag(covariance))
    assert (np.abs(draws.mean(axis=0) - means) / sd).mean() < 0.05
    ratios = (draws.std(axis=0) / sd).mean(axis=0)
    assert np.all((ratios > 0.97) & (ratios < 1.03))
    correlations = [np.corrcoef(draws[:, k].T)[0, 1] for k in range(DATASETS)]
    assert np.mean(correlations) == pytest.approx(covariance[0, 1] / sd.prod(), abs=0.03)


def test_line_cannot_be_told_from_the_closed_form_by_a_classifier(line):
    from sklearn.model_selection import cross_val_score
    from sklearn.neural_network import MLPClassifier

    model, amortized = line
    y = held_out(model, 2)
    posterior = amortized.sample({"y": y}, draws=1000, random_seed=3, **SAMPLE).posterior
    draws = np.stack([posterior[n].to_numpy().reshape(-1, 2) for n in ("b0", "b1")], -1)
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


def test_counts_against_the_exact_gamma(counts):
    from scipy import stats

    model, amortized = counts
    y = held_out(model)
    posterior = amortized.sample({"y": y}, random_seed=2, **SAMPLE).posterior["rate"].to_numpy()
    exact = stats.gamma(2 + y.sum(axis=1), scale=1 / (0.5 + 10))
    draws = posterior.reshape(-1, DATASETS)
    assert (np.abs(draws.mean(axis=0) - exact.mean()) / exact.std()).mean() < 0.1
    assert (draws.std(axis=0) / exact.std()).mean() == pytest.approx(1, abs=0.05)
    for probability in (0.05, 0.5, 0.95):  # a reversed skew would show in the tails
        below = (draws < exact.ppf(probability)).mean()
        assert below == pytest.approx(probability, abs=0.02)
    assert draws.min() > 0


def test_log_prob_is_the_exact_density_in_the_models_own_parameter(counts):
    from scipy import stats

    model, amortized = counts
    y = held_out(model, 3)
    rate = np.linspace(1e-3, 30, 20_001)
    log_prob = amortized.log_prob({"rate": rate}, {"y": y})
    assert log_prob.dims == ("draw", "dataset")
    total = np.exp(log_prob).sum("draw").to_numpy() * (rate[1] - rate[0])
    np.testing.assert_allclose(total, 1, atol=0.01)
    for k in range(3):
        exact = stats.gamma(2 + y[k].sum(), scale=1 / 10.5)
        middle = exact.ppf([0.1, 0.5, 0.9])
        found = amortized.log_prob({"rate": middle}, {"y": y[k]})
        np.testing.assert_allclose(found, exact.logpdf(middle), atol=0.25)
    assert float(amortized.log_prob({"rate": -1.0})) == -np.inf


def test_statistics_of_draws_are_those_of_model_and_flow(counts):
    model, amortized = counts
    idata = amortized.sample(random_seed=4, **SAMPLE)
    rate = idata.posterior["rate"].to_numpy()
    lp = idata.sample_stats["lp"].to_numpy()
    pointwise = model.compile_logp(mode="FAST_COMPILE")
    assert lp[0, 0] == pytest.approx(float(pointwise({"rate_log__": np.log(rate[0, 0])})), rel=1e-8)
    # by the log of the rate, as lp is: the Jacobian is the rate itself
    log_q = amortized.log_prob(idata.posterior).to_numpy() + np.log(rate)
    np.testing.assert_allclose(idata.sample_stats["log_q"], log_q, atol=5e-3)
    log_weight = idata.sample_stats["log_weight"].to_numpy()
    np.testing.assert_allclose(log_weight, lp - idata.sample_stats["log_q"].to_numpy())
    weight = np.exp(log_weight - log_weight.max())
    assert weight.mean() ** 2 / (weight**2).mean() > 0.9


def test_many_datasets_are_each_their_own(line):
    model, amortized = line
    y = held_out(model, 6)
    labelled = xr.DataArray(
        y.reshape(2, 3, 12), dims=("region", "shop", "obs"), coords={"shop": ["a", "b", "c"]}
    )
    many = amortized.sample({"y": labelled}, random_seed=5, **SAMPLE).posterior["b1"]
    assert many.dims == ("chain", "draw", "region", "shop")
    assert list(many["shop"].to_numpy()) == ["a", "b", "c"]
    for region, shop in np.ndindex(2, 3):
        one = amortized.sample({"y": y[3 * region + shop]}, random_seed=6, **SAMPLE)
        difference = many[:, :, region, shop].mean() - one.posterior["b1"].mean()
        # two means of 4000 draws each, five standard errors
        assert abs(float(difference)) < 5 * float(one.posterior["b1"].std()) * np.sqrt(2 / 4000)


def test_result_is_what_pm_sample_returns(line):
    model, amortized = line
    with model:
        nuts = pm.sample(
            draws=10,
            tune=10,
            chains=2,
            cores=1,
            progressbar=False,
            random_seed=1,
            compute_convergence_checks=False,
        )
    ours = amortized.sample(draws=10, chains=2, **SAMPLE)
    assert type(ours) is type(nuts)
    for name in ("posterior", "observed_data", "constant_data"):
        mine, theirs = group(ours, name), group(nuts, name)
        assert list(mine.data_vars) == list(theirs.data_vars)
        for variable in theirs.data_vars:
            assert mine[variable].dims == theirs[variable].dims
            assert mine[variable].dtype == theirs[variable].dtype
            assert set(mine[variable].coords) == set(theirs[variable].coords)
        if name != "posterior":
            xr.testing.assert_equal(mine.drop_attrs(), theirs.drop_attrs())
    attrs = group(ours, "posterior").attrs
    assert attrs["inference_library"] == "pymc_amortized"
    assert set(group(nuts, "posterior").attrs) - {"tuning_steps"} <= set(attrs)
    assert json.loads(attrs["inference_library_settings"])["converged"] is True


def test_same_seed_same_draws(line):
    _, amortized = line
    first, second, other = (amortized.sample(random_seed=s, **SAMPLE).posterior for s in (1, 1, 2))
    np.testing.assert_array_equal(first["b0"], second["b0"])
    assert not np.array_equal(first["b0"], other["b0"])


def test_data_that_changed_since_training_are_named():
    model = CASES["known_noise"].build()
    amortized = pma.fit(model, simulations=200, random_seed=1, progressbar=False)
    with model:
        pm.set_data({"x": YEARS + 1})
    with pytest.raises(ValueError, match="data 'x'"):
        amortized.sample(**SAMPLE)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"draws": 0}, "draws: expected an integer"),
        ({"chains": 1.5}, "chains: expected an integer"),
        ({"var_names": ["rat"]}, "var_names: .* got 'rat'"),
        ({"observed": {"y": [-1] + 9 * [1]}}, "'y' inside the support .* such as -1"),
        ({"observed": {"y": np.ones((3, 4))}}, "'y' to have shape"),
    ],
)
def test_refusals_before_any_draw(counts, arguments, match):
    with pytest.raises(ValueError, match=match):
        counts[1].sample(**arguments, **SAMPLE)


class TestFile:
    @pytest.fixture
    def path(self, counts, tmp_path):
        counts[1].save(tmp_path / "counts.safetensors")
        return tmp_path / "counts.safetensors"

    def test_round_trip(self, counts, path):
        model, amortized = counts
        loaded = pma.load(path, model)
        pair = [a.sample(random_seed=1, **SAMPLE).posterior["rate"] for a in (amortized, loaded)]
        np.testing.assert_array_equal(*pair)
        xr.testing.assert_equal(loaded.history, amortized.history)

    @pytest.mark.parametrize("damage", ["truncated", "altered", "text", "foreign"])
    def test_damaged_files_are_refused(self, counts, path, damage):
        content = bytearray(path.read_bytes())
        if damage == "truncated":
            path.write_bytes(content[:-100])
        elif damage == "altered":
            content[-50] ^= 1
            path.write_bytes(content)
        elif damage == "text":
            path.write_text("not a file of ours")
        else:
            from safetensors.numpy import save_file

            save_file({"a": np.zeros(3)}, path)
        with pytest.raises(ValueError, match="path: expected"):
            pma.load(path, counts[0])

    @pytest.mark.parametrize(
        ("name", "prior", "scale", "size", "match"),
        [
            ("lam", 2, 1, 10, "free variables"),
            ("rate", 3, 1, 10, "prior and likelihood"),
            ("rate", 2, 2, 10, "prior and likelihood"),
            ("rate", 2, 1, 9, "observed variables"),
        ],
    )
    def test_changed_models_are_refused(self, path, name, prior, scale, size, match):
        with pm.Model() as model:
            rate = pm.Gamma(name, prior, 0.5)
            pm.Poisson("y", scale * rate, observed=np.ones(size, int))
        with pytest.raises(ValueError, match=match):
            pma.load(path, model)

    def test_missing_file(self, counts):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            pma.load("nowhere.safetensors", counts[0])

"""Data with gaps: the posterior is that given what is seen."""

import numpy as np
import pymc as pm
import pytest
from models import build
from trained import small

import pymc_amortized as pma
from pymc_amortized.data import read_datasets
from pymc_amortized.density import density
from pymc_amortized.forward import forward_sampler
from pymc_amortized.gaps import filling
from pymc_amortized.inference_data import group
from pymc_amortized.missing import missing_data, unknown_density
from pymc_amortized.nuts import nuts_sampler
from pymc_amortized.parameters import parameters
from pymc_amortized.rescue import launch
from pymc_amortized.structure import observed_names
from pymc_amortized.support import data_support

QUIET = {"random_seed": 1, "progressbar": False}
COUNTS = np.array([3, 0, 5, 1, 2, 4, 0, 2])
SHAPE, RATE = 2.0, 0.5


def gaps(made: pm.Model):
    return missing_data(made, {"y": 0.2})


def counts() -> None:
    """Conjugate and skewed: the rate is Gamma(2 + sum, 0.5 + number) given what is seen."""
    rate = pm.Gamma("rate", SHAPE, RATE)
    pm.Poisson("y", rate, observed=COUNTS, dims="obs")


def model() -> pm.Model:
    return build(counts, obs=range(len(COUNTS)))


@pytest.fixture(scope="module")
def trained() -> pma.AmortizedPosterior:
    return pma.fit(model(), missing={"y": 0.3}, **small(), max_seconds=30, **QUIET)


pytestmark = pytest.mark.filterwarnings("ignore:max_seconds")


def with_gaps(number: int) -> np.ndarray:
    rng = np.random.default_rng(2)
    y = rng.poisson(3, (number, len(COUNTS))).astype(float)
    y[rng.random(y.shape) < 0.3] = np.nan
    return y


@pytest.mark.parametrize("refine", ["psis", "auto"])
def test_exact_posterior_and_evidence_given_what_is_seen(trained, refine) -> None:
    y = with_gaps(6)
    idata = trained.sample({"y": y}, refine=refine, **QUIET)
    draws = group(idata)["rate"].to_numpy().reshape(-1, 6)
    a = SHAPE + np.nansum(y, axis=1)
    b = RATE + np.isfinite(y).sum(axis=1)
    error = np.sqrt(a) / b / np.sqrt(len(draws))
    np.testing.assert_array_less(np.abs(draws.mean(axis=0) - a / b), 4.5 * error)
    np.testing.assert_allclose(draws.std(axis=0), np.sqrt(a) / b, rtol=0.08)
    from scipy.special import gammaln

    evidence = SHAPE * np.log(RATE) - gammaln(SHAPE) + gammaln(a) - a * np.log(b)
    evidence -= np.nansum(gammaln(y + 1), axis=1)
    found = group(idata, "amortized")
    spread = np.abs(found["log_marginal_likelihood"] - evidence)
    assert (spread < 5 * found["log_marginal_likelihood_error"] + 1e-3).all()


def test_nothing_seen_is_the_prior_with_a_warning(trained) -> None:
    y = np.full((2, len(COUNTS)), np.nan)
    y[1] = 3
    with pytest.warns(UserWarning, match=r"All values of 'y' of the datasets 0 are missing"):
        idata = trained.sample({"y": y}, **QUIET)
    rate = group(idata)["rate"].sel(dataset=0).to_numpy().ravel()
    assert abs(rate.mean() - SHAPE / RATE) < 5 * np.sqrt(SHAPE) / RATE / np.sqrt(rate.size)
    np.testing.assert_allclose(rate.std(), np.sqrt(SHAPE) / RATE, rtol=0.1)


def scaled() -> None:
    width = pm.Data("width", 1.0)
    mean = pm.LogNormal("mean", 0, width)
    pm.Normal("y", mean, 1, observed=np.zeros(4))


def test_nothing_seen_is_the_prior_exactly_whatever_the_network_is_worth() -> None:
    """Also where the prior depends on varied data, and with no weights at all."""
    vary = {"width": pm.Uniform.dist(0.2, 1)}
    options = {"simulations": 200, "max_seconds": 2} | small() | QUIET
    amortized = pma.fit(build(scaled), vary=vary, missing={"y": 0.3}, **options)
    data = {"y": np.full((2, 4), np.nan), "width": [0.3, 0.9]}
    for refine in ("psis", None):
        with pytest.warns(UserWarning, match="posterior given no other data is the prior"):
            idata = amortized.sample(data, refine=refine, predictive=True, **QUIET)
        draws = np.log(group(idata)["mean"]).to_numpy().reshape(-1, 2)
        np.testing.assert_allclose(draws.mean(axis=0), 0, atol=5 / np.sqrt(4000))
        np.testing.assert_allclose(draws.std(axis=0), [0.3, 0.9], rtol=0.06)
        found = group(idata, "amortized")
        assert (found["log_marginal_likelihood"] == 0).all()
        assert (found["refined_by"] == "none").all()


def test_gaps_are_kept_in_the_result_and_predictions_have_none(trained) -> None:
    y = with_gaps(3)
    idata = trained.sample({"y": y}, predictive=True, **QUIET)
    np.testing.assert_array_equal(group(idata, "observed_data")["y"], y)
    predicted = group(idata, "posterior_predictive")["y"]
    assert predicted.dtype == COUNTS.dtype
    assert predicted.dims == ("chain", "draw", "dataset", "obs")


def test_masked_arrays_are_data_with_gaps(trained) -> None:
    y = with_gaps(3)
    masked = np.ma.masked_invalid(np.where(np.isnan(y), 7, y)).astype(int)
    masked[np.isnan(y)] = np.ma.masked
    one, other = (group(trained.sample({"y": v}, **QUIET))["rate"] for v in (y, masked))
    np.testing.assert_array_equal(one, other)


def test_calibrated_with_gaps(trained) -> None:
    found = group(trained.calibrate(simulations=300, **QUIET), "calibration")
    assert (found["p_value"] > 0.001).all()
    given = {"y": with_gaps(2)[0]}
    found = group(trained.calibrate(given, simulations=200, **QUIET), "calibration")
    assert (found["p_value"] > 0.001).all()


def test_a_file_keeps_what_is_missing(trained, tmp_path) -> None:
    trained.save(tmp_path / "file.safetensors")
    loaded = pma.load(tmp_path / "file.safetensors", model())
    y = with_gaps(3)
    one, other = (group(a.sample({"y": y}, **QUIET))["rate"] for a in (trained, loaded))
    np.testing.assert_array_equal(one, other)
    part = loaded._missing.draw["y"](np.random.default_rng(3), 1000, (len(COUNTS),)).mean()
    assert abs(part - 0.3) < 5 * np.sqrt(0.21 / 2000 / len(COUNTS)) + 0.02


def test_simulations_have_gaps_and_train_as_they_are() -> None:
    def mask(rng, shape):
        return np.arange(shape[0]) >= rng.integers(2, 9)

    simulated = pma.simulate(model(), draws=500, missing={"y": mask}, **QUIET)
    y = group(simulated, "prior_predictive")["y"].to_numpy()[0]
    gaps = np.isnan(y)
    assert not gaps[:, :2].any()
    assert (np.diff(gaps.astype(int), axis=1) >= 0).all()
    pma.fit(model(), simulations=simulated, missing={"y": mask}, **small(), **QUIET)
    with pytest.raises(ValueError, match="finite values, got NaN"):
        pma.fit(model(), simulations=simulated, **small(), **QUIET)


def hurdle() -> None:
    """Zero is impossible, so that a gap cannot be filled with it."""
    a = pm.Normal("a")
    pm.LogNormal("y", a, 1, observed=np.ones(4))
    pm.Normal("z", a, 1, observed=1.0)


def test_the_log_joint_leaves_out_what_is_missing() -> None:
    made = build(hurdle)
    draws = forward_sampler(made).draw(3, 0)
    of_model = parameters(made, draws)
    log_joint = density(made, of_model.shapes, fillers=filling(draws, ["y"]))
    vector, _ = of_model.unconstrain(draws)
    observed = {name: draws[name].copy() for name in observed_names(made)}
    observed["y"][:, 1:3] = np.nan
    found = log_joint.log_joint(vector[:, None], observed)[:, 0]
    a, y = draws["a"], draws["y"]
    normal = -0.5 * np.log(2 * np.pi)
    expected = 2 * normal - a**2 / 2 - (draws["z"] - a) ** 2 / 2
    expected += (-((np.log(y) - a[:, None]) ** 2) / 2 + normal - np.log(y))[:, [0, 3]].sum(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    support = data_support(made, forward_sampler(made).draw(100, 0))
    assert not any(where.any() for where in support.outside(observed).values())
    observed["y"][0, 0] = -1
    assert support.outside(observed)["y"].tolist() == [[True, *[False] * 3], *[[False] * 4] * 2]


def test_nuts_leaves_out_what_is_missing() -> None:
    made = build(hurdle)
    draws = forward_sampler(made).draw(200, 0)
    of_model = parameters(made, draws)
    nuts = nuts_sampler(made, of_model.shapes, filling(draws, ["y"]))
    y = np.array([np.e, np.nan, np.nan, np.e**2])
    rng = np.random.default_rng(4)
    start = launch(draws["a"][:, None], np.zeros(200), 4, rng)
    ((_, chains),) = nuts([{"y": y, "z": np.array(1.0)}], [start], 500, 300, rng)
    mean, sd = (1 + 2 + 1) / 4, 0.5
    assert abs(chains.vector.mean() - mean) < 5 * sd / np.sqrt(500)
    np.testing.assert_allclose(chains.vector.std(), sd, rtol=0.15)


def multivariate() -> None:
    pm.MvNormal("y", pm.Normal("a", shape=2), np.eye(2), observed=np.zeros((5, 2)))


def chained() -> None:
    y = pm.Normal("y", pm.Normal("a"), 1, observed=np.zeros(5))
    pm.Normal("z", y, 1, observed=np.zeros(5))


@pytest.mark.parametrize(
    ("fill", "reason"), [(multivariate, "multivariate"), (chained, "which 'z' depends on")]
)
def test_densities_that_a_gap_takes_away_are_said_to_be_gone(fill, reason) -> None:
    assert reason in unknown_density(build(fill), {"y": 0.2})
    assert not unknown_density(build(fill), {})
    with pytest.warns(UserWarning, match=f"missing: .*{reason}.*not refined"):
        amortized = pma.fit(build(fill), missing={"y": 0.2}, simulations=300, **small(), **QUIET)
    idata = amortized.sample(draws=5, **QUIET)
    assert group(idata, "amortized")["refined_by"] == "none"
    with pytest.raises(ValueError, match=f"refine: .*{reason}"):
        amortized.sample(refine="psis", **QUIET)


@pytest.mark.parametrize(
    ("missing", "error", "message"),
    [
        ({"x": 0.2}, ValueError, r"missing: expected names of observed variables \('y'\), got 'x'"),
        ({"y": 1.2}, ValueError, "missing: expected 'y' between 0 and 1, got 1.2"),
        ({"y": "some"}, TypeError, "missing: expected 'y' as a fraction, such as 0.2"),
        (0.2, TypeError, "missing: expected a mapping from names"),
        ({"y": lambda *_: np.zeros(3, bool)}, ValueError, r"masks of bool and shape \(8,\)"),
        ({"y": lambda rng, shape: np.zeros(shape)}, ValueError, "masks of bool .*got float64"),
    ],
)  # fmt: skip
def test_other_arguments_are_refused(missing, error, message) -> None:
    with pytest.raises(error, match=message):
        missing_data(model(), missing)


def test_gaps_that_nothing_was_trained_for_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got 1 that are NaN.*pma.fit\(missing=\{'y': 0.2\}\)"):
        read_datasets(model(), {"y": np.r_[np.nan, COUNTS[1:]]})
    with pytest.raises(ValueError, match="finite values of 'y', got 1 "):
        read_datasets(model(), {"y": np.r_[np.inf, COUNTS[1:]]}, gaps(model()))
    values = read_datasets(model(), {"y": np.r_[np.nan, COUNTS[1:]]}, gaps(model())).values
    assert np.isnan(values["y"]).sum() == 1
    with pytest.raises(ValueError, match=r"integers \(int64\), got 0.5"):
        read_datasets(model(), {"y": np.r_[np.nan, 0.5, COUNTS[2:]]}, gaps(model()))

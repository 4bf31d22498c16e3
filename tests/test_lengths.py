"""Numbers of observations that change from dataset to dataset."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr
from models import build
from threads import check_threads
from trained import small

import pymc_amortized as pma
from pymc_amortized.data import own_data, read_datasets
from pymc_amortized.density import Density
from pymc_amortized.ends import DensityByLength
from pymc_amortized.forward import forward_sampler
from pymc_amortized.inference_data import group
from pymc_amortized.lengths import groups_of_length, lengths_in, lengths_of, shortened
from pymc_amortized.variation import varied_model

QUIET = {"random_seed": 1, "progressbar": False}
OWN, LONGEST = 6, 15
LENGTHS = {"obs": pm.DiscreteUniform.dist(2, LONGEST)}
X = {"x": pm.Normal.dist(0, 1)}
COORDS = {"obs": [f"o{k}" for k in range(OWN)]}
SHAPE, RATE = 2.0, 0.5

pytestmark = pytest.mark.filterwarnings("ignore:max_seconds")


def counts() -> None:
    """Conjugate and skewed."""
    rate = pm.Gamma("rate", SHAPE, RATE)
    pm.Poisson("y", rate, observed=[3, 0, 5, 1, 2, 4], dims="obs")


def line() -> None:
    x = pm.Data("x", np.linspace(-1, 1, OWN), dims="obs")
    slope = pm.Normal("slope", 1, 2)
    mean = pm.Deterministic("mean", slope * x, dims="obs")
    pm.Normal("y", mean, 0.5, observed=np.arange(OWN) / 3, dims="obs")


def crowd() -> None:
    """The more there are, the noisier: shorter data are no part of longer ones."""
    x = pm.Data("x", np.linspace(-1, 1, OWN), dims="obs")
    slope = pm.Normal("slope", 1, 2)
    pm.Deterministic("middle", slope * x.mean())
    pm.Normal("y", slope * x, 0.5 * pt.sqrt(x.shape[0]), observed=np.zeros(OWN), dims="obs")


def series() -> None:
    rho, scale = pm.Uniform("rho", -1, 1), pm.HalfNormal("scale", 1)
    start = pm.Normal.dist(0, 1)
    pm.AR("y", [rho], scale, init_dist=start, observed=np.zeros(OWN), dims="obs")


def fitted(fill, vary, **options) -> pma.AmortizedPosterior:
    options = small() | {"max_seconds": 25} | QUIET | options
    return pma.fit(build(fill, **COORDS), vary=vary, **options)


@pytest.fixture(scope="module")
def of_counts() -> pma.AmortizedPosterior:
    return fitted(counts, LENGTHS)


@pytest.fixture(scope="module")
def of_line() -> pma.AmortizedPosterior:
    return fitted(line, LENGTHS | X, missing={"y": 0.2}, simulations=20_000, max_seconds=None)


@pytest.fixture(scope="module")
def of_crowd() -> pma.AmortizedPosterior:
    return fitted(crowd, LENGTHS | X, simulations=1000, max_seconds=5)


@pytest.fixture(scope="module")
def of_series() -> pma.AmortizedPosterior:
    return fitted(series, LENGTHS, simulations=1000, max_seconds=5)


def lines(number: int, seed: int = 3) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    found = []
    for length in rng.integers(2, LONGEST + 1, number):
        x = rng.normal(size=length)
        found.append({"y": rng.normal(1, 2) * x + 0.5 * rng.normal(size=length), "x": x})
    return found


def exact_slope(data: dict[str, np.ndarray], sd: float = 0.5) -> tuple[float, float]:
    """Mean and standard deviation of the slope given what is seen."""
    seen = np.isfinite(data["y"])
    x, y = data["x"][seen], data["y"][seen]
    precision = x @ x / sd**2 + 1 / 4
    return (x @ y / sd**2 + 1 / 4) / precision, precision**-0.5


def check_slopes(idata, datasets, sds) -> None:
    draws = group(idata)["slope"].to_numpy().reshape(-1, len(datasets))
    for k, (data, noise) in enumerate(zip(datasets, sds, strict=True)):
        mean, sd = exact_slope(data, noise)
        assert abs(draws[:, k].mean() - mean) < 4.5 * sd / np.sqrt(len(draws) / 2)
        np.testing.assert_allclose(draws[:, k].std(), sd, rtol=0.1)


def test_exact_posterior_at_every_length(of_counts) -> None:
    rng = np.random.default_rng(2)
    datasets = [{"y": rng.poisson(3, n)} for n in (2, 5, 9, LONGEST)]
    idata = of_counts.sample(datasets, **QUIET)
    draws = group(idata)["rate"].to_numpy().reshape(-1, 4)
    a = SHAPE + np.array([each["y"].sum() for each in datasets])
    b = RATE + np.array([len(each["y"]) for each in datasets])
    error = np.sqrt(a) / b / np.sqrt(len(draws) / 2)
    np.testing.assert_array_less(np.abs(draws.mean(axis=0) - a / b), 4.5 * error)
    np.testing.assert_allclose(draws.std(axis=0), np.sqrt(a) / b, rtol=0.1)


def test_covariates_and_gaps_of_any_length(of_line) -> None:
    assert of_line.settings["exchangeable"] == ["obs"]
    assert isinstance(of_line._parts.sampler.density, Density)
    datasets = lines(6)
    datasets[0]["y"][0] = np.nan
    for refine in ("psis", "auto"):
        check_slopes(of_line.sample(datasets, refine=refine, **QUIET), datasets, [0.5] * 6)


def test_nuts_of_any_length(of_line, monkeypatch) -> None:
    from pymc_amortized import rescue

    def all_are_poor(pareto_k, importance_ess, draws):
        return np.full(len(pareto_k), True), np.full(len(pareto_k), False)

    monkeypatch.setattr(rescue, "untrusted", all_are_poor)
    datasets = lines(3)
    idata = of_line.sample(datasets, refine="auto", **QUIET)
    assert (group(idata, "amortized")["refined_by"] == "nuts").all()
    check_slopes(idata, datasets, [0.5] * 3)


def test_results_are_as_long_as_the_longest_and_end_where_data_end(of_line) -> None:
    datasets = lines(3)
    ends = [len(each["y"]) for each in datasets]
    idata = of_line.sample(datasets, predictive=True, draws=50, **QUIET)
    for name, variable in [("posterior", "mean"), ("posterior_predictive", "y")]:
        values = group(idata, name)[variable]
        assert values.dims == ("chain", "draw", "dataset", "obs")
        assert values.sizes["obs"] == max(ends)
        for k, end in enumerate(ends):
            assert np.isfinite(values[:, :, k, :end]).all()
            assert np.isnan(values[:, :, k, end:]).all()
    posterior = group(idata)
    x = group(idata, "constant_data")["x"]
    np.testing.assert_allclose(posterior["mean"], posterior["slope"] * x)
    np.testing.assert_array_equal(x[1, : ends[1]], datasets[1]["x"])
    np.testing.assert_array_equal(
        group(idata, "observed_data")["y"][1, : ends[1]], datasets[1]["y"]
    )


def test_the_model_s_own_data_keep_their_labels_and_dtypes(of_counts) -> None:
    idata = of_counts.sample(predictive=True, draws=20, **QUIET)
    for name in ("posterior_predictive", "observed_data"):
        values = group(idata, name)["y"]
        assert values.dtype == np.int64
        assert values["obs"].to_numpy().tolist() == COORDS["obs"]
    np.testing.assert_array_equal(group(idata, "observed_data")["y"], [3, 0, 5, 1, 2, 4])


@pytest.mark.filterwarnings("ignore:Pareto k")
def test_shorter_data_that_are_no_part_of_longer_ones(of_crowd) -> None:
    """Simulations, densities, deterministics and predictions are those of the model of a length."""
    assert not of_crowd._parts.forward.coupled
    assert isinstance(of_crowd._parts.sampler.density, DensityByLength)
    datasets = [lines(9)[k] for k in (0, 3, 5)]
    sds = [0.5 * np.sqrt(len(each["x"])) for each in datasets]
    idata = of_crowd.sample(datasets, refine="auto", predictive=True, **QUIET)
    check_slopes(idata, datasets, sds)
    posterior, predicted = group(idata), group(idata, "posterior_predictive")["y"]
    for k, (each, noise) in enumerate(zip(datasets, sds, strict=True)):
        slope = posterior["slope"].sel(dataset=k)
        np.testing.assert_allclose(posterior["middle"].sel(dataset=k), slope * each["x"].mean())
        left = predicted.sel(dataset=k)[..., : len(each["x"])] - slope * xr.DataArray(
            each["x"], dims="obs"
        )
        np.testing.assert_allclose(left.std(), noise, rtol=0.05)
    simulated = pma.simulate(build(crowd, **COORDS), draws=4000, vary=LENGTHS | X, **QUIET)
    y, x = (group(simulated, "prior_predictive")[n].to_numpy()[0] for n in ("y", "x"))
    left = y - group(simulated, "prior")["slope"].to_numpy()[0][:, None] * x
    length = np.isfinite(y).sum(axis=1)
    for n in (2, 8, LONGEST):
        own = left[length == n][:, :n]
        np.testing.assert_allclose(own.std(), 0.5 * np.sqrt(n), rtol=5 / np.sqrt(2 * own.size))


@pytest.mark.filterwarnings("ignore:Pareto k")
def test_series_have_a_density_for_each_length(of_series) -> None:
    assert of_series.settings["exchangeable"] == []
    assert of_series._parts.forward.coupled
    simulated = pma.simulate(build(series, **COORDS), draws=3, vary=LENGTHS, **QUIET)
    y = group(simulated, "prior_predictive")["y"].to_numpy()[0]
    idata = of_series.sample({"y": y}, draws=20, chains=2, **QUIET)
    posterior, statistics = group(idata), group(idata, "sample_stats")
    for k in range(3):
        own = y[k][np.isfinite(y[k])]
        with pm.Model(coords={"obs": range(len(own))}) as model:
            rho, scale = pm.Uniform("rho", -1, 1), pm.HalfNormal("scale", 1)
            start = pm.Normal.dist(0, 1)
            pm.AR("y", [rho], scale, init_dist=start, observed=own, dims="obs")
        log_joint = model.compile_logp()
        for chain, draw in [(0, 0), (1, 7)]:
            at = {n: float(posterior[n][chain, draw, k]) for n in ("rho", "scale")}
            point = {
                "rho_interval__": np.log((at["rho"] + 1) / (1 - at["rho"])),
                "scale_log__": np.log(at["scale"]),
            }
            np.testing.assert_allclose(
                statistics["lp"][chain, draw, k], log_joint(point), rtol=1e-6
            )


def test_simulations_have_the_lengths_that_were_asked_for() -> None:
    def short_or_long(rng, shape):
        return rng.choice([3, 12])

    options = {"vary": X | {"obs": short_or_long}, "draws": 2000}
    simulated = pma.simulate(build(line, **COORDS), **options, **QUIET)
    prior, data = group(simulated, "prior"), group(simulated, "prior_predictive")
    ends = np.isfinite(data["y"]).sum("obs").to_numpy()[0]
    np.testing.assert_array_equal(np.isfinite(data["x"]).sum("obs").to_numpy()[0], ends)
    assert set(ends.tolist()) == {3, 12}
    assert abs((ends == 3).mean() - 0.5) < 5 * 0.5 / np.sqrt(2000)
    left = (data["y"] - prior["mean"]).to_numpy()
    assert abs(np.nanstd(left) - 0.5) < 5 * 0.5 / np.sqrt(2 * np.isfinite(left).sum())


def test_calibrated_at_all_lengths_together(of_line) -> None:
    found = group(of_line.calibrate(simulations=300, **QUIET), "calibration")
    assert (found["p_value"] > 0.001).all()


def test_a_file_keeps_the_lengths(of_line, tmp_path) -> None:
    of_line.save(tmp_path / "file.safetensors")
    loaded = pma.load(tmp_path / "file.safetensors", build(line, **COORDS))
    pools = [lengths_of(a.model).pools["obs"] for a in (of_line, loaded)]
    np.testing.assert_array_equal(*pools)
    one, other = (group(a.sample(lines(3), **QUIET))["slope"] for a in (of_line, loaded))
    np.testing.assert_array_equal(one, other)


def test_padded_arrays_are_the_same_as_lists(of_line) -> None:
    datasets = lines(3)
    padded = {
        name: np.stack([np.pad(d[name], (0, 20 - len(d[name])), constant_values=np.nan)[:LONGEST]
                        for d in datasets])
        for name in ("y", "x")
    }  # fmt: skip
    arrays = {n: xr.DataArray(v, dims=("city", "obs")) for n, v in padded.items()}
    expected = group(of_line.sample(datasets, **QUIET))["slope"]
    for observed in (padded, xr.Dataset(arrays)):
        found = group(of_line.sample(observed, **QUIET))["slope"]
        np.testing.assert_array_equal(found, expected)


@pytest.mark.filterwarnings("ignore:The data", "ignore:Pareto k", "ignore:The weighted")
def test_data_longer_than_any_trained_on_are_warned_of_and_weighed(of_counts, of_line) -> None:
    rng = np.random.default_rng(5)
    long = rng.poisson(3, (2, 40))
    with pytest.warns(UserWarning, match=r"length of 'obs' of the datasets 0, 1 is 40, .* 2 to 15"):
        idata = of_counts.sample({"y": long}, refine="auto", **QUIET)
    draws = group(idata)["rate"].to_numpy().reshape(-1, 2)
    a, b = SHAPE + long.sum(axis=1), RATE + 40
    np.testing.assert_allclose(draws.mean(axis=0), a / b, atol=5 * (a**0.5).max() / b / 40)
    np.testing.assert_allclose(draws.std(axis=0), a**0.5 / b, rtol=0.15)
    assert group(idata, "observed_data")["y"].shape == (2, 40)
    datasets = lines(2)
    x = rng.normal(size=30)
    datasets.append({"y": 2 * x + 0.5 * rng.normal(size=30), "x": x})
    with pytest.warns(UserWarning, match=r"length of 'obs' of the datasets 2 is 30"):
        idata = of_line.sample(datasets, refine="auto", **QUIET)
    check_slopes(idata, datasets, [0.5] * 3)
    short = group(of_line.sample(datasets[:2], **QUIET))["slope"]  # and the posterior is as it was
    assert short.shape == (4, 1000, 2)


@pytest.mark.filterwarnings("ignore:The data", "ignore:The length", "ignore:Pareto k")
def test_threads_may_share_longer_data_too(of_counts) -> None:
    def drawn(k: int) -> list[np.ndarray]:
        y = np.full(20 + 10 * (k % 3), 2 + k)
        idata = of_counts.sample({"y": y}, draws=100, random_seed=k, progressbar=False)
        return [group(idata)["rate"].to_numpy(), group(idata, "sample_stats")["lp"].to_numpy()]

    check_threads(drawn, 6)


@pytest.mark.filterwarnings("ignore:The data of the datasets")
def test_lengths_outside_those_trained_on_are_warned_of_or_refused(of_counts, of_line) -> None:
    with pytest.warns(UserWarning, match=r"length of 'obs' of the datasets 1 is 1, .* 2 to 15 in"):
        of_counts.sample([{"y": [1, 2]}, {"y": [1]}], **QUIET)
    with pytest.raises(ValueError, match=r"'y' and 'x' of one length along 'obs', got 5 and 3"):
        of_line.sample({"y": np.ones(5), "x": np.ones(3)}, **QUIET)
    with pytest.raises(ValueError, match=r"'y' and 'x' of one length along 'obs', got 5 and 6"):
        of_line.sample({"y": np.ones(5)}, **QUIET)
    with pytest.raises(ValueError, match=r"'x', got 1 that are NaN.*Covariates must be known"):
        of_line.sample({"y": np.ones(3), "x": [1, np.nan, 2]}, **QUIET)
    with pytest.raises(ValueError, match="dataset 1 to be one dataset, got many"):
        of_counts.sample([{"y": [1, 2]}, {"y": np.ones((2, 3))}], **QUIET)
    with pytest.raises(ValueError, match="at least one dataset, got an empty"):
        of_counts.sample([], **QUIET)


def numpy_design() -> None:
    pm.Normal("y", pm.Normal("a") * np.arange(OWN), 1, observed=np.zeros(OWN), dims="obs")


def no_dims() -> None:
    pm.Normal("y", pm.Normal("a"), 1, observed=np.zeros(OWN))


def latent() -> None:
    pm.Normal("y", pm.Normal("z", dims="obs"), 1, observed=np.zeros(OWN), dims="obs")


@pytest.mark.parametrize(
    ("fill", "vary", "error", "message"),
    [
        (numpy_design, LENGTHS, ValueError, r"fixed at 6: at 15 .*x = pm.Data\('x', values"),
        (no_dims, LENGTHS, ValueError, r"'y' is fixed. Write pm.Normal\('y', .*dims='obs'\)"),
        (line, LENGTHS, ValueError, r"expected 'x' too, because it lies along 'obs'"),
        (counts, {"obs": pm.Normal.dist()}, TypeError, "length of 'obs' as a distribution of int"),
        (counts, {"obs": pm.Poisson.dist(1)}, ValueError, "lengths of 'obs' of at least 1, got 0"),
        (counts, {"obs": 7}, TypeError, "length of 'obs' as a distribution .*got 7"),
        (latent, LENGTHS, ValueError, "got 'obs', along which 'z' has as many parameters"),
    ],
)  # fmt: skip
def test_what_cannot_vary_is_refused_with_the_line_to_write(fill, vary, error, message) -> None:
    with pytest.raises(error, match=message):
        pma.fit(build(fill, **COORDS), vary=vary, **QUIET)


def test_free_variables_along_the_dim_may_be_integrated_out() -> None:
    def fill() -> None:
        z = pm.Normal("z", pm.Normal("a"), 1, dims="obs")
        pm.Normal("y", z, 1, observed=np.zeros(OWN), dims="obs")

    amortized = fitted(fill, LENGTHS, var_names=["a"], simulations=300)
    assert group(amortized.sample(lines(0) or [{"y": [1.0, 2]}], **QUIET))["a"].ndim == 3


@pytest.mark.parametrize("fill", [counts, series])
def test_the_model_at_a_length_is_the_user_s_model_of_that_length(fill) -> None:
    model = varied_model(build(fill, **COORDS), LENGTHS)
    at = lengths_of(model).at({"obs": 4})
    assert own_data(model)["y"].shape == (LONGEST,)
    np.testing.assert_array_equal(np.isfinite(own_data(model)["y"]), np.arange(LONGEST) < OWN)
    assert forward_sampler(at).draw(2, 0)["y"].shape == (2, 4)
    assert len(build(fill, **COORDS).coords["obs"]) == OWN  # the user's own is not changed


def groups() -> None:
    mean = pm.Normal("mean", 0, 1, dims="group")
    pm.Normal("y", mean[:, None], 1, observed=np.zeros((3, OWN)), dims=("group", "obs"))


def uneven_groups() -> None:
    """Noisier the more members a group has: the last of an inner axis."""
    noise = 1 + pt.arange(pm.modelcontext(None).dim_lengths["obs"])[::-1]
    pm.Normal("y", pm.Normal("mean"), noise, observed=np.zeros((3, OWN)), dims=("group", "obs"))


@pytest.mark.parametrize(("fill", "coupled"), [(groups, True), (uneven_groups, False)])
def test_inner_axes_may_be_cut_too_where_that_is_right(fill, coupled) -> None:
    model = varied_model(build(fill, group=range(3), **COORDS), LENGTHS)
    sampler = forward_sampler(model)
    assert sampler.coupled == coupled
    draws = sampler.draw(3000, 1)
    ends = np.isfinite(draws["y"]).sum(axis=2)
    assert (ends == ends[:, :1]).all()
    at = ends[:, 0] == 4
    left = (draws["y"] - draws["mean"].reshape(3000, -1, 1))[at][..., :4]
    expected = np.ones(4) if coupled else np.arange(4, 0, -1)
    np.testing.assert_allclose(left.std(axis=(0, 1)), expected, rtol=0.15)


def test_two_dims_vary_at_once() -> None:
    def fill() -> None:
        pm.Normal("y", pm.Normal("mean"), 1, observed=np.zeros((3, OWN)), dims=("group", "obs"))

    vary = LENGTHS | {"group": pm.DiscreteUniform.dist(1, 5)}
    model = varied_model(build(fill, group=range(3), **COORDS), vary)
    sampler = forward_sampler(model)
    assert sampler.coupled
    y = sampler.draw(500, 1)["y"]
    assert y.shape == (500, 5, LONGEST)
    seen = np.isfinite(y)
    rows, columns = seen.any(axis=2).sum(axis=1), seen.any(axis=1).sum(axis=1)
    assert (seen.sum(axis=(1, 2)) == rows * columns).all()
    assert set(rows.tolist()) == set(range(1, 6))
    assert set(columns.tolist()) == set(range(2, LONGEST + 1))


def test_ends_are_found_again() -> None:
    rng = np.random.default_rng(1)
    dims = {"y": ("group", "obs"), "x": ("obs",), "a": ()}
    ends = {"obs": rng.integers(1, 8, 20)}
    values = {"y": rng.normal(size=(20, 3, 7)), "x": rng.normal(size=(20, 7)), "a": np.ones(20)}
    found = shortened(values, ends, dims)
    np.testing.assert_array_equal(lengths_in(found, dims, ["obs"])["obs"], ends["obs"])
    np.testing.assert_array_equal(np.isfinite(found["y"]).all(axis=1), np.isfinite(found["x"]))
    rows = [row for _, row in groups_of_length(ends)]
    assert sorted(np.concatenate(rows).tolist()) == list(range(20))
    for own, row in groups_of_length(ends):
        assert (ends["obs"][row] == own["obs"]).all()


@pytest.mark.parametrize("y", [[3, np.nan, 2], [3, 2, np.nan], [np.nan, 3, 2]])
def test_one_value_that_is_not_finite_is_not_an_end(y) -> None:
    model = varied_model(build(counts, **COORDS), LENGTHS)
    for observed in ({"y": y}, [{"y": y}]):
        with pytest.raises(ValueError, match="'y', got 1 that are NaN"):
            read_datasets(model, observed)


def test_what_is_missing_at_the_end_of_a_dataset_does_not_shorten_it(of_line) -> None:
    x = np.array([1.0, -1, 2, 0.5])
    for y in ([1.0, -0.5, 2.5, np.nan], [1.0, np.nan, np.nan, np.nan]):
        data = {"y": np.array(y), "x": x}
        for observed in (data, [data]):
            idata = of_line.sample(observed, refine="auto", predictive=True, **QUIET)
            check_slopes(idata.copy() if observed is data else idata, [data], [0.5])
            assert group(idata, "posterior_predictive")["y"].sizes["obs"] == 4
            assert np.isfinite(group(idata, "posterior_predictive")["y"]).all()
            found = group(idata, "observed_data")["y"].to_numpy().ravel()
            np.testing.assert_array_equal(found, y)


def measured() -> None:
    """The mean depends on how many there are, of which some may be missing at the end."""
    count = pm.modelcontext(None).dim_lengths["obs"]
    pm.Normal("y", pm.Normal("slope", 1, 2) * count / 10, 0.5, observed=np.zeros(OWN), dims="obs")


@pytest.mark.filterwarnings("ignore:The data", "ignore:Pareto k", "ignore:The weighted")
def test_the_length_of_a_dataset_is_that_of_its_arrays() -> None:
    amortized = fitted(measured, LENGTHS, missing={"y": 0.3}, simulations=1000, max_seconds=5)
    data = {"y": np.r_[1.0, 2.0, [np.nan] * 8]}
    idata = amortized.sample(data, refine="auto", **QUIET)
    precision = 2 * (10 / 10) ** 2 / 0.25 + 1 / 4
    mean = (3.0 / 0.25 + 1 / 4) / precision
    slope = group(idata)["slope"].to_numpy()
    assert abs(slope.mean() - mean) < 5 * precision**-0.5 / np.sqrt(1000)

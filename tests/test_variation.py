"""Data that vary: what they do to simulations, densities and posteriors."""

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from scipy import stats
from trained import small, untrained

import pymc_amortized as pma
from pymc_amortized.density import density
from pymc_amortized.inference_data import group
from pymc_amortized.parameters import parameters
from pymc_amortized.structure import constant_data, has_likelihood, observed_names, varied_names
from pymc_amortized.variation import varied_model

QUIET = {"random_seed": 1, "progressbar": False}
X = np.linspace(-1, 1, 6)
Y = np.exp(X)
SLOPE_SD, NOISE_SD = 2.0, 0.5


def scales(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(0.5, 5, size=shape)


def regression(y: np.ndarray = Y, x: np.ndarray = X, scale: float = 3.0) -> pm.Model:
    """Conjugate, with a covariate and the scale of a prior as data."""
    with pm.Model(coords={"obs": [f"o{k}" for k in range(6)]}) as model:
        x = pm.Data("x", x, dims="obs")
        scale = pm.Data("scale", scale)
        b0, b1 = pm.Normal("b0", 0, scale), pm.Normal("b1", 1, SLOPE_SD)
        mu = pm.Deterministic("mu", b0 + b1 * x, dims="obs")
        pm.Normal("y", mu, NOISE_SD, observed=y, dims="obs")
    return model


VARY = {"x": pm.Normal.dist(0, 1), "scale": scales}


@pytest.fixture(scope="module")
def fitted() -> pma.AmortizedPosterior:
    return pma.fit(regression(), vary=VARY, simulations=5000, **small(), **QUIET)


def exact(y: np.ndarray, x: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean and covariance of the posterior, and the log evidence."""
    design = np.column_stack([np.ones_like(x), x])
    prior, mean = np.diag([scale**2, SLOPE_SD**2]), np.array([0.0, 1.0])
    covariance = np.linalg.inv(np.linalg.inv(prior) + design.T @ design / NOISE_SD**2)
    centre = covariance @ (np.linalg.solve(prior, mean) + design.T @ y / NOISE_SD**2)
    spread = design @ prior @ design.T + NOISE_SD**2 * np.eye(len(x))
    return centre, covariance, stats.multivariate_normal(design @ mean, spread).logpdf(y)


def test_varied_data_become_observed_variables_and_the_model_stays_as_it_was() -> None:
    model = regression()
    varied = varied_model(model, VARY)
    assert observed_names(model) == ["y"]
    assert sorted(constant_data(model)) == ["scale", "x"]
    assert observed_names(varied) == ["y", "x", "scale"]
    assert varied_names(varied) == ["x", "scale"]
    assert constant_data(varied) == {}
    assert has_likelihood(varied)
    assert varied_model(model, None) is model


def test_simulations_follow_the_varied_data() -> None:
    idata = pma.simulate(regression(), draws=4000, vary=VARY, **QUIET)
    prior, data = (
        group(idata, "prior").isel(chain=0),
        group(idata, "prior_predictive").isel(chain=0),
    )
    assert data["x"].dims == ("draw", "obs")
    noise = (data["y"] - prior["b0"] - prior["b1"] * data["x"]).to_numpy()
    assert stats.kstest(noise.ravel() / NOISE_SD, "norm").pvalue > 0.001
    assert stats.kstest(prior["b0"] / data["scale"], "norm").pvalue > 0.001
    assert stats.kstest(data["x"].to_numpy().ravel(), "norm").pvalue > 0.001
    assert stats.kstest(data["scale"], stats.uniform(0.5, 4.5).cdf).pvalue > 0.001
    np.testing.assert_allclose(prior["mu"], prior["b0"] + prior["b1"] * data["x"])


def test_functions_draw_array_by_array() -> None:
    """What takes several elements at once, such as an order, stays within one dataset."""
    vary = {"x": lambda rng, shape: np.sort(rng.normal(size=shape))}
    x = group(pma.simulate(regression(), draws=50, vary=vary, **QUIET), "prior_predictive")["x"]
    assert (np.diff(x.to_numpy(), axis=-1) > 0).all()
    assert np.unique(x).size == x.size


def test_trial_counts_and_indices_vary() -> None:
    with pm.Model() as model:
        n, group_of = pm.Data("n", np.full(5, 7)), pm.Data("group_of", [0, 0, 1, 1, 2])
        p = pm.Beta("p", 1, 3, shape=3)
        pm.Binomial("k", n, p[group_of], observed=np.ones(5, int))
    vary = {
        "n": pm.DiscreteUniform.dist(1, 9),
        "group_of": lambda rng, shape: rng.permuted([0, 0, 1, 1, 2]),
    }
    idata = pma.simulate(model, draws=3000, vary=vary, **QUIET)
    data = group(idata, "prior_predictive")
    k, n, of = (data[name].to_numpy()[0] for name in ("k", "n", "group_of"))
    p = np.take_along_axis(group(idata, "prior")["p"].to_numpy()[0], of, axis=1)
    assert (k <= n).all()
    z = (k - n * p).sum() / np.sqrt((n * p * (1 - p)).sum())
    assert abs(z) < 4


def test_log_joint_is_the_given_model_s_own_at_each_dataset_s_data() -> None:
    varied = varied_model(regression(), VARY)
    rng = np.random.default_rng(2)
    data = {
        "y": rng.normal(size=(3, 6)),
        "x": rng.normal(size=(3, 6)),
        "scale": np.array([1.0, 2, 4]),
    }
    of_model = parameters(varied, {"b0": np.zeros(1), "b1": np.zeros(1)})
    vector = rng.normal(size=(3, 4, 2))
    found = density(varied, of_model.shapes).log_joint(vector, data)
    prior = density(varied, of_model.shapes, likelihood=False).log_joint(vector, data)
    for k in range(3):
        own = regression(*(values[k] for values in data.values()))
        log_joint, log_prior = own.compile_logp(), own.compile_logp(vars=own.free_RVs)
        for draw in range(4):
            point = dict(zip(["b0", "b1"], vector[k, draw], strict=True))
            assert found[k, draw] == pytest.approx(log_joint(point))
            assert prior[k, draw] == pytest.approx(log_prior(point))


def test_posterior_is_exact_for_any_design_and_prior(fitted: pma.AmortizedPosterior) -> None:
    rng = np.random.default_rng(3)
    x, scale = rng.normal(size=(5, 6)), np.array([0.6, 1.0, 2.0, 3.5, 4.5])
    y = 2 - x + NOISE_SD * rng.normal(size=(5, 6))
    idata = fitted.sample({"y": y, "x": x, "scale": scale}, **QUIET)
    posterior, known = group(idata), group(idata, "amortized")
    for k in range(5):
        mean, covariance, evidence = exact(y[k], x[k], scale[k])
        error = np.sqrt(1 / 4000 + 1 / float(known["importance_ess"][k]))
        draws = np.stack([posterior[n].isel(dataset=k).to_numpy().ravel() for n in ("b0", "b1")])
        sd = np.sqrt(np.diag(covariance))
        np.testing.assert_array_less(np.abs(draws.mean(axis=1) - mean) / sd, 5 * error)
        np.testing.assert_array_less(np.abs(draws.std(axis=1) / sd - 1), 5 * error)
        allowed = 5 * float(known["log_marginal_likelihood_error"][k])
        assert float(known["log_marginal_likelihood"][k]) == pytest.approx(evidence, abs=allowed)


def test_one_dataset_under_many_priors(fitted: pma.AmortizedPosterior) -> None:
    """What has no dim of datasets is that of every dataset; what is not given is the model's."""
    scale = np.array([0.5, 1.0, 2.0, 4.0])
    idata = fitted.sample({"y": Y, "scale": scale}, predictive=True, **QUIET)
    means = group(idata)["b0"].mean(("chain", "draw")).to_numpy()
    expected = [exact(Y, X, s)[0][0] for s in scale]
    np.testing.assert_allclose(means, expected, atol=0.03)
    constants, data = group(idata, "constant_data"), group(idata, "observed_data")
    np.testing.assert_array_equal(constants["scale"], scale)
    assert constants["x"].dims == ("dataset", "obs")
    np.testing.assert_array_equal(constants["x"], np.tile(X, (4, 1)))
    assert set(data.data_vars) == {"y"}
    assert list(data["obs"].to_numpy()) == [f"o{k}" for k in range(6)]


def test_predictions_and_deterministics_use_the_given_data(
    fitted: pma.AmortizedPosterior,
) -> None:
    x = np.stack([X, X[::-1] * 2])
    y = 1 + 3 * x + NOISE_SD * np.random.default_rng(6).normal(size=x.shape)
    idata = fitted.sample({"y": y, "x": x}, predictive=True, **QUIET)
    posterior, predicted = group(idata), group(idata, "posterior_predictive")
    assert set(predicted.data_vars) == {"y"}
    expected = posterior["b0"] + posterior["b1"] * group(idata, "constant_data")["x"]
    np.testing.assert_allclose(posterior["mu"].transpose(*expected.dims), expected, atol=1e-9)
    noise = (predicted["y"] - posterior["mu"]).to_numpy().ravel() / NOISE_SD
    assert stats.kstest(noise[::7], "norm").pvalue > 0.001


def test_log_prob_is_conditional_on_the_data(fitted: pma.AmortizedPosterior) -> None:
    """It integrates to one over the parameters, whatever the data are."""
    rng = np.random.default_rng(4)
    given = {"y": Y, "x": X[::-1], "scale": 1.5}
    draws = group(fitted.sample(given, refine=None, **QUIET))
    values = np.stack([draws[n].to_numpy().ravel() for n in ("b0", "b1")], axis=1)
    wide = stats.multivariate_t(values.mean(axis=0), np.cov(values.T) * 1.5, df=4)
    points = wide.rvs(4000, random_state=rng)
    log_q = fitted.log_prob({"b0": points[:, 0], "b1": points[:, 1]}, given).to_numpy()
    ratio = np.exp(log_q - wide.logpdf(points))
    assert ratio.mean() == pytest.approx(1, abs=5 * ratio.std() / np.sqrt(len(ratio)))


def test_calibration_simulates_the_data_too(fitted: pma.AmortizedPosterior) -> None:
    idata = fitted.calibrate(simulations=300, draws=50, **QUIET)
    assert set(group(idata, "prior_sbc").data_vars) == {"b0", "b1", "log_likelihood", "log_joint"}
    conditional = fitted.calibrate({"y": Y}, simulations=100, draws=50, **QUIET)
    assert (group(conditional, "calibration")["p_value"] > 1e-4).all()


def test_saved_posterior_knows_what_varies(fitted: pma.AmortizedPosterior, tmp_path) -> None:
    fitted.save(tmp_path / "varied.safetensors")
    model = regression()
    loaded = pma.load(tmp_path / "varied.safetensors", model)
    given = {"y": Y, "scale": [1.0, 2.0]}
    before, after = (group(each.sample(given, **QUIET)) for each in (fitted, loaded))
    np.testing.assert_array_equal(before["b1"], after["b1"])
    drawn = loaded._parts.forward.draw(2000, 1)
    assert stats.kstest(drawn["scale"], stats.uniform(0.5, 4.5).cdf).pvalue > 0.001
    np.testing.assert_allclose(
        drawn["mu"], drawn["b0"][:, None] + drawn["b1"][:, None] * drawn["x"]
    )


def test_simulations_made_before_are_trained_on() -> None:
    prior = pma.simulate(regression(), draws=200, vary=VARY, **QUIET)
    amortized = pma.fit(regression(), vary=VARY, simulations=prior, **small(), **QUIET)
    assert amortized.settings["simulations"] == 200
    without = pma.simulate(regression(), draws=200, **QUIET)
    with pytest.raises(ValueError, match="expected 'x' in the group 'prior_predictive'"):
        pma.fit(regression(), vary=VARY, simulations=without, **QUIET)


def test_nuts_draws_for_each_dataset_s_own_data() -> None:
    amortized = untrained(varied_model(regression(), VARY))
    y, x = np.stack([2 + X, 9 - 4 * X]), np.stack([X, X / 2])
    given = {"y": y, "x": x, "scale": [1.0, 4.0]}
    idata = amortized.sample(given, draws=500, refine="auto", **QUIET)
    by = group(idata, "amortized")["refined_by"].to_numpy()
    assert "nuts" in by
    for k in range(2):
        mean, covariance, _ = exact(y[k], x[k], given["scale"][k])
        draws = np.stack([group(idata)[n].isel(dataset=k).to_numpy().ravel() for n in ("b0", "b1")])
        off = np.abs(draws.mean(axis=1) - mean) / np.sqrt(np.diag(covariance))
        assert (off < 5 / np.sqrt(400)).all()


@pytest.mark.filterwarnings("ignore:The weighted draws", "ignore:Pareto k")
def test_data_outside_what_was_varied_are_warned_of(fitted: pma.AmortizedPosterior) -> None:
    given = {"y": Y, "scale": [1.0, 50.0]}
    with (
        pytest.warns(UserWarning, match="unlike those that the network was trained on"),
        pytest.warns(
            UserWarning, match=r"'scale' of the datasets 1 goes from 50 to 50, and it was"
        ),
    ):
        fitted.sample(given, draws=50, **QUIET)


def test_data_that_were_not_varied_cannot_be_given() -> None:
    amortized = untrained(varied_model(regression(), {"x": pm.Normal.dist(0, 1)}))
    with pytest.raises(ValueError, match=r"'scale', pm.Data that the posterior was trained at one"):
        amortized.sample({"y": Y, "scale": 2.0})


def test_numbers_of_datasets_must_agree(fitted: pma.AmortizedPosterior) -> None:
    with pytest.raises(ValueError, match="to have the same dims of datasets"):
        fitted.sample({"y": np.zeros((3, 6)), "scale": [1.0, 2.0]})


def binomial(bounds: float = 1.0) -> pm.Model:
    with pm.Model(coords={"obs": range(5)}) as model:
        n, top = pm.Data("n", np.full(5, 7), dims="obs"), pm.Data("top", bounds)
        values, unused = pm.Data("values", np.ones(5)), pm.Data("unused", 1.0)
        pm.Binomial("k", n, pm.Uniform("p", 0, top), observed=values, dims="obs")
        pm.Normal("z", 0, 1, shape=unused.ndim + 1)
    return model


@pytest.mark.parametrize(
    ("vary", "error", "message"),
    [
        (["n"], TypeError, "expected a mapping from names of pm.Data"),
        (
            {"m": pm.Poisson.dist(3)},
            ValueError,
            r"got 'm', which the model does not have.*m = pm.Data\('m', values",
        ),
        ({"obs": pm.Poisson.dist(3)}, ValueError, "it lies along 'obs', whose length"),
        (
            {"values": pm.Poisson.dist(3)},
            ValueError,
            "'values', the values of an observed variable",
        ),
        ({"unused": pm.Poisson.dist(3)}, ValueError, "'unused', whose values nothing depends on"),
        ({"p": pm.Poisson.dist(3)}, ValueError, "got 'p', a variable: free ones are inferred"),
        ({"n": pm.Poisson}, TypeError, "expected 'n' as a distribution, such as"),
        ({"n": pm.Poisson.dist}, ValueError, "'n' as .*one that cannot be drawn from"),
        ({"top": pm.Flat.dist()}, ValueError, "'top' as .*one that cannot be drawn from"),
        ({"n": 7}, TypeError, "expected 'n' as a distribution, such as .*, got 7"),
        ({"n": 2 * pm.Poisson.dist(3)}, TypeError, "expected 'n' as a distribution"),
        ({"n": pm.Normal.dist(9, 1, shape=5)}, TypeError, "like the data's int.*, got float64"),
        (
            {"n": pm.Poisson.dist(3, shape=4)},
            ValueError,
            r"shape \(5,\), got a distribution .* \(4,\)",
        ),
        ({"n": lambda rng, shape: np.ones(4, int)}, ValueError, r"shape \(5,\), got \(4,\)"),
        ({"top": lambda rng, shape: np.nan}, ValueError, "'top' as finite draws"),
        ({"top": pm.Bernoulli.dist(0.5)}, ValueError, "one of integers for values such as 0.9"),
    ],
)
def test_what_cannot_vary_is_an_error_that_says_so(vary, error, message) -> None:
    with pytest.raises(error, match=message):
        pma.simulate(binomial(0.9), draws=2, vary=vary)


def test_variables_of_the_model_are_no_distributions() -> None:
    model = binomial()
    for made_of in (model["z"], pm.Poisson.dist(abs(model["z"]))):
        with pytest.raises(ValueError, match="is, or depends on, 'z', a variable of a model"):
            pma.simulate(model, draws=2, vary={"n": made_of})


@pytest.mark.parametrize(
    "made_of",
    [
        pm.Normal.dist(pm.Normal.dist(0, 5), 0.1, shape=6),
        pm.CustomDist.dist(
            dist=lambda size: pm.Normal.dist(pm.Normal.dist(0, 5), 0.1, size=size), shape=6
        ),
        lambda rng, shape: rng.normal(rng.normal(0, 5), 0.1, size=shape),
    ],
    ids=["nested", "custom", "function"],
)
def test_distributions_of_distributions_are_drawn_anew_for_every_dataset(made_of) -> None:
    draws = pma.simulate(regression(), draws=2000, vary={"x": made_of}, **QUIET)
    x = group(draws, "prior_predictive")["x"].to_numpy()[0]
    assert x.mean(axis=1).std() == pytest.approx(5, abs=4 * 5 / np.sqrt(2 * 2000))
    assert x.std(axis=1, ddof=1).mean() == pytest.approx(0.1, rel=0.1)


def test_functions_may_use_one_buffer_again_and_again() -> None:
    buffer = np.zeros(6)

    def draw(rng, shape):
        buffer[:] = rng.normal(size=shape)
        return buffer

    draws = pma.simulate(regression(), draws=20, vary={"x": draw}, **QUIET)
    assert np.unique(group(draws, "prior_predictive")["x"]).size == 120


def test_datasets_are_matched_by_their_labels(fitted: pma.AmortizedPosterior) -> None:
    y = xr.DataArray(np.tile(Y, (2, 1)), dims=("city", "obs"), coords={"city": ["A", "B"]})
    scale = xr.DataArray([0.5, 4.0], dims="city", coords={"city": ["B", "A"]})
    idata = fitted.sample({"y": y, "scale": scale}, draws=50, **QUIET)
    constants = group(idata, "constant_data")
    assert float(constants["scale"].sel(city="A")) == 4
    with pytest.raises(ValueError, match="expected 'scale' for the datasets A, B along 'city'"):
        fitted.sample({"y": y, "scale": scale.assign_coords(city=["A", "C"])}, **QUIET)


def test_simulations_with_varied_data_are_no_simulations_without() -> None:
    prior = pma.simulate(regression(), draws=200, vary=VARY, **QUIET)
    with pytest.raises(ValueError, match=r"'x' at the model's own values.*Pass vary=\{'x'"):
        pma.fit(regression(), simulations=prior, **QUIET)
    with pytest.raises(ValueError, match="'scale' at the model's own values"):
        pma.fit(regression(), vary={"x": VARY["x"]}, simulations=prior, **QUIET)


def test_bounds_that_vary_are_refused_by_name() -> None:
    vary = {"top": pm.Uniform.dist(0.5, 1)}
    with pytest.raises(pma.UnsupportedModelError, match="'p' has bounds that depend on 'top'"):
        pma.fit(binomial(), vary=vary, **QUIET)
    draws = pma.simulate(binomial(), draws=200, vary=vary, **QUIET)
    assert (group(draws, "prior")["p"] < group(draws, "prior_predictive")["top"]).all()


def test_multivariate_distributions_repeat_along_the_axes_that_they_lack() -> None:
    with pm.Model() as model:
        x = pm.Data("x", np.zeros((4, 2)))
        pm.Normal("y", x @ pm.Normal("b", shape=2), observed=np.zeros(4))
    vary = {"x": pm.MvNormal.dist(np.zeros(2), [[1, 0.9], [0.9, 1]])}
    x = group(pma.simulate(model, draws=2000, vary=vary, **QUIET), "prior_predictive")["x"]
    rows = x.to_numpy().reshape(-1, 4, 2)
    within = np.corrcoef(rows[:, 0].T)[0, 1]
    across = np.corrcoef(rows[:, 0, 0], rows[:, 1, 0])[0, 1]
    assert within == pytest.approx(0.9, abs=4 * 0.19 / np.sqrt(2000))
    assert abs(across) < 4 / np.sqrt(2000)


def test_simulators_without_a_density_vary() -> None:
    def simulator(scale, rng=None, size=None):
        return scale * rng.gumbel(size=size)

    with pm.Model() as model:
        exposure = pm.Data("exposure", 2.0)
        pm.CustomDist("y", pm.LogNormal("s") * exposure, random=simulator, observed=np.ones(3))
    fit = pma.fit(
        model, vary={"exposure": pm.Gamma.dist(2, 1)}, simulations=200, **small(), **QUIET
    )
    idata = fit.sample({"y": np.ones((2, 3)), "exposure": [1.0, 2.0]}, draws=20, **QUIET)
    assert group(idata)["s"].shape == (4, 20, 2)

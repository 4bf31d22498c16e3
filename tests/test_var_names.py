"""Some free variables inferred, the others integrated out: against exact marginals."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from models import CASES
from safetensors import safe_open
from safetensors.numpy import save_file
from scipy import stats
from trained import untrained

import pymc_amortized as pma
from pymc_amortized import storage
from pymc_amortized.inference_data import group

DATASETS = 100
QUIET = {"random_seed": 1, "progressbar": False}


def conjugate() -> pm.Model:
    """A normal sample of unknown mean and variance; Gelman et al. (2013), section 3.3."""
    with pm.Model() as model:
        variance = pm.InverseGamma("variance", 3, 2)
        scale = pm.Deterministic("scale", pm.math.sqrt(variance))
        mu = pm.Normal("mu", 1, scale)
        pm.Deterministic("twice", 2 * mu)
        y = pm.Normal("y", mu, scale, observed=[0.3, 1.2, 2.0, 0.8, -0.4, 1.5])
        pm.Deterministic("excess", y.mean() - mu)
        pm.Deterministic("ratio", mu / scale)
    return model


def exact(name: str, y: np.ndarray) -> stats.rv_continuous:
    """Posterior of each of some datasets (datasets, 6): Student's t, or an inverse gamma."""
    mean = y.mean(axis=1)
    squares = ((y - mean[:, None]) ** 2).sum(axis=1) + 6 / 7 * (mean - 1) ** 2
    shape, scale = 3 + 3, 2 + squares / 2
    if name == "variance":
        return stats.invgamma(shape, scale=scale)
    return stats.t(2 * shape, loc=(1 + 6 * mean) / 7, scale=np.sqrt(scale / shape / 7))


@cache
def trained(name: str) -> pma.AmortizedPosterior:
    networks = {
        "summary": pma.summaries.residual_mlp(width=32, blocks=1, features=8),
        "flow": pma.flows.spline_coupling(couplings=2, width=16, bins=6),
    }
    return pma.fit(conjugate(), var_names=name, **networks, **QUIET)


@cache
def data() -> np.ndarray:
    simulated = pma.simulate(conjugate(), draws=DATASETS, random_seed=99, progressbar=False)
    return group(simulated, "prior_predictive")["y"][0].to_numpy()


@pytest.mark.parametrize("name", ["mu", "variance"])
def test_against_the_exact_marginal(name: str) -> None:
    """The variance's is skewed: a reversed sign, or a lost Jacobian, would show."""
    marginal = exact(name, data())
    idata = trained(name).sample({"y": data()}, draws=500, **QUIET)
    draws = group(idata)[name].to_numpy().reshape(-1, DATASETS)
    for level in (0.05, 0.5, 0.95):
        below = (draws < marginal.ppf(level)).mean()
        assert below == pytest.approx(level, abs=0.02)
    points = marginal.ppf(np.array([[0.05], [0.5], [0.95]]))
    given = xr.DataArray(points, dims=("draw", "dataset"))
    found = trained(name).log_prob({name: given}, {"y": data()}).transpose("draw", "dataset")
    error = found.to_numpy() - marginal.logpdf(points)
    assert np.abs(error).mean() < 0.1
    assert np.abs(error.mean(axis=1)).max() < 0.06


def test_calibration_is_of_the_named_variables() -> None:
    checked = trained("variance").calibrate(simulations=500, draws=100, **QUIET)
    assert list(checked.prior_sbc.data_vars) == ["variance"]
    assert (checked.calibration["p_value"] > 0.001).all()


def test_result_holds_what_follows_from_the_named_variables() -> None:
    amortized = untrained(conjugate(), ["mu"])
    assert repr(amortized) == "AmortizedPosterior(mu | y)"
    idata = amortized.sample(draws=20, **QUIET)
    posterior = group(idata)
    assert set(posterior.data_vars) == {"mu", "twice", "excess"}
    np.testing.assert_allclose(posterior["twice"], 2 * posterior["mu"])
    np.testing.assert_allclose(posterior["excess"], 0.9 - posterior["mu"], atol=1e-9)
    assert list(group(idata, "sample_stats").data_vars) == ["log_q"]
    assert set(group(idata, "amortized").data_vars) == {"refined_by", "surprise"}
    assert idata.amortized["refined_by"].item() == "none"
    chosen = amortized.sample(draws=5, var_names="twice", **QUIET)
    assert list(group(chosen).data_vars) == ["twice"]
    np.testing.assert_allclose(
        amortized.log_prob(posterior).transpose("chain", "draw"),
        group(idata, "sample_stats")["log_q"],
        atol=1e-4,
    )
    with pytest.raises(ValueError, match=r"var_names: .*'mu', 'twice', 'excess', got 'scale'"):
        amortized.sample(var_names=["scale"], **QUIET)


def test_what_needs_the_others_is_refused() -> None:
    amortized = untrained(conjugate(), ["mu"])
    with pytest.raises(ValueError, match=r"refine: expected None.*'variance' .*integrated out"):
        amortized.sample(refine="psis", **QUIET)
    with pytest.raises(ValueError, match=r"predictive: .*'mu' alone, got 'y'.*on 'variance' too"):
        amortized.sample(predictive=True, **QUIET)
    with pytest.raises(ValueError, match=r"parameters: expected values of 'mu', got none"):
        amortized.log_prob({"variance": 1.0})


def test_predictive_draws_where_the_named_variables_make_the_data() -> None:
    with pm.Model() as model:
        level = pm.Normal("level", pm.Normal("above", 0, 2), 1)
        pm.Normal("y", level, 1e-3, observed=np.zeros(3))
    amortized = untrained(model, ["level"])
    idata = amortized.sample(draws=20, predictive=True, **QUIET)
    np.testing.assert_allclose(
        idata.posterior_predictive["y"].mean("y_dim_0"), idata.posterior["level"], atol=5e-3
    )


def test_data_outside_their_support_are_refused_all_the_same() -> None:
    amortized = untrained("hurdle", ["p"])
    with pytest.raises(ValueError, match=r"'y' inside the support .* such as -1"):
        amortized.sample({"y": [0, 1, -1, 0]}, **QUIET)


@pytest.mark.parametrize(
    ("case", "var_names", "error", "match"),
    [
        ("hierarchical", ["tau", "theta"], ValueError, "'mu', 'tau', 'z', got 'theta'"),
        ("hierarchical", "y", ValueError, "var_names: expected some of 'mu'.*got 'y'"),
        ("hierarchical", [], ValueError, "var_names: expected some of .*got none"),
        ("hierarchical", 3, TypeError, "var_names: expected names of variables, got 3"),
        ("random_bounds", "u", ValueError, "'low' too, because the bounds of 'u' .*Add it"),
        ("latent_counts", ["seen"], ValueError, "'n' too, because the bounds of 'seen'"),
    ],
)
def test_names_are_checked(
    case: str, var_names: object, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        pma.fit(CASES[case].build(), var_names=var_names, **QUIET)


def test_a_file_keeps_the_names(tmp_path: Path) -> None:
    amortized = untrained("random_bounds", ["low"])
    amortized.save(tmp_path / "saved")
    loaded = pma.load(tmp_path / "saved", CASES["random_bounds"].build())
    assert repr(loaded) == "AmortizedPosterior(low | y)"
    ours, theirs = (group(a.sample(draws=10, **QUIET)) for a in (loaded, amortized))
    xr.testing.assert_equal(ours, theirs)


def test_a_changed_prior_of_what_is_integrated_out_is_noticed(tmp_path: Path) -> None:
    untrained(conjugate(), ["mu"]).save(tmp_path / "saved")
    with pm.Model() as other:
        variance = pm.InverseGamma("variance", 3, 2.5)
        mu = pm.Normal("mu", 1, pm.math.sqrt(variance))
        pm.Normal("y", mu, pm.math.sqrt(variance), observed=np.zeros(6))
    with pytest.raises(ValueError, match="prior and likelihood"):
        pma.load(tmp_path / "saved", other)


def test_files_without_names_have_all(tmp_path: Path) -> None:
    amortized = untrained("hierarchical")
    amortized.save(tmp_path / "saved")
    with safe_open(tmp_path / "saved", framework="numpy") as file:
        header = json.loads(file.metadata()["pymc_amortized"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert header.pop("var_names") == ["mu", "tau", "z"]
    text = json.dumps(header)
    metadata = {"pymc_amortized": text, "sha256": storage._checksum(arrays, text)}
    save_file(arrays, tmp_path / "old", metadata=metadata)
    loaded = pma.load(tmp_path / "old", CASES["hierarchical"].build())
    assert repr(loaded) == repr(amortized)

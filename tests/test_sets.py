"""Exchangeable data: their order changes no draw; parameters that go with them move along."""

import numpy as np
import pymc as pm
import pytest
from models import build
from trained import small

import pymc_amortized as pma
from pymc_amortized.inference_data import group

QUIET = {"random_seed": 1, "progressbar": False}
QUICK = small() | {"simulations": 1000, "max_seconds": 5} | QUIET
GROUPS, MEMBERS = 6, 8

pytestmark = pytest.mark.filterwarnings(
    "ignore:max_seconds", "ignore:Pareto k", "ignore:The weighted draws"
)


def gaussian() -> None:
    mean, sd = pm.Normal("mean", 0, 3), pm.HalfNormal("sd", 2)
    pm.Normal("y", mean, sd, observed=np.zeros(50))


def hierarchy() -> None:
    """Groups with a parameter each, a covariate of each, members in any order within each."""
    w = pm.Data("w", np.zeros(GROUPS), dims="group")
    mu, slope = pm.Normal("mu"), pm.Normal("slope")
    theta = pm.LogNormal("theta", mu, 0.5, dims="group")
    pm.Deterministic("total", theta.sum())
    pm.Deterministic("shifted", theta + w, dims="group")
    mean = (theta + slope * w)[:, None]
    pm.Normal("y", mean, 1, observed=np.zeros((GROUPS, MEMBERS)), dims=("group", "member"))


@pytest.fixture(scope="module")
def of_groups() -> pma.AmortizedPosterior:
    coords = {"group": range(GROUPS), "member": range(MEMBERS)}
    return pma.fit(build(hierarchy, **coords), vary={"w": pm.Normal.dist()}, **QUICK)


def test_the_order_of_a_set_changes_no_draw() -> None:
    amortized = pma.fit(build(gaussian), **QUICK)
    assert "exchangeable: y_dim_0" in repr(amortized)
    rng = np.random.default_rng(2)
    y = rng.normal(2, 1, (3, 50))
    for refine in ("psis", None):
        one, other = (
            group(amortized.sample({"y": values}, refine=refine, **QUIET))
            for values in (y, rng.permuted(y, axis=1))
        )
        for name in ("mean", "sd"):
            np.testing.assert_allclose(one[name], other[name], rtol=1e-6)
    changed = group(amortized.sample({"y": y + 0.01}, refine=None, **QUIET))
    assert np.abs(changed["mean"] - one["mean"]).max() > 1e-4


@pytest.mark.parametrize("refine", ["psis", None])
def test_groups_in_another_order_have_their_draws_in_that_order(of_groups, refine) -> None:
    assert of_groups.settings["exchangeable"] == ["group", "member"]
    assert of_groups.settings["exchangeable_within"] == {"group": "member"}
    rng = np.random.default_rng(3)
    w = rng.normal(size=(2, GROUPS))
    y = rng.lognormal(0, 0.5, (2, GROUPS, 1)) + w[..., None] + rng.normal(size=(2, GROUPS, MEMBERS))
    order = rng.permutation(GROUPS)
    moved = rng.permuted(y[:, order], axis=2)
    one = group(of_groups.sample({"y": y, "w": w}, refine=refine, **QUIET))
    other = group(of_groups.sample({"y": moved, "w": w[:, order]}, refine=refine, **QUIET))
    for name in ("mu", "slope", "total"):
        np.testing.assert_allclose(other[name], one[name], rtol=1e-5, atol=1e-6)
    for name in ("theta", "shifted"):
        np.testing.assert_allclose(other[name], one[name][..., order], rtol=1e-5, atol=1e-6)
    if refine is None:
        return
    # and it is the groups' own data that their parameters follow
    means = y.mean(axis=2) - w * one["slope"].mean(("chain", "draw")).to_numpy()[:, None]
    found = one["theta"].mean(("chain", "draw")).to_numpy()
    assert np.corrcoef(means.ravel(), found.ravel())[0, 1] > 0.5


def test_density_of_draws_is_log_prob_whatever_the_order(of_groups) -> None:
    rng = np.random.default_rng(4)
    data = {"y": rng.normal(1, 1, (GROUPS, MEMBERS)), "w": rng.normal(size=GROUPS)}
    idata = of_groups.sample(data, refine=None, draws=20, chains=1, **QUIET)
    posterior = group(idata)[["mu", "slope", "theta"]]
    found = of_groups.log_prob(posterior, data)
    # of the constrained parameters: without the Jacobian of the one that is positive
    expected = group(idata, "sample_stats")["log_q"] - np.log(posterior["theta"]).sum("group")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    mixed = posterior.assign(theta=posterior["theta"][..., ::-1].drop_vars("group"))
    assert np.abs(of_groups.log_prob(mixed, data) - expected).max() > 0.1


def test_saved_structure_comes_back(of_groups, tmp_path) -> None:
    of_groups.save(tmp_path / "file.safetensors")
    coords = {"group": range(GROUPS), "member": range(MEMBERS)}
    loaded = pma.load(tmp_path / "file.safetensors", build(hierarchy, **coords))
    assert repr(loaded) == repr(of_groups)
    rng = np.random.default_rng(5)
    data = {"y": rng.normal(1, 1, (GROUPS, MEMBERS)), "w": rng.normal(size=GROUPS)}
    one, other = (group(a.sample(data, **QUIET))["theta"] for a in (of_groups, loaded))
    np.testing.assert_array_equal(one, other)

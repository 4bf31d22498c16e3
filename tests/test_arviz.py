"""The result is one that ArviZ takes as it takes that of ``pm.sample``, alone and beside it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import arviz as az
import matplotlib as mpl
import numpy as np
import pymc as pm
import pytest
from matplotlib import pyplot as plt
from scipy import stats

import pymc_amortized as pma
from pymc_amortized.generation import DATATREE, effective_sample_size
from pymc_amortized.inference_data import group

QUIET = {"random_seed": 1, "progressbar": False}


@pytest.fixture(autouse=True)
def _lenient() -> Iterator[None]:
    with mpl.rc_context({"backend": "agg"}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of ArviZ and PyMC, on what is theirs
        yield
    plt.close("all")


@pytest.fixture(scope="module")
def fits(counts: pma.AmortizedPosterior) -> dict[str, object]:
    amortized = counts.sample(predictive=True, **QUIET)
    with warnings.catch_warnings(), counts.model:
        warnings.simplefilter("ignore")
        nuts = pm.sample(500, tune=500, chains=4, cores=1, **QUIET)
        pm.sample_posterior_predictive(nuts, var_names=["y"], extend_inferencedata=True, **QUIET)
        for fit in (amortized, nuts):
            pm.compute_log_likelihood(fit, progressbar=False)
    return {"amortized": amortized, "NUTS": nuts}


def test_summary_and_convergence(fits: dict) -> None:
    tables = [az.summary(fit) for fit in fits.values()]
    assert list(tables[0].index) == list(tables[1].index)
    assert list(tables[0].columns) == list(tables[1].columns)
    ours, theirs = (table.loc["rate"].astype(float) for table in tables)
    error = np.hypot(ours["mcse_mean"], theirs["mcse_mean"])
    assert abs(ours["mean"] - theirs["mean"]) < 4.5 * error + 0.01  # figures are rounded
    assert ours["r_hat"] <= 1.01
    assert ours["ess_bulk"] > 3000


def test_pictures_alone_and_side_by_side(fits: dict) -> None:
    if DATATREE:
        az.plot_forest(fits)
        az.plot_dist(fits)
        az.plot_trace(fits["amortized"])
        az.plot_rank(fits["amortized"])
        for fit in fits.values():
            az.plot_ppc_dist(fit)
        return
    az.plot_forest(list(fits.values()), model_names=list(fits))
    az.plot_density(list(fits.values()), data_labels=list(fits))
    az.plot_trace(fits["amortized"])
    az.plot_rank(fits["amortized"])
    az.plot_posterior(fits["amortized"])
    _, axes = plt.subplots(1, 2)
    for fit, ax in zip(fits.values(), axes, strict=True):
        az.plot_ppc(fit, ax=ax)


@pytest.fixture(scope="module")
def regressions(rough: pma.AmortizedPosterior) -> list[object]:
    with warnings.catch_warnings(), rough.model:
        warnings.simplefilter("ignore")
        nuts = pm.sample(100, tune=100, chains=2, cores=1, **QUIET)
    return [rough.sample(draws=50, refine=None, **QUIET), nuts]


def test_pairs_alone_and_one_over_the_other(regressions: list) -> None:
    """The second is drawn on the panels of the first, whose names are those of the parameters."""
    if DATATREE:
        panels = None
        for fit in regressions:
            panels = az.plot_pair(fit, plot_matrix=panels)
        figure = panels.viz["figure"].item()
        drawn = sum(len(ax.collections) + len(ax.lines) for ax in figure.axes)
        alone = az.plot_pair(regressions[0]).viz["figure"].item()
        assert drawn > sum(len(ax.collections) + len(ax.lines) for ax in alone.axes)
        return
    axes = az.plot_pair(regressions[0], marginals=True)
    before = [len(ax.lines) + len(ax.collections) for ax in axes.ravel() if ax]
    again = az.plot_pair(regressions[1], marginals=True, ax=axes)
    assert (again == axes).all()
    assert sum(len(ax.lines) + len(ax.collections) for ax in axes.ravel() if ax) > sum(before)


def test_leave_one_out_is_that_of_the_closed_form(fits: dict) -> None:
    """The predictive distribution of a count, given the others, is negative binomial."""
    y = fits["NUTS"].observed_data["y"].to_numpy()
    n, others = len(y), y.sum() - y
    exact = stats.nbinom(2 + others, (n - 0.5) / (n + 0.5)).logpmf(y).sum()
    for fit in fits.values():
        loo = az.loo(fit)
        found = getattr(loo, "elpd", getattr(loo, "elpd_loo", None))
        draws = effective_sample_size(group(fit)[["rate"]])["rate"].item()
        error = 0.03 * np.sqrt(2000 / draws)  # 0.03 by 2000 draws of the exact posterior
        assert found == pytest.approx(exact, abs=4 * error)
    assert set(az.compare(fits).index) == set(fits)

"""Data on wild scales, and data in a plane: networks see finite numbers, results are right."""

import numpy as np
import pymc as pm
import pytest
from models import build
from trained import small

import pymc_amortized as pma
from pymc_amortized.inference_data import group

QUIET = {"random_seed": 1, "progressbar": False}
NUMBER = 40

pytestmark = pytest.mark.filterwarnings(
    "ignore:max_seconds", "ignore:Pareto k", "ignore:The weighted", "ignore:The data"
)


def counts() -> None:
    """From none to millions."""
    rate = pm.LogNormal("scale", 4, 3)
    pm.Poisson("y", rate, observed=np.zeros(NUMBER, int))


def heavy() -> None:
    pm.Cauchy("y", 0, pm.LogNormal("scale", 0, 1), observed=np.zeros(NUMBER))


def constant() -> None:
    """One column never changes."""
    trials = np.array([0, 10, 20])
    pm.Binomial("y", trials, pm.Beta("scale", 1, 1), observed=np.zeros((NUMBER, 3), int))


def proportions() -> None:
    """Half of them are exactly zero or one."""
    inner = pm.Normal.dist(0.5, pm.LogNormal("scale", 0, 0.5))
    pm.Censored("y", inner, lower=0, upper=1, observed=np.full(NUMBER, 0.5))


def few() -> None:
    """Elements one by one instead of pooled."""
    rate = pm.LogNormal("scale", 4, 3)
    pm.Poisson("y", rate, observed=np.zeros(4, int))


def exact(y: np.ndarray, log_prior, log_likelihood, grid: np.ndarray) -> tuple[float, float]:
    """Mean and sd of the logarithm of a scale, by quadrature over it."""
    log_density = np.array([log_prior(u) + log_likelihood(y, np.exp(u)).sum() for u in grid])
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    mean = weight @ grid
    return mean, np.sqrt(weight @ (grid - mean) ** 2)


@pytest.mark.parametrize("fill", [counts, few, heavy])
def test_exact_posterior(fill) -> None:
    from scipy import stats

    amortized = pma.fit(build(fill), max_seconds=20, **small(), **QUIET)
    simulated = pma.simulate(build(fill), draws=5, random_seed=7, progressbar=False)
    y = group(simulated, "prior_predictive")["y"].to_numpy()[0]
    draws = group(amortized.sample({"y": y}, refine="auto", **QUIET))["scale"]
    found = np.log(draws.to_numpy().reshape(-1, 5))
    if fill is heavy:
        prior, likelihood = stats.norm(0, 1), lambda y, s: stats.cauchy(0, s).logpdf(y)
    else:
        prior, likelihood = stats.norm(4, 3), lambda y, s: stats.poisson(s).logpmf(y)
    for k in range(5):
        near = np.linspace(found[:, k].min() - 1, found[:, k].max() + 1, 4001)
        mean, sd = exact(y[k], prior.logpdf, likelihood, near)
        assert abs(found[:, k].mean() - mean) < 5 * sd / np.sqrt(1000)
        np.testing.assert_allclose(found[:, k].std(), sd, rtol=0.15)


@pytest.mark.parametrize("fill", [constant, proportions])
def test_columns_that_never_change_and_values_at_bounds(fill) -> None:
    amortized = pma.fit(build(fill), max_seconds=15, **small(), **QUIET)
    losses = amortized.history["held_out_loss"]
    assert np.isfinite(losses).all()
    found = group(amortized.calibrate(simulations=200, **QUIET), "calibration")
    assert found["contraction"].sel(quantity="scale") > 0.5
    idata = amortized.sample(**QUIET)
    assert np.isfinite(group(idata)["scale"]).all()


def blot(rng, width, size=None):
    """A spot in the middle of a plane, and noise."""
    *_, rows, columns = size
    far = np.hypot(*np.meshgrid(np.arange(rows) - rows / 2, np.arange(columns) - columns / 2))
    spot = np.exp(-((far / np.asarray(width).reshape(*size[:-2], 1, 1)) ** 2))
    return spot + 0.3 * rng.normal(size=size)


def plane() -> None:
    pm.Simulator("y", blot, pm.Uniform("width", 1, 5), observed=np.zeros((10, 10)))


def test_planes_are_summarized_by_convolutions() -> None:
    summary = pma.summaries.convolution(width=8, layers=2, kernel=3)
    options = {"summary": summary, "vectorized": True, "max_seconds": 25} | QUIET
    amortized = pma.fit(build(plane), **options)
    (part,) = amortized._network.summary.parts
    assert type(part).__name__ == "Convolution"
    assert amortized._preconditioner.encoder.layout.blocks[0].kind == "grid"
    found = group(amortized.calibrate(simulations=300, **QUIET), "calibration")
    assert found["contraction"].sel(quantity="width") > 0.8
    assert found["p_value"].sel(quantity="width") > 1e-3

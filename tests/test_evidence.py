"""Posterior probabilities of models against closed forms."""

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from scipy import stats
from trained import untrained

import pymc_amortized as pma

QUIET = {"progressbar": False, "random_seed": 1}


def model_of(scale: float) -> pm.Model:
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, scale)
        pm.Normal("y", mu, 1, observed=np.zeros(4))
    return model


def exact(y: np.ndarray, scale: float) -> np.ndarray:
    covariance = np.eye(4) + scale**2
    return stats.multivariate_normal(np.zeros(4), covariance).logpdf(y)


@pytest.fixture(scope="module")
def y() -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.normal(0, 1, (30, 1)) + rng.normal(size=(30, 4))


@pytest.fixture(scope="module")
def fits(y: np.ndarray) -> dict[str, object]:
    """Draws with seeds of their own: errors of the same noise would not be independent."""
    quiet = {"progressbar": False}
    return {
        "narrow": untrained(model_of(0.5)).sample({"y": y}, random_seed=1, **quiet),
        "wide": untrained(model_of(2.0)).sample({"y": y}, random_seed=2, **quiet),
    }


def test_probabilities_are_those_of_the_closed_form(fits: dict, y: np.ndarray) -> None:
    table = pma.compare_models(fits, prior={"narrow": 1, "wide": 3})
    log_odds = exact(y, 0.5) - exact(y, 2.0) - np.log(3)
    expected = 1 / (1 + np.exp(-log_odds))
    z = (table["probability"].sel(model="narrow") - expected) / table["probability_error"][0]
    assert abs(float(z.mean())) < 4 / np.sqrt(30)
    assert float(z.std()) == pytest.approx(1, abs=4 / np.sqrt(60))
    np.testing.assert_allclose(table["probability"].sum("model"), 1)
    assert table["probability"].dims == ("model", "dataset")
    assert len(table.to_dataframe()) == 60


def test_evidence_of_heavy_weights_is_owned_up_to() -> None:
    def fit(error: list[float]) -> xr.DataTree:
        values = {"log_marginal_likelihood": [0.0, 0.0], "log_marginal_likelihood_error": error}
        columns = {name: ("dataset", value) for name, value in values.items()}
        return xr.DataTree.from_dict({"amortized": xr.Dataset(columns)})

    with pytest.warns(UserWarning, match="likelihood by poor is not known for every dataset"):
        table = pma.compare_models({"good": fit([0.1, 0.1]), "poor": fit([0.1, np.inf])})
    known = np.isfinite(table["probability_error"]).all("model").to_numpy()
    np.testing.assert_array_equal(known, [True, False])
    error = table["probability_error"].isel(dataset=0)
    np.testing.assert_allclose(error, 0.25 * np.hypot(0.1, 0.1))


def test_equal_priors_are_the_default(fits: dict) -> None:
    one = dict.fromkeys(fits, 1.0)
    xr.testing.assert_allclose(pma.compare_models(fits), pma.compare_models(fits, prior=one))


@pytest.mark.filterwarnings("ignore:The data")
def test_fits_that_do_not_belong_together_are_refused(fits: dict, y: np.ndarray) -> None:
    with pytest.raises(ValueError, match="at least two models to fits, got 1"):
        pma.compare_models({"narrow": fits["narrow"]})
    other = untrained(model_of(0.5)).sample({"y": y + 1}, refine=None, **QUIET)
    with pytest.raises(ValueError, match="other values of 'y' in 'wide' and 'other'"):
        pma.compare_models({"wide": fits["wide"], "other": other})
    simulator = untrained("simulator").sample(draws=5, **QUIET)
    with pytest.raises(KeyError, match="has a likelihood"):
        pma.compare_models({"wide": fits["wide"], "simulator": simulator})
    with pytest.raises(ValueError, match="prior: expected a positive number for each of narrow"):
        pma.compare_models(fits, prior={"narrow": 1})

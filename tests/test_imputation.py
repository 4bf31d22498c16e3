"""Models whose own data have gaps: these are the pattern of all data."""

import numpy as np
import pymc as pm
import pytest
from models import build
from trained import small

import pymc_amortized as pma
from pymc_amortized.data import read_datasets
from pymc_amortized.imputation import seen_model
from pymc_amortized.inference_data import group

QUIET = {"random_seed": 1, "progressbar": False}
Y = np.array([[1.0, np.nan, 2.0], [3.0, 4.0, np.nan]])


def table() -> None:
    mean = pm.Normal("mean", 0, 2, dims="column")
    pm.Normal("y", mean, 1, observed=Y, dims=("row", "column"))


def chained() -> None:
    y = pm.Normal("y", pm.Normal("a"), 1, observed=Y[0])
    pm.Normal("z", y, 1, observed=np.zeros(3))


def vector() -> None:
    pm.MvNormal("y", pm.Normal("a", shape=2), np.eye(2), observed=np.array([1.0, np.nan]))


def model(fill=table) -> pm.Model:
    return build(fill, row=range(2), column=list("abc"))


@pytest.mark.filterwarnings("ignore:max_seconds")
def test_what_is_missing_is_not_inferred_and_the_rest_is_exact() -> None:
    amortized = pma.fit(model(), max_seconds=15, **small(), **QUIET)
    many = np.stack([Y, Y + 1])
    for observed in (None, {"y": many}, {"y_observed": many[:, np.isfinite(Y)]}):
        posterior = group(amortized.sample(observed, **QUIET))
        assert list(posterior.data_vars) == ["mean"]
        number, total = np.isfinite(Y).sum(axis=0), np.nansum(Y, axis=0)
        draws = posterior["mean"] if observed is None else posterior["mean"].isel(dataset=0)
        sd = (number + 1 / 4) ** -0.5
        error = np.abs(draws.mean(("chain", "draw")).to_numpy() - total * sd**2)
        np.testing.assert_array_less(error, 5 * sd / np.sqrt(2000))
        np.testing.assert_allclose(draws.std(("chain", "draw")), sd, rtol=0.1)


@pytest.mark.parametrize(("fill", "gone"), [(table, True), (chained, False), (vector, False)])
def test_only_what_tells_nothing_of_others_is_left_out(fill, gone) -> None:
    made = model(fill)
    before = [rv.name for rv in made.free_RVs]
    seen = seen_model(made)
    assert ("y_unobserved" not in seen.named_vars) == gone
    assert [rv.name for rv in made.free_RVs] == before  # the user's model is not changed
    assert seen_model(model(fill)) is not None


def test_simulations_are_of_what_is_seen_and_train() -> None:
    simulated = pma.simulate(model(), draws=300, **QUIET)
    assert group(simulated, "prior_predictive")["y_observed"].shape == (1, 300, 4)
    assert list(group(simulated, "prior").data_vars) == ["mean"]
    pma.fit(model(), simulations=simulated, **small(), **QUIET)


def test_a_model_without_gaps_is_the_same_model() -> None:
    made = build(lambda: pm.Normal("y", pm.Normal("a"), 1, observed=np.zeros(3)))
    assert seen_model(made) is made


def test_other_gaps_are_refused() -> None:
    seen = seen_model(model())
    with pytest.raises(ValueError, match=r"'y' of shape \(2, 3\) and with gaps where .*\(2 NaN\)"):
        read_datasets(seen, {"y": np.ones((2, 3))})
    with pytest.raises(ValueError, match=r"'y' of shape \(2, 3\)"):
        read_datasets(seen, {"y": np.ones((2, 2))})

"""What is found out of a trained network, and of an untrained one."""

import numpy as np
import pytest
import xarray as xr
from trained import untrained

import pymc_amortized as pma
from pymc_amortized.calibration import _moments


@pytest.fixture(scope="module")
def checked(line: pma.AmortizedPosterior) -> object:
    return line.calibrate(random_seed=1, progressbar=False)


def test_trained_posterior_is_calibrated(checked: object) -> None:
    found = checked.calibration
    assert set(found["quantity"].to_numpy()) == {"b0", "b1", "log_likelihood", "log_joint"}
    assert (found["p_value"] > 0.001).all()
    assert found["tarp_p_value"] > 0.001
    assert float(abs(found["coverage"].sel(level=0.9) - 0.9).max()) < 4 * np.sqrt(0.09 / 1000)
    exact = found.sel(quantity="b0")
    assert 0.9 < float(exact["contraction"]) < 1
    assert float(exact["z_score"].std()) == pytest.approx(1, abs=0.1)


def test_ranks_are_in_the_format_of_arviz(checked: object) -> None:
    ranks = checked.prior_sbc
    assert set(ranks.data_vars) == {"b0", "b1", "log_likelihood", "log_joint"}
    for variable in ranks.data_vars.values():
        assert variable.dims == ("chain", "draw")
        assert variable.shape == (1, 1000)
        assert 0 <= float(variable.min()) <= float(variable.max()) <= 1


def test_untrained_networks_fail() -> None:
    amortized = untrained("hierarchical")
    checked = amortized.calibrate(simulations=300, draws=50, random_seed=1, progressbar=False)
    found = checked.calibration
    assert not found["calibrated"].all()
    assert checked.prior_sbc["z"].shape[:2] == (1, 300)
    of_z = [label for label in found["quantity"].to_numpy() if label.startswith("z[")]
    assert len(of_z) == checked.prior_sbc["z"].shape[2]


def test_without_a_likelihood_parameters_alone_are_checked() -> None:
    checked = untrained("simulator").calibrate(
        simulations=100, draws=20, random_seed=1, progressbar=False
    )
    assert "log_joint" not in checked.prior_sbc
    assert isinstance(checked.calibration["tarp_coverage"], xr.DataArray)


@pytest.mark.parametrize("wrong", [{"simulations": 0}, {"simulations": 19}, {"draws": 2.5}])
def test_bad_numbers_are_refused(wrong: dict, rough: pma.AmortizedPosterior) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}: expected an integer"):
        rough.calibrate(**wrong)


def test_impossible_draws_have_no_standard_deviation(recwarn: pytest.WarningsRecorder) -> None:
    draws = np.array([[[1.0, -np.inf], [3.0, 2.0]]])
    mean, sd = _moments(draws, np.array([[0.25, 0.75]]))
    np.testing.assert_array_equal(mean, [[2.5, -np.inf]])
    np.testing.assert_allclose(sd, [[np.sqrt(0.75), np.nan]])
    assert not recwarn.list

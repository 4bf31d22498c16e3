"""What is drawn of a calibration."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from trained import untrained

import pymc_amortized as pma
from pymc_amortized.inference_data import group


@pytest.fixture(autouse=True)
def _agg() -> Iterator[None]:
    with mpl.rc_context({"backend": "agg"}):
        yield
    plt.close("all")


@pytest.fixture(scope="module")
def checked() -> object:
    amortized = untrained("hierarchical")
    return amortized.calibrate(simulations=300, draws=50, random_seed=1, progressbar=False)


def labels(ax: plt.Axes) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_curves_are_the_distribution_functions_of_the_ranks(checked: object) -> None:
    left, right = pma.plot_calibration(checked)
    found = group(checked, "calibration")
    assert len(left.lines) == len(found["quantity"])
    failed = found["quantity"][~found["calibrated"].to_numpy()].to_numpy()
    told = dict(label.split(", p = ") for label in labels(left) if label != "95 % band")
    assert set(told) <= set(failed)
    for name, p_value in told.items():
        assert float(p_value) == pytest.approx(float(found["p_value"].sel(quantity=name)), rel=0.1)
    ranks = group(checked, "prior_sbc")["mu"].to_numpy().ravel()
    number = found["quantity"].to_numpy().tolist().index("mu")
    x, y = left.lines[number].get_data()
    np.testing.assert_allclose(y, [(ranks <= point).mean() - point for point in x])
    covered = right.lines[1 + number].get_ydata()
    np.testing.assert_allclose(covered, found["coverage"].sel(quantity="mu"))


def test_var_names_choose_quantities_or_variables(checked: object) -> None:
    left, _ = pma.plot_calibration(checked, var_names=["mu", "log_joint"])
    assert len(left.lines) == 2
    elements = group(checked, "prior_sbc")["z"].shape[2]
    assert len(pma.plot_recovery(checked, var_names="z")) == elements
    with pytest.raises(ValueError, match=r"var_names: expected some of .*got 'nu'"):
        pma.plot_calibration(checked, var_names=["mu", "nu"])
    with pytest.raises(ValueError, match="got 'log_joint'"):
        pma.plot_recovery(checked, var_names="log_joint")


def test_recovery_has_a_point_a_simulation(checked: object) -> None:
    axes = pma.plot_recovery(checked)
    found = group(checked, "calibration")
    parameters = [q for q in found["quantity"].to_numpy() if not q.startswith("log_")]
    assert [ax.get_title().splitlines()[0] for ax in axes] == parameters
    x, y = axes[0].lines[-1].get_data()
    np.testing.assert_array_equal(x, found["truth"].sel(quantity=parameters[0]))
    np.testing.assert_array_equal(y, found["mean"].sel(quantity=parameters[0]))


def test_own_axes_are_drawn_on(checked: object) -> None:
    _, axes = plt.subplots(1, 2)
    assert (pma.plot_calibration(checked, ax=axes) == axes).all()
    with pytest.raises(ValueError, match="ax: expected one Axes for each of the 1 parameters"):
        pma.plot_recovery(checked, var_names="mu", ax=axes)


def test_anything_else_is_refused(rough: pma.AmortizedPosterior) -> None:
    idata = rough.sample(draws=5, refine=None, progressbar=False)
    with pytest.raises(KeyError, match="group 'calibration'"):
        pma.plot_calibration(idata)

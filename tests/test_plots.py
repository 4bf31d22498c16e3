"""What is drawn of a training run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib import pyplot as plt

from pymc_amortized.plots import plot_training


@pytest.fixture(autouse=True)
def _agg() -> Iterator[None]:
    with mpl.rc_context({"backend": "agg"}):
        yield
    plt.close("all")


def history(rounds: int = 40) -> dict[str, np.ndarray]:
    step = np.arange(1.0, rounds + 1)
    held_out = 2 / step + 0.01 * (step - 0.75 * rounds).clip(0)
    return {"simulations": 500 * step, "loss": 2 / step - 0.1, "held_out_loss": held_out}


@pytest.mark.parametrize("wrap", [dict, lambda h: SimpleNamespace(history=h)])
def test_loss_curves(wrap: object) -> None:
    data = history()
    ax = plot_training(wrap(data))
    curves = {line.get_label(): line for line in ax.lines}
    for label, name in (("training", "loss"), ("held out", "held_out_loss")):
        np.testing.assert_array_equal(curves[label].get_xdata(), data["simulations"])
        np.testing.assert_array_equal(curves[label].get_ydata(), data[name])
    best = data["held_out_loss"].argmin()
    dot = curves[f"lowest held out: {data['held_out_loss'][best]:.3f}"]
    assert dot.get_xdata() == [data["simulations"][best]]
    assert 0 < best < 39


def test_history_as_a_dataset_with_gaps() -> None:
    data = xr.Dataset({name: ("round", values) for name, values in history().items()})
    data["held_out_loss"][:3] = np.nan
    _, mine = plt.subplots()
    assert plot_training(data, ax=mine) is mine
    data["held_out_loss"][:] = np.nan
    assert len(plot_training(data).lines) == 2


def test_a_steep_start_does_not_flatten_the_rest() -> None:
    data = history(200)
    data["loss"][0] = 1e6
    low, high = plot_training(data).get_ylim()
    assert high < 10
    assert low < data["loss"].min()
    gentle = {"simulations": np.arange(9), "loss": np.arange(9), "held_out_loss": np.arange(9)}
    assert plot_training(gentle).get_ylim()[1] > 8


def test_history_that_is_none() -> None:
    with pytest.raises(ValueError, match=r"arrays simulations, loss.*none of held_out_loss"):
        plot_training({"simulations": [1], "loss": [1]})
    with pytest.raises(
        ValueError, match=r"one shape \(rounds,\), got simulations \(40,\), loss \(2,"
    ):
        plot_training(history() | {"loss": [1, 2]})
    with pytest.raises(ValueError, match="got int"):
        plot_training(3)


def test_import_does_not_load_matplotlib() -> None:
    code = (
        "import sys, pymc; before = set(sys.modules); import pymc_amortized;"
        "late = {'matplotlib', 'scipy.stats', 'sklearn', 'arviz', 'tensorflow'};"
        "print(late & (set(sys.modules) - before))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"

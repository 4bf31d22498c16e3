"""What is drawn of several fits: lines, dots, labels and their places."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib import colors
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from pymc_amortized.comparison_plots import plot_compare
from pymc_amortized.inference_data import assemble
from pymc_amortized.plots import COLOURS

COUNTRIES = ["Kenya", "Peru", "Chile"]


@pytest.fixture(autouse=True)
def _agg() -> Iterator[None]:
    with mpl.rc_context({"backend": "agg"}):
        yield
    plt.close("all")


def posterior(seed: int, shift: float = 0.0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    dims = ("chain", "draw")
    return xr.Dataset(
        {
            "b0": (dims, 60 + shift + rng.gamma(2, 1, (2, 300))),
            "theta": ((*dims, "country"), shift / 100 + 0.01 * rng.gamma(2, 1, (2, 300, 3))),
        },
        coords={"country": COUNTRIES},
    )


@pytest.fixture
def fits() -> dict[str, object]:
    return {"amortized": posterior(1), "NUTS": assemble({"posterior": posterior(2, shift=3)})}


def tick_labels(ax: Axes) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def test_a_panel_a_variable_and_a_row_a_parameter(fits: dict) -> None:
    axes = plot_compare(fits)
    assert isinstance(axes, np.ndarray)
    assert [tick_labels(ax) for ax in axes] == [["b0"], [f"theta[{name}]" for name in COUNTRIES]]
    assert [ax.get_title(loc="left") for ax in axes] == ["", "theta"]
    bottom, top = axes[1].get_ylim()
    assert bottom > axes[1].get_yticks()[-1] > axes[1].get_yticks()[0] > top
    scales = [np.diff(ax.get_xlim()).item() for ax in axes]
    assert scales[0] > 50 * scales[1]


def test_intervals_and_medians_are_those_of_the_draws(fits: dict) -> None:
    ax = plot_compare(fits, ci_prob=0.8)[1]
    assert len(ax.collections) == 4
    assert len(ax.lines) == 2
    for number, data in enumerate([posterior(1), posterior(2, shift=3)]):
        draws = data["theta"].to_numpy().reshape(-1, 3)
        outer, inner = ax.collections[2 * number : 2 * number + 2]
        for lines, ends in ((outer, [0.1, 0.9]), (inner, [0.25, 0.75])):
            drawn = np.array([segment[:, 0] for segment in lines.get_segments()])
            np.testing.assert_allclose(drawn, np.quantile(draws, ends, axis=0).T)
            assert colors.same_color(lines.get_color(), COLOURS[number])
        assert outer.get_linewidth() < inner.get_linewidth()
        np.testing.assert_allclose(ax.lines[number].get_xdata(), np.median(draws, axis=0))
        assert colors.same_color(ax.lines[number].get_color(), COLOURS[number])


def test_fits_lie_one_below_the_other_within_their_row(fits: dict) -> None:
    ax = plot_compare(fits)[1]
    first, second = (line.get_ydata() for line in ax.lines)
    assert (np.abs([first, second] - np.arange(3)) < 0.5).all()
    assert (first < second).all()
    assert [text.get_text() for text in ax.figure.legends[0].get_texts()] == ["amortized", "NUTS"]


def test_fifty_rows_do_not_touch() -> None:
    rng = np.random.default_rng(3)
    data = xr.Dataset(
        {name: (("chain", "draw", "row"), rng.normal(size=(2, 50, 50))) for name in ("a", "b")}
    )
    axes = plot_compare({"one": data, "two": data})
    figure = axes[0].figure
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in axes[0].get_yticklabels()]
    assert all(above.y0 > below.y1 for above, below in pairwise(boxes))
    assert axes[0].get_position().y0 == pytest.approx(axes[1].get_position().y0)
    assert axes[0].get_position().x1 < axes[1].get_position().x0


def test_unequal_panels_are_stacked_with_rows_of_one_height(fits: dict) -> None:
    scalar, vector = plot_compare(fits)
    scalar.figure.canvas.draw()
    heights = [ax.get_window_extent().height / np.ptp(ax.get_ylim()) for ax in (scalar, vector)]
    assert scalar.get_position().y0 > vector.get_position().y1
    assert heights[0] / heights[1] == pytest.approx(1, rel=0.05)


def test_given_axes_are_drawn_on(fits: dict) -> None:
    _, mine = plt.subplots()
    (ax,) = plot_compare(fits, var_names="b0", ax=mine)
    assert ax is mine
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["amortized", "NUTS"]
    assert len(plt.get_fignums()) == 1
    with pytest.raises(ValueError, match=r"ax: expected.*2 variables \(b0, theta\), got 1"):
        plot_compare(fits, ax=mine)


def test_one_fit_alone(fits: dict) -> None:
    assert [len(ax.lines) for ax in plot_compare({"amortized": fits["amortized"]})] == [1, 1]


def test_errors_of_compare(fits: dict) -> None:
    with pytest.raises(ValueError, match=r"ci_prob.*got 94"):
        plot_compare(fits, ci_prob=94)
    with pytest.raises(ValueError, match=r'kind: expected "forest" or "pair", got \'trace\''):
        plot_compare(fits, kind="trace")
    with pytest.raises(ValueError, match="var_names"):
        plot_compare(fits, var_names="b9")
    with pytest.raises(ValueError, match="fits: expected at least one"):
        plot_compare({})

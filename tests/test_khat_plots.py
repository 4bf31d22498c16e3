"""What is drawn of Pareto k: places, colours and names."""

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
from matplotlib.lines import Line2D
from matplotlib.text import Text

from pymc_amortized.inference_data import assemble
from pymc_amortized.khat_plots import plot_khat
from pymc_amortized.plots import COLOURS


@pytest.fixture(autouse=True)
def _agg() -> Iterator[None]:
    with mpl.rc_context({"backend": "agg"}):
        yield
    plt.close("all")


def diagnosis(pareto_k: np.ndarray, by: np.ndarray | str = "psis") -> xr.Dataset:
    """One dim for one axis, two for two."""
    dims = ("country", "year")[: np.ndim(pareto_k)]
    sizes = dict(zip(dims, np.shape(pareto_k), strict=True))
    coords = {dim: [f"{dim} {k}" for k in range(size)] for dim, size in sizes.items()}
    by = np.broadcast_to(by, np.shape(pareto_k))
    return xr.Dataset({"pareto_k": (dims, pareto_k), "refined_by": (dims, by)}, coords)


def dots(ax: Axes) -> dict[str, Line2D]:
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def named(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_every_dataset_has_a_dot_where_its_k_is() -> None:
    k = np.random.default_rng(1).normal(0.3, 0.3, 142)
    ax = plot_khat(assemble({"amortized": diagnosis(k)}))
    good, poor = dots(ax)["at most 0.7"], dots(ax)["above 0.7"]
    np.testing.assert_array_equal(np.concatenate([good.get_ydata(), poor.get_ydata()]), np.sort(k))
    np.testing.assert_array_equal(
        np.concatenate([good.get_xdata(), poor.get_xdata()]), np.arange(142)
    )
    assert good.get_ydata().max() <= 0.7 < poor.get_ydata().min()
    assert colors.same_color(poor.get_color(), COLOURS[1])
    assert not colors.same_color(good.get_color(), poor.get_color())
    low, high = ax.get_ylim()
    assert low < k.min() < k.max() < high
    assert ax.get_title(loc="left") == f"Pareto k above 0.7: {(k > 0.7).sum()} of 142"
    limits = [line.get_ydata()[0] for line in ax.lines if line.get_label().startswith("_")]
    assert limits == [0.5, 0.7]


def test_names_point_at_the_worst() -> None:
    k = np.full(142, 0.1)
    k[[7, 99, 30]] = 0.8, 0.9, 1.2
    ax = plot_khat(diagnosis(k))
    assert named(ax) == ["country 30", "country 99", "country 7"]
    assert [text.xy for text in ax.texts] == [(141, 1.2), (140, 0.9), (139, 0.8)]
    heights = [text.get_position()[1] for text in ax.texts]
    assert heights == sorted(heights, reverse=True)


def test_a_thousand_datasets_of_two_dims_do_not_drown_in_names() -> None:
    k = np.random.default_rng(2).normal(0.5, 0.3, (100, 10))
    ax = plot_khat(diagnosis(k))
    country, year = np.unravel_index(k.argmax(), k.shape)
    assert named(ax)[0] == f"country {country}, year {year}"
    assert len(named(ax)) == 20
    ax.figure.canvas.draw()
    boxes = [Text.get_window_extent(text) for text in ax.texts]  # without their lines
    assert all(above.y0 > below.y1 - 1 for above, below in pairwise(boxes))


def test_few_datasets_are_named_below_the_axis() -> None:
    ax = plot_khat(diagnosis(np.array([0.9, 0.1, 0.4])))
    assert [t.get_text() for t in ax.get_xticklabels()] == ["country 1", "country 2", "country 0"]
    assert named(ax) == []


def test_a_single_dataset() -> None:
    _, mine = plt.subplots()
    ax = plot_khat(diagnosis(np.array(0.3)), ax=mine)
    assert ax is mine
    assert dots(ax)["at most 0.7"].get_ydata().tolist() == [0.3]
    assert ax.get_title(loc="left") == "Pareto k above 0.7: 0 of 1"


def test_infinite_unknown_and_drawn_by_nuts() -> None:
    k = np.array([0.1, np.inf, 0.9, np.nan, 1.1, np.inf])
    by = np.array(["psis", "none", "psis", "none", "nuts", "nuts"])
    ax = plot_khat(diagnosis(k, by))
    low, high = ax.get_ylim()
    found = {label: line.get_ydata().tolist() for label, line in dots(ax).items()}
    assert found == {
        "at most 0.7": [0.1],
        "above 0.7": [0.9],
        "infinite": [high],
        "drawn by NUTS instead": [1.1],
        "infinite, drawn by NUTS instead": [high],
        "unknown": [low],
    }
    looks = {(line.get_color(), line.get_marker()) for line in dots(ax).values()}
    assert len(looks) == 6
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(found)
    order = [text.get_text()[-1] for text in ax.get_xticklabels()]
    assert order == ["3", "0", "2", "4", "1", "5"]
    assert ax.get_title(loc="left") == "Pareto k above 0.7: 4 of 6"


def test_no_pareto_k() -> None:
    surprise = xr.Dataset({"surprise": ("country", [0.5])})
    with pytest.raises(KeyError, match=r"'pareto_k'.*got surprise.*has a likelihood"):
        plot_khat(assemble({"amortized": surprise}))
    with pytest.raises(KeyError, match="group 'amortized'"):
        plot_khat(assemble({"posterior": surprise}))

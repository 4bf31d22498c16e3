"""What is drawn of two parameters at once."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib import colors
from matplotlib import pyplot as plt

from pymc_amortized.comparison_plots import plot_compare
from pymc_amortized.inference_data import assemble
from pymc_amortized.plots import COLOURS

DIMS = ("chain", "draw")


@pytest.fixture(autouse=True)
def _agg() -> Iterator[None]:
    with mpl.rc_context({"backend": "agg"}):
        yield
    plt.close("all")


def posterior(seed: int, shift: float = 0.0) -> xr.Dataset:
    """A positive scalar and a correlated vector of two."""
    rng = np.random.default_rng(seed)
    x = rng.normal(shift, 1, (2, 400))
    theta = np.stack([x, 100 + 10 * (x + 0.1 * rng.normal(size=x.shape))], axis=-1)
    return xr.Dataset(
        {"sigma": (DIMS, rng.gamma(2, 1, (2, 400))), "theta": ((*DIMS, "k"), theta)},
        coords={"k": ["a", "b"]},
    )


@pytest.fixture
def fits() -> dict[str, xr.Dataset]:
    return {"amortized": posterior(1), "NUTS": posterior(2, shift=0.5)}


def test_points_are_draws_of_both_in_their_colours(fits: dict) -> None:
    axes = plot_compare(fits, kind="pair")
    assert axes.shape == (3, 3)
    assert [ax.get_xlabel() for ax in axes[-1]] == ["sigma", "theta[a]", "theta[b]"]
    assert [ax.get_ylabel() for ax in axes[1:, 0]] == ["theta[a]", "theta[b]"]
    (points,) = axes[2, 1].collections
    places, faces = points.get_offsets(), points.get_facecolors()[:, :3]
    for number, data in enumerate(fits.values()):
        drawn = places[(faces == colors.to_rgb(COLOURS[number])).all(axis=1)]
        draws = data["theta"].to_numpy().reshape(-1, 2)
        assert len(drawn) == 500
        assert {tuple(row) for row in drawn.tolist()} <= {tuple(row) for row in draws.tolist()}
    assert not any(ax.axison for ax in axes[np.triu_indices(3, 1)])
    legend = axes[0, 0].figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["amortized", "NUTS"]


def test_the_diagonal_has_the_densities(fits: dict) -> None:
    axes = plot_compare(fits, kind="pair")
    for number, (name, data) in enumerate(fits.items()):
        outline = axes[1, 1].patches[number]
        density, edges, _ = outline.get_data()
        counts, _ = np.histogram(data["theta"].sel(k="a"), edges)
        np.testing.assert_allclose(density * np.diff(edges) * 800, counts, atol=1e-9)
        assert colors.same_color(outline.get_edgecolor(), COLOURS[number])
        assert outline.get_label() == name


def test_axes_reach_beyond_the_intervals_but_not_beyond_a_bound(fits: dict) -> None:
    far = fits["NUTS"].copy(deep=True)
    far["sigma"][0, 0] = 1e6
    axes = plot_compare({"amortized": fits["amortized"], "NUTS": far}, kind="pair", ci_prob=0.9)
    low, high = axes[2, 0].get_xlim()
    draws = [data["sigma"].to_numpy() for data in (fits["amortized"], far)]
    assert -0.2 < low < min(x.min() for x in draws)
    assert max(np.quantile(x, 0.95) for x in draws) < high < 20
    assert axes[0, 0].get_xlim() == (low, high)


def test_of_many_parameters_those_furthest_apart() -> None:
    rng = np.random.default_rng(3)
    shift = np.where(np.isin(np.arange(50), [4, 8, 15, 16, 23, 41, 42, 49]), 0.7, 0.0)
    draws = {"one": rng.normal(shift, 1, (4, 200, 50)), "two": rng.normal(0, 1, (4, 200, 50))}
    data = {name: xr.Dataset({"x": ((*DIMS, "k"), x)}) for name, x in draws.items()}
    axes = plot_compare(data, kind="pair")
    labels = [ax.get_xlabel() for ax in axes[-1]]
    assert labels == [f"x[{k}]" for k in (4, 8, 15, 16, 23, 41, 42, 49)]
    figure = axes[0, 0].figure
    assert figure.get_suptitle() == "8 of 50 parameters: those furthest apart"
    figure.canvas.draw()
    boxes = [ax.get_window_extent() for ax in axes[-1]]
    assert all(box.width > 80 for box in boxes)
    alone = plot_compare({"one": data["one"]}, kind="pair")
    assert [ax.get_xlabel() for ax in alone[-1]] == [f"x[{k}]" for k in range(8)]


def test_one_parameter_and_draws_that_are_not_finite(fits: dict) -> None:
    spoilt = fits["NUTS"].copy(deep=True)
    spoilt["sigma"][0, :3] = [np.nan, np.inf, -np.inf]
    axes = plot_compare({**fits, "NUTS": spoilt}, kind="pair", var_names="sigma")
    assert axes.shape == (1, 1)
    assert len(axes[0, 0].patches) == 2
    assert np.isfinite(axes[0, 0].get_xlim()).all()


def test_constants_have_room(fits: dict) -> None:
    constant = xr.Dataset({"c": (DIMS, np.full((2, 50), 3.0))})
    ax = plot_compare({"one": constant, "two": constant}, kind="pair")[0, 0]
    low, high = ax.get_xlim()
    assert low < 3 < high


def test_given_axes_are_drawn_on(fits: dict) -> None:
    _, mine = plt.subplots(2, 2)
    axes = plot_compare(fits, kind="pair", var_names="theta", ax=mine)
    assert (axes == mine).all()
    assert [text.get_text() for text in mine[0, 0].get_legend().get_texts()] == list(fits)
    with pytest.raises(ValueError, match=r"ax: expected an array of 3 by 3 Axes.*\(2, 2\)"):
        plot_compare(fits, kind="pair", ax=mine)


def test_many_datasets_are_refused(fits: dict) -> None:
    theta = fits["amortized"][["theta"]]
    khat = xr.Dataset({"pareto_k": ("k", [0.1, 0.2])}, {"k": ["a", "b"]})
    many = assemble({"posterior": theta, "amortized": khat})
    with pytest.raises(ValueError, match=r'expected "forest" for many datasets, got "pair" for 2'):
        plot_compare({"amortized": many, "NUTS": theta}, kind="pair")
    one = assemble({"posterior": theta.sel(k=["a"]), "amortized": khat.sel(k=["a"])})
    assert plot_compare({"amortized": one}, kind="pair").shape == (1, 1)

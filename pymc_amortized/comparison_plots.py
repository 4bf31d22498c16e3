"""Pictures of several fits over or beside each other, on matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final

import numpy as np

from pymc_amortized.alignment import Parameters, aligned_parameters
from pymc_amortized.inference_data import Fit
from pymc_amortized.pair_plots import pairs
from pymc_amortized.plots import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_compare"]

KINDS: Final = ("forest", "pair")
INNER: Final = 0.5
STACKED_ROWS: Final = 6
CROWDED_ROWS: Final = 60
PANEL_COLUMNS: Final = 3


def plot_compare(
    fits: Mapping[str, Fit],
    *,
    var_names: str | Sequence[str] | None = None,
    kind: str = "forest",
    ci_prob: float = 0.94,
    ax: Axes | Sequence[Axes] | np.ndarray | None = None,
) -> np.ndarray:
    """Draw the posteriors of several fits side by side or one over the other.

    A forest plot has a panel with an x axis of its own for each variable, a row for each scalar
    parameter, and a colour for each fit: a dot at the median, a thick line over the central half
    and a thin one over the central `ci_prob` of the draws.

    A pair plot has a panel for each two parameters, with some draws of each fit as points, and
    on its diagonal the densities of each parameter, as histograms. It draws eight parameters at
    most, and says so: of more those whose draws are furthest apart, in Wasserstein distance.

    Parameters
    ----------
    fits : mapping of str to arviz.InferenceData, xarray.DataTree or xarray.Dataset
        Fits by name, as for :func:`pymc_amortized.compare`; one alone will do.
    var_names : str or sequence of str, optional
        Variables to draw; by default those that all fits hold.
    kind : {"forest", "pair"}, default "forest"
        Which of the two; ``"pair"`` is for one dataset.
    ci_prob : float, default 0.94
        Probability of the thin lines, between 0 and 1. Of a pair plot the axes reach a little
        further than the widest of the central intervals of this probability.
    ax : matplotlib.axes.Axes or array of them, optional
        One for each variable; for pairs an array of shape ``(parameters, parameters)``. By default
        a new figure with panels large enough.

    Returns
    -------
    ndarray of matplotlib.axes.Axes
        One for each variable, shape ``(variables,)``, or for pairs
        ``(parameters, parameters)``, with nothing drawn above the diagonal.

    Raises
    ------
    ValueError
        If `kind` is neither, `ci_prob` is no probability, `ax` has not the Axes that are needed,
        the pairs are of many datasets, or the fits do not match, as for
        :func:`pymc_amortized.compare`.
    """
    if not 0 < ci_prob < 1:
        raise ValueError(
            f"ci_prob: expected a probability between 0 and 1, got {ci_prob!r}. "
            "Pass for example 0.94."
        )
    if kind not in KINDS:
        raise ValueError(f'kind: expected "forest" or "pair", got {kind!r}.')
    parameters = aligned_parameters(fits, var_names=var_names)
    return (_forests if kind == "forest" else pairs)(parameters, ci_prob, ax)


def _forests(
    parameters: Mapping[str, Parameters],
    ci_prob: float,
    ax: Axes | Sequence[Axes] | np.ndarray | None,
) -> np.ndarray:
    """A forest for each variable."""
    first = next(iter(parameters.values()))
    panels = [
        (name, [row for row, _ in rows])
        for name, rows in groupby(enumerate(first.variables), key=lambda pair: pair[1])
    ]
    if ax is None:
        axes = _panels([len(rows) for _, rows in panels], len(parameters))
    else:
        axes = np.atleast_1d(ax).ravel()
    if len(axes) != len(panels):
        raise ValueError(
            f"ax: expected one Axes for each of the {len(panels)} variables "
            f"({', '.join(name for name, _ in panels)}), got {len(axes)}. Choose variables with "
            "var_names, or leave ax out."
        )
    for panel, (name, rows) in zip(axes, panels, strict=True):
        _forest(panel, parameters, rows, ci_prob)
        if first.labels[rows[0]] != name:
            panel.set_title(name, fontsize="medium", fontweight="bold", loc="left")
    _legend(axes, len(parameters), new_figure=ax is None)
    return axes


def _panels(rows: Sequence[int], fits: int) -> np.ndarray:
    """New Axes with room for so many rows each: alike and tall ones side by side, else stacked."""
    from matplotlib import pyplot as plt

    alike = len(set(rows)) == 1 and rows[0] > STACKED_ROWS
    columns = min(len(rows), PANEL_COLUMNS) if alike else 1
    tallest = [max(rows[start : start + columns]) for start in range(0, len(rows), columns)]
    row_height = (0.16 + 0.05 * fits) * (1 if max(rows) <= CROWDED_ROWS else 0.6)
    height = 0.4 + sum(0.55 + row_height * most for most in tallest)
    figure, grid = plt.subplots(
        len(tallest),
        columns,
        figsize=(7 if columns == 1 else 1 + 4 * columns, height),
        height_ratios=tallest,
        squeeze=False,
        layout="constrained",
    )
    for unused in grid.ravel()[len(rows) :]:
        figure.delaxes(unused)
    return grid.ravel()[: len(rows)]


def _forest(
    ax: Axes, parameters: Mapping[str, Parameters], rows: Sequence[int], ci_prob: float
) -> None:
    """Draw the given parameters of every fit, the first on top."""
    position = np.arange(len(rows), dtype=float)
    probabilities = [(1 - ci_prob) / 2, (1 - INNER) / 2, 0.5, (1 + INNER) / 2, (1 + ci_prob) / 2]
    size = 5 if len(rows) <= CROWDED_ROWS else 3
    for number, (name, fit) in enumerate(parameters.items()):
        colour = COLOURS[number % len(COLOURS)]
        y = position + 0.6 * ((number + 0.5) / len(parameters) - 0.5)
        draws = fit.draws[..., rows].reshape(-1, len(rows))
        low, lower, median, upper, high = np.quantile(draws, probabilities, axis=0)
        ax.hlines(y, low, high, color=colour, lw=size / 4)
        ax.hlines(y, lower, upper, color=colour, lw=size / 1.8)
        ax.plot(median, y, "o", color=colour, ms=size, mec="white", mew=size / 8, label=name)
    labels = [next(iter(parameters.values())).labels[row] for row in rows]
    ax.set_yticks(position, labels)
    ax.tick_params("y", length=0, labelsize="medium" if len(rows) <= CROWDED_ROWS else "small")
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.margins(x=0.04)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.grid(axis="x", alpha=0.25)
    for stripe in range(1, len(rows), 2):
        ax.axhspan(stripe - 0.5, stripe + 0.5, color="black", alpha=0.035, lw=0, zorder=0)


def _legend(axes: np.ndarray, fits: int, *, new_figure: bool) -> None:
    """Name the fits once: above all panels of a new figure, else within the first panel."""
    handles, labels = axes[0].get_legend_handles_labels()
    if new_figure:
        axes[0].figure.legend(
            handles, labels, loc="outside upper center", ncols=fits, frameon=False
        )
    else:
        axes[0].legend(handles, labels)

"""Pictures, on matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pymc_amortized.comparison import Parameters, aligned_parameters
from pymc_amortized.inference_data import Fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_compare", "plot_training"]

# Okabe and Ito (2008), Color Universal Design, in the order that tells two fits apart best.
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
INNER: Final = 0.5
STACKED_ROWS: Final = 6
CROWDED_ROWS: Final = 60
PANEL_COLUMNS: Final = 3
HISTORY: Final = ("simulations", "loss", "held_out_loss")


def plot_compare(
    fits: Mapping[str, Fit],
    *,
    var_names: str | Sequence[str] | None = None,
    ci_prob: float = 0.94,
    ax: Axes | Sequence[Axes] | np.ndarray | None = None,
) -> np.ndarray:
    """Draw the posteriors of several fits side by side, as a forest plot.

    Each variable has a panel with an x axis of its own, each scalar parameter a row, and each
    fit a colour: a dot at the median, a thick line over the central half and a thin one over
    the central `ci_prob` of the draws.

    Parameters
    ----------
    fits : mapping of str to arviz.InferenceData, xarray.DataTree or xarray.Dataset
        Fits by name, as for :func:`pymc_amortized.compare`; one alone will do.
    var_names : str or sequence of str, optional
        Variables to draw; by default those that all fits hold.
    ci_prob : float, default 0.94
        Probability of the thin lines, between 0 and 1.
    ax : matplotlib.axes.Axes or array of them, optional
        One for each variable; by default a new figure with panels large enough.

    Returns
    -------
    ndarray of matplotlib.axes.Axes
        One for each variable, shape ``(variables,)``.

    Raises
    ------
    ValueError
        If `ci_prob` is no probability, `ax` has not one Axes for each variable, or the fits do
        not match, as for :func:`pymc_amortized.compare`.
    """
    if not 0 < ci_prob < 1:
        raise ValueError(
            f"ci_prob: expected a probability between 0 and 1, got {ci_prob!r}. "
            "Pass for example 0.94."
        )
    parameters = aligned_parameters(fits, var_names=var_names)
    first = next(iter(parameters.values()))
    panels = [
        (name, [row for row, _ in rows])
        for name, rows in groupby(enumerate(first.variables), key=lambda pair: pair[1])
    ]
    if ax is None:
        axes = _panels([len(rows) for _, rows in panels], len(fits))
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
    _legend(axes, len(fits), new_figure=ax is None)
    return axes


def plot_training(amortized: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the loss over the course of training.

    Parameters
    ----------
    amortized : AmortizedPosterior, mapping or xarray.Dataset
        An object with an attribute ``history``, or the history itself: arrays ``simulations``
        (cumulative), ``loss`` (on training simulations) and ``held_out_loss``, each of shape
        ``(rounds,)``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Both curves, and a dot where the held-out loss is lowest. The y axis leaves out the first
        steep fall where it would flatten all the rest.

    Raises
    ------
    ValueError
        If one of the three arrays is missing or has another shape than the others.
    """
    simulations, loss, held_out = _history(getattr(amortized, "history", amortized))
    from matplotlib import pyplot as plt
    from matplotlib.ticker import EngFormatter

    if ax is None:
        _, ax = plt.subplots(figsize=(7, 4), layout="constrained")
    marker = "." if len(simulations) < 30 else None
    ax.plot(simulations, held_out, color=COLOURS[1], marker=marker, lw=2.4, label="held out")
    ax.plot(simulations, loss, color=COLOURS[0], marker=marker, lw=1, label="training")
    if np.isfinite(held_out).any():
        best = np.nanargmin(held_out)
        label = f"lowest held out: {held_out[best]:.3f}"
        ax.plot(
            simulations[best], held_out[best], "o", color=COLOURS[1], ms=7, mec="w", label=label
        )
    _leave_out_first_fall(ax, np.concatenate([loss, held_out]))
    ax.set(xlabel="simulations", ylabel="loss: mean -log q(parameters | data)")
    ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    ax.set_xlim(left=0)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", alpha=0.25)
    ax.legend(frameon=False, loc="upper right")
    return ax


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


def _history(history: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The three arrays of a training history, each of shape (rounds,)."""
    if not isinstance(history, Mapping) or (absent := [n for n in HISTORY if n not in history]):
        mapping = isinstance(history, Mapping)
        got = f"none of {', '.join(absent)}" if mapping else type(history).__name__
        raise ValueError(
            f"amortized: expected a history with the arrays {', '.join(HISTORY)}, got {got}. Pass "
            "what pma.fit returns, or its attribute history."
        )
    arrays = [np.asarray(history[name], dtype=float) for name in HISTORY]
    if len({array.shape for array in arrays}) > 1 or arrays[0].ndim != 1 or not arrays[0].size:
        shapes = ", ".join(f"{n} {a.shape}" for n, a in zip(HISTORY, arrays, strict=True))
        raise ValueError(
            f"amortized: expected a history of arrays of one shape (rounds,), got {shapes}. Give "
            "each round one entry in each."
        )
    return arrays[0], arrays[1], arrays[2]


def _leave_out_first_fall(ax: Axes, losses: np.ndarray) -> None:
    """End the y axis where most of the curve is, if its start is far above."""
    finite = losses[np.isfinite(losses)]
    if not finite.size:
        return
    lowest, most = finite.min(), np.quantile(finite, 0.95)
    if finite.max() - lowest > 3 * (most - lowest) > 0:
        ax.set_ylim(lowest - 0.15 * (most - lowest), most + 0.5 * (most - lowest))

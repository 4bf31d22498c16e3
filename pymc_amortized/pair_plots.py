"""Pair plots of several fits, one over the other, on matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from pymc_amortized.alignment import Parameters
from pymc_amortized.distances import distances, moments
from pymc_amortized.plots import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["pairs"]

MOST: Final = 8
POINTS: Final = 500
BINS: Final = 40
MARGIN: Final = 0.35
"""Of the width of the intervals, on both sides of them."""

PANEL_INCHES: Final = 1.9


def pairs(
    parameters: Mapping[str, Parameters], ci_prob: float, ax: Sequence[Axes] | np.ndarray | None
) -> np.ndarray:
    """Draw each two parameters of all fits, and each alone on the diagonal.

    Parameters
    ----------
    parameters : mapping of str to Parameters
        The same of each fit, of one dataset.
    ci_prob : float
        Probability of the central intervals that the axes reach beyond.
    ax : array of matplotlib.axes.Axes, optional
        As many in rows and columns as parameters are drawn.

    Returns
    -------
    ndarray of matplotlib.axes.Axes
        Rows and columns of the parameters, eight at most.

    Raises
    ------
    ValueError
        If there are many datasets, or other Axes than are needed.
    """
    every = next(iter(parameters.values()))
    if len(datasets := dict.fromkeys(every.datasets)) > 1:
        raise ValueError(
            f'kind: expected "forest" for many datasets, got "pair" for {len(datasets)}. Select '
            "one of them with .sel, from every fit."
        )
    chosen = _furthest_apart(parameters) if len(every.labels) > MOST else range(len(every.labels))
    labels = [every.labels[k] for k in chosen]
    draws = {name: _finite(fit.draws[..., list(chosen)]) for name, fit in parameters.items()}
    axes = _grid(len(labels)) if ax is None else _checked(ax, len(labels))
    limits = _limits(draws, ci_prob)
    for row, (panel, ends) in enumerate(zip(axes.diagonal(), limits, strict=True)):
        _densities(panel, {name: values[:, row] for name, values in draws.items()}, ends)
    for column, row in combinations(range(len(labels)), 2):
        _points(axes[row, column], [values[:, [column, row]] for values in draws.values()])
        axes[row, column].set(xlim=limits[column], ylim=limits[row])
        axes[column, row].set_axis_off()
    _name(axes, labels)
    if ax is None:
        _name_fits(axes[0, 0].figure, axes[0, 0], chosen, len(every.labels), len(draws))
    else:
        axes[0, 0].legend(fontsize="small")
    return axes


def _furthest_apart(parameters: Mapping[str, Parameters]) -> list[int]:
    """Where some fit is furthest from the last one; the first ones if it is alone."""
    *others, base = parameters.values()
    if not others:
        return list(range(MOST))
    of_base = moments(base.draws)
    apart = [distances(fit.draws, base.draws, of_base)["wasserstein"] for fit in others]
    furthest = np.nan_to_num(apart, nan=-1.0).max(axis=0)
    return sorted(np.argsort(-furthest, kind="stable")[:MOST].tolist())


def _finite(draws: np.ndarray) -> np.ndarray:
    """All chains as (draws, parameters), without draws that are not finite."""
    rows = draws.reshape(-1, draws.shape[-1])
    return rows[np.isfinite(rows).all(axis=1)]


def _grid(number: int) -> np.ndarray:
    from matplotlib import pyplot as plt

    side = max(4.0, PANEL_INCHES * number)
    _, grid = plt.subplots(
        number, number, figsize=(side, side), sharex="col", squeeze=False, layout="constrained"
    )
    return grid


def _checked(ax: Sequence[Axes] | np.ndarray, number: int) -> np.ndarray:
    axes = np.atleast_2d(np.asarray(ax, dtype=object))
    if axes.shape != (number, number):
        raise ValueError(
            f"ax: expected an array of {number} by {number} Axes, one for each two parameters, got "
            f"the shape {axes.shape}. Choose variables with var_names, or leave ax out."
        )
    return axes


def _limits(draws: Mapping[str, np.ndarray], ci_prob: float) -> np.ndarray:
    """Ends of the axis of each parameter: (parameters, 2)."""
    ends = [np.quantile(v, [(1 - ci_prob) / 2, (1 + ci_prob) / 2], axis=0) for v in draws.values()]
    low, high = np.min(ends, axis=0)[0], np.max(ends, axis=0)[1]
    margin = np.where(high > low, MARGIN * (high - low), 1.0)
    least, most = (f([f(v, axis=0) for v in draws.values()], axis=0) for f in (np.min, np.max))
    edge = 0.05 * margin  # nothing is drawn beyond the last draw, where a bound may be
    return np.stack(
        [np.maximum(low - margin, least - edge), np.minimum(high + margin, most + edge)], 1
    )


def _densities(ax: Axes, draws: Mapping[str, np.ndarray], ends: np.ndarray) -> None:
    """Outlines of histograms on common bins."""
    edges = np.linspace(*ends, BINS + 1)
    for number, (name, values) in enumerate(draws.items()):
        counts, _ = np.histogram(values, edges)
        density = counts / (len(values) * np.diff(edges))
        colour = COLOURS[number % len(COLOURS)]
        ax.stairs(density, edges, color=colour, lw=1.4, label=name)
    ax.set(xlim=ends, ylim=(0, None), yticks=[])
    ax.spines[["top", "right", "left"]].set_visible(False)


def _points(ax: Axes, draws: Sequence[np.ndarray]) -> None:
    """Some draws of each fit, in mixed order: none lies over all others."""
    few = [values[:: max(1, len(values) // POINTS)][:POINTS] for values in draws]
    colours = [COLOURS[k % len(COLOURS)] for k, values in enumerate(few) for _ in values]
    order = np.random.default_rng(0).permutation(len(colours))
    points = np.concatenate(few)[order]
    ax.scatter(*points.T, c=np.array(colours)[order], s=5, alpha=0.5, lw=0, rasterized=True)
    ax.spines[["top", "right"]].set_visible(False)


def _name(axes: np.ndarray, labels: Sequence[str]) -> None:
    """The parameters' names along the outer edges, where the ticks are."""
    for number, label in enumerate(labels):
        axes[-1, number].set_xlabel(label)
        if number:
            axes[number, 0].set_ylabel(label)
            for panel in axes[number, 1:number]:
                panel.tick_params(labelleft=False)
    for panel in axes[:-1].ravel():
        panel.tick_params(labelbottom=False)
    for panel in axes.ravel():
        panel.tick_params(labelsize="small")
        panel.locator_params(axis="x", nbins=3)


def _name_fits(
    figure: Figure, first: Axes, chosen: Sequence[int], parameters: int, fits: int
) -> None:
    """The legend of the fits, and what was left out."""
    handles, labels = first.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=fits, frameon=False)
    if len(chosen) < parameters:
        which = "the first" if fits == 1 else "those furthest apart"
        figure.suptitle(f"{len(chosen)} of {parameters} parameters: {which}", x=0.02, ha="left")

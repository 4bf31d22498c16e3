"""A picture of the Pareto k of many datasets, on matplotlib."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

import numpy as np
import xarray as xr

from pymc_amortized.inference_data import Fit, group
from pymc_amortized.plots import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_khat"]

GOOD: Final = 0.5
POOR: Final = 0.7
NAMED: Final = 20
"""So many labels have room beside the dots."""

TICKED: Final = 20
"""So many labels have room below the axis."""


def plot_khat(fit: Fit, *, ax: Axes | None = None) -> Axes:
    """Draw the Pareto k of every dataset, from the smallest to the largest.

    Below 0.5 the weighted draws are about as good as independent ones, below 0.7 they can be
    trusted, and above they cannot: those datasets have another colour, and the worst of them
    names. An infinite k, of draws without weights, is a triangle at the upper edge, and one that
    is unknown for want of draws a cross at the lower. Datasets whose draws NUTS made have a colour
    of their own: their k tells of the network alone.

    Parameters
    ----------
    fit : arviz.InferenceData, xarray.DataTree or xarray.Dataset
        What :meth:`AmortizedPosterior.sample` returned for one dataset or many, or its group
        ``amortized``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The datasets' ranks on the x axis, and Pareto k on the y axis.

    Raises
    ------
    KeyError
        If `fit` has no Pareto k: it comes from elsewhere, or its model has no likelihood.
    TypeError
        If `fit` is none of the above.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling, JMLR 25.
    """
    found = _by_size(_diagnosis(fit))
    from matplotlib import pyplot as plt

    if ax is None:
        _, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
    pareto_k, labels = found["pareto_k"].to_numpy(), found["label"].to_numpy()
    height, ends = _heights(pareto_k)
    _dots(ax, pareto_k, found["refined_by"].to_numpy() == "nuts", height)
    for limit, style in ((GOOD, ":"), (POOR, "--")):
        ax.axhline(limit, color="0.6", lw=1, ls=style, zorder=0)
    poor = np.flatnonzero(pareto_k > POOR)
    if len(labels) <= TICKED:
        ax.set_xticks(
            np.arange(len(labels)), labels, rotation=40, ha="right", rotation_mode="anchor"
        )
    else:
        _names(ax, poor[::-1][:NAMED], height, labels)
    ax.set_title(f"Pareto k above {POOR}: {len(poor)} of {len(labels)}", loc="left")
    ax.set(ylim=ends, ylabel="Pareto k", xlabel="datasets, by Pareto k")
    ax.set_xlim(-0.5 - 0.01 * len(height), len(height) - 0.5 + 0.01 * len(height))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize="small", loc="lower right")
    return ax


def _diagnosis(fit: Fit) -> xr.Dataset:
    """The group ``amortized``, which must have Pareto k."""
    found = group(fit, "amortized")
    if "pareto_k" not in found:
        raise KeyError(
            f"fit: expected 'pareto_k' in the group 'amortized', got {', '.join(map(str, found))}. "
            "Pass what AmortizedPosterior.sample returns for a model that has a likelihood."
        )
    return found


def _by_size(found: xr.Dataset) -> xr.Dataset:
    """Pareto k, ``refined_by`` and ``label`` of each dataset: first unknown k, last the largest."""
    coordinates = [found[dim].to_numpy() for dim in found["pareto_k"].dims]
    labels = [", ".join(map(str, cell)) for cell in product(*coordinates)]
    pareto_k = found["pareto_k"].to_numpy().ravel()
    columns = {"pareto_k": pareto_k, "refined_by": found["refined_by"].to_numpy().ravel()}
    order = np.argsort(np.nan_to_num(pareto_k, nan=-np.inf, posinf=np.inf), kind="stable")
    return xr.Dataset(
        {n: ("dataset", v[order]) for n, v in (columns | {"label": np.array(labels)}).items()}
    )


def _heights(pareto_k: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Where to draw k, infinite and unknown ones at the ends, and these ends."""
    finite = pareto_k[np.isfinite(pareto_k)]
    low, high = finite.min(initial=0.0), finite.max(initial=POOR)
    ends = low - 0.05 * (high - low), high + 0.15 * (high - low)
    return np.clip(np.nan_to_num(pareto_k, nan=ends[0], posinf=ends[1]), *ends), ends


def _dots(ax: Axes, pareto_k: np.ndarray, by_nuts: np.ndarray, height: np.ndarray) -> None:
    """A dot for each dataset: its colour says how large k is, its shape what else is known."""
    poor, infinite, unknown = pareto_k > POOR, np.isposinf(pareto_k), np.isnan(pareto_k)
    styles = {
        f"at most {POOR}": (~poor & ~unknown & ~by_nuts, COLOURS[0], "o"),
        f"above {POOR}": (poor & ~infinite & ~by_nuts, COLOURS[1], "o"),
        "infinite": (infinite & ~by_nuts, COLOURS[1], "^"),
        "drawn by NUTS instead": (by_nuts & ~infinite & ~unknown, COLOURS[2], "D"),
        "infinite, drawn by NUTS instead": (by_nuts & infinite, COLOURS[2], "^"),
        "unknown": (unknown, "0.5", "x"),
    }
    for label, (which, colour, marker) in styles.items():
        if which.any():
            x = np.flatnonzero(which)
            ax.plot(x, height[x], marker, color=colour, ms=4, label=label, clip_on=False)


def _names(ax: Axes, worst: np.ndarray, height: np.ndarray, labels: np.ndarray) -> None:
    """Labels beside the axes, the worst on top, each with a line to its dot."""
    for place, number in enumerate(worst):
        ax.annotate(
            labels[number],
            (number, height[number]),
            (1.03, 1 - place / NAMED),
            textcoords="axes fraction",
            fontsize="small",
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": "0.75", "lw": 0.6},
        )

"""Pictures of training, on matplotlib, and the colours of all pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLOURS", "plot_training"]

# Okabe and Ito (2008), Color Universal Design, in the order that tells two fits apart best.
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
HISTORY: Final = ("simulations", "loss", "held_out_loss")


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
    ax.set(xlabel="simulations", ylabel="loss: mean -log q(parameters | data), up to a constant")
    ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    ax.set_xlim(left=0)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", alpha=0.25)
    ax.legend(frameon=False, loc="upper right")
    return ax


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

"""Pictures of what :meth:`AmortizedPosterior.calibrate` returns, on matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import xarray as xr

from pymc_amortized.calibration import LOG_DENSITIES, quantity_labels, ranks_group
from pymc_amortized.inference_data import Fit, group
from pymc_amortized.plots import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_calibration", "plot_recovery"]

GREY: Final = "0.55"
NAMED: Final = len(COLOURS)
PANEL_COLUMNS: Final = 4


def plot_calibration(
    calibration: Fit,
    *,
    var_names: str | Sequence[str] | None = None,
    ax: Sequence[Axes] | np.ndarray | None = None,
) -> np.ndarray:
    """Draw whether the network's posteriors of simulated data hold what made the data.

    On the left the distribution function of the ranks minus the uniform one, which stays within
    the grey band for a right posterior (in 95 of 100 checks, for each quantity): a curve like a
    hill and a valley tells of a wrong location, one like an S of a wrong width. On the right how
    often central intervals hold the truth, against how often they should: too seldom below the
    diagonal. The quantities that fail worst have colours and names, those that pass are grey, and
    dashed are any others that fail.

    Parameters
    ----------
    calibration : arviz.InferenceData or xarray.DataTree
        What :meth:`AmortizedPosterior.calibrate` returned.
    var_names : str or sequence of str, optional
        Quantities to draw, as the group ``calibration`` names them, or whole variables; by default
        all.
    ax : sequence of two matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    ndarray of matplotlib.axes.Axes
        The two.

    Raises
    ------
    KeyError, TypeError
        If `calibration` is something else.
    ValueError
        If `var_names` are not among the quantities.

    References
    ----------
    Säilynoja, Bürkner and Vehtari (2022), Statistics and Computing 32.
    """
    found = _chosen(group(calibration, "calibration"), var_names)
    ranks = _flat_ranks(group(calibration, ranks_group(found)), found)
    from matplotlib import pyplot as plt

    if ax is None:
        _, ax = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    axes = np.asarray(ax).ravel()
    colours = _colours(found)
    _distribution_functions(axes[0], found, ranks, colours)
    _coverages(axes[1], found, colours)
    for panel in axes:
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(alpha=0.25)
    return axes


def plot_recovery(
    calibration: Fit,
    *,
    var_names: str | Sequence[str] | None = None,
    ax: Sequence[Axes] | np.ndarray | None = None,
) -> np.ndarray:
    """Draw posterior means of simulated data against the parameters that made the data.

    Parameters
    ----------
    calibration : arviz.InferenceData or xarray.DataTree
        What :meth:`AmortizedPosterior.calibrate` returned.
    var_names : str or sequence of str, optional
        Parameters to draw, as the group ``calibration`` names them, or whole variables; by
        default all.
    ax : sequence of matplotlib.axes.Axes, optional
        One for each parameter; by default a new figure.

    Returns
    -------
    ndarray of matplotlib.axes.Axes
        One for each parameter. Points are means, lines one posterior sd; the title has the
        correlation and the contraction, 1 - posterior variance / variance of the truth.

    Raises
    ------
    KeyError, TypeError
        If `calibration` is something else.
    ValueError
        If `var_names` are not among the parameters, or `ax` are not as many.
    """
    every = group(calibration, "calibration")
    parameters = every.sel(quantity=[q for q in _quantities(every) if q not in LOG_DENSITIES])
    found = _chosen(parameters, var_names)
    names = _quantities(found)
    axes = _grid(len(names)) if ax is None else np.atleast_1d(ax).ravel()
    if len(axes) != len(names):
        raise ValueError(
            f"ax: expected one Axes for each of the {len(names)} parameters, got {len(axes)}. "
            "Choose parameters with var_names, or leave ax out."
        )
    for panel, name in zip(axes, names, strict=True):
        one = found.sel(quantity=name)
        _recovery(panel, one["truth"].to_numpy(), one["mean"].to_numpy(), one["sd"].to_numpy())
        agreement = np.corrcoef(one["truth"], one["mean"])[0, 1]
        about = f"r {agreement:.2f}, contraction {float(one['contraction']):.2f}"
        panel.set_title(f"{name}\n{about}", fontsize="small")
    return axes


def _quantities(found: xr.Dataset) -> list[str]:
    return [str(name) for name in found["quantity"].to_numpy()]


def _chosen(found: xr.Dataset, wanted: str | Sequence[str] | None) -> xr.Dataset:
    """The quantities wanted, by their own name or that of their variable."""
    if wanted is None:
        return found
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    every = _quantities(found)
    variables = {name.partition("[")[0] for name in every}
    if not names or (unknown := [n for n in names if n not in {*every, *variables}]):
        got = ", ".join(map(repr, unknown)) if names else "none"
        raise ValueError(
            f"var_names: expected some of {', '.join(sorted({*every, *variables}))}, got {got}."
        )
    return found.sel(quantity=[q for q in every if {q, q.partition("[")[0]} & set(names)])


def _flat_ranks(sbc: xr.Dataset, found: xr.Dataset) -> np.ndarray:
    """Ranks of the quantities that are left: (simulations, quantities)."""
    columns = [variable.to_numpy()[0].reshape(variable.shape[1], -1) for variable in sbc.values()]
    labels = quantity_labels(sbc)
    ranks = dict(zip(labels, np.concatenate(columns, axis=1).T, strict=True))
    return np.stack([ranks[name] for name in _quantities(found)], axis=1)


def _colours(found: xr.Dataset) -> dict[str, str]:
    """A colour for each of those that fail, the worst first, as far as colours go."""
    missed = abs(found["coverage"] - found["level"]).max("level").to_numpy()
    order = np.lexsort((-missed, found["p_value"].to_numpy()))
    failed = [k for k in order if not found["calibrated"].to_numpy()[k]]
    names = _quantities(found)
    return {names[k]: colour for k, colour in zip(failed[:NAMED], COLOURS, strict=False)}


def _styles(found: xr.Dataset, colours: dict[str, str]) -> dict[str, dict[str, object]]:
    passed = dict(zip(_quantities(found), found["calibrated"].to_numpy(), strict=True))
    grey = {
        name: {"color": GREY, "lw": 1, "ls": "-" if ok else "--"} for name, ok in passed.items()
    }
    return grey | {name: {"color": colour, "lw": 2} for name, colour in colours.items()}


def _distribution_functions(
    ax: Axes, found: xr.Dataset, ranks: np.ndarray, colours: dict[str, str]
) -> None:
    points, styles = found["point"].to_numpy(), _styles(found, colours)
    lower, upper = found["band"].to_numpy()
    ax.fill_between(points, lower, upper, color="0.9", lw=0, label="95 % band")
    p_values = found["p_value"].to_numpy()
    for name, column, p_value in zip(_quantities(found), ranks.T, p_values, strict=True):
        function = np.searchsorted(np.sort(column), points, side="right") / len(column)
        label = f"{name}, p = {p_value:.2g}" if name in colours else None
        ax.plot(points, function - points, label=label, **styles[name])
    ax.set(xlabel="rank of the truth, scaled", ylabel="ECDF - uniform", xlim=(0, 1))
    passed = int(found["calibrated"].sum())
    ax.set_title(f"{passed} of {len(found['quantity'])} quantities are calibrated", loc="left")
    ax.legend(frameon=False, fontsize="small")


def _coverages(ax: Axes, found: xr.Dataset, colours: dict[str, str]) -> None:
    levels, styles = found["level"].to_numpy(), _styles(found, colours)
    ax.axline((0, 0), slope=1, color="0.8", lw=1)
    for name in _quantities(found):
        covered = found["coverage"].sel(quantity=name).to_numpy()
        ax.plot(levels, covered, **styles[name])
    joint = found["tarp_coverage"].to_numpy()
    ax.plot(levels, joint, color="black", lw=1.5, ls="--", label="all parameters jointly (TARP)")
    ax.set(xlabel="probability of the interval", ylabel="part that holds the truth")
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    ax.set_title("coverage", loc="left")
    ax.legend(frameon=False, fontsize="small", loc="upper left")


def _grid(number: int) -> np.ndarray:
    from matplotlib import pyplot as plt

    columns = min(number, PANEL_COLUMNS)
    rows = -(-number // columns)
    size = (2.6 * columns, 2.7 * rows)
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for unused in grid.ravel()[number:]:
        figure.delaxes(unused)
    return grid.ravel()[:number]


def _recovery(ax: Axes, truth: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> None:
    low, high = np.quantile(np.concatenate([truth, mean]), [0.005, 0.995])
    margin = 0.08 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    ax.axline((low, low), slope=1, color="0.7", lw=1)
    ax.vlines(truth, mean - sd, mean + sd, color=COLOURS[0], alpha=0.15, lw=1)
    ax.plot(truth, mean, ".", color=COLOURS[0], ms=3, alpha=0.6)
    ax.set(xlim=limits, ylim=limits, xlabel="truth", ylabel="posterior mean")
    ax.spines[["top", "right"]].set_visible(False)

"""``pm.Potential`` of unobserved variables: prior draws are kept as often as it says."""

from collections.abc import Callable
from functools import reduce
from operator import add

import numpy as np
import pymc as pm
from pytensor.tensor.variable import TensorVariable

from pymc_amortized.exceptions import UnsupportedModelError

__all__ = ["TRIAL_DRAWS", "kept_by_weight", "log_potential"]

Draw = Callable[[int, int], dict[str, np.ndarray]]

TRIAL_DRAWS = 10_000
"""Draws whose largest weight is the weight of one copy."""

LEAST_KEPT = 1e-3
"""Part of the prior draws that has to be left."""

SPARE = 1.2
"""Draws made for each that is expected to be needed."""


def log_potential(model: pm.Model) -> TensorVariable:
    """Sum of a model's potentials: a scalar graph."""
    return reduce(add, (potential.sum() for potential in model.potentials))


def kept_by_weight(draw: Draw, name: str, trial: np.ndarray, potential: str) -> Draw:
    """Draw from the prior times the potentials.

    Each draw is returned ``floor(w / c + u)`` times, where ``w`` is its weight, ``u`` a uniform
    and ``c`` the largest weight of a trial: ``w / c`` times in the mean, so that the draws follow
    the weighted prior whatever ``c`` is, and seldom more than once (rejection sampling, von
    Neumann 1951, where ``c`` is the largest of all).

    Parameters
    ----------
    draw : callable
        ``(draws, seed) -> {name: array of shape (draws, *shape)}`` from the prior alone.
    name : str
        Log weights among what it returns.
    trial : ndarray of shape (n,)
        Log weights of a number of draws.
    potential : str
        Name of the potential, for errors.

    Returns
    -------
    callable
        The same, without the log weights.

    Raises
    ------
    UnsupportedModelError
        If too few draws would be left.
    """
    _check_weights(trial, potential)
    unit = trial.max()
    kept = np.exp(trial - unit).mean() if np.isfinite(unit) else 0.0
    if kept < LEAST_KEPT:
        raise UnsupportedModelError(
            potential,
            f"is a pm.Potential that leaves {100 * kept:.2g} % of the prior's draws",
            f"expected {100 * LEAST_KEPT:g} % or more: choose priors closer to it, or write it as "
            "a prior distribution",
        )

    def weighted(draws: int, seed: int) -> dict[str, np.ndarray]:
        """Draw until so many are kept."""
        seeds = np.random.SeedSequence(seed)
        rng = np.random.default_rng(seeds)
        pieces, missing = [], draws
        while missing > 0:
            number = int(SPARE * missing / kept) + 1
            values = draw(number, int(seeds.spawn(1)[0].generate_state(1)[0]))
            weights = values.pop(name)
            _check_weights(weights, potential)
            copies = np.floor(np.exp(weights - unit) + rng.random(number)).astype(int)
            index = rng.permutation(np.repeat(np.arange(number), copies))[:missing]
            pieces.append({n: v[index] for n, v in values.items()})
            missing -= len(index)
        return {n: np.concatenate([piece[n] for piece in pieces]) for n in pieces[0]}

    return weighted


def _check_weights(log_weights: np.ndarray, potential: str) -> None:
    if np.isnan(log_weights).any() or (log_weights == np.inf).any():
        raise UnsupportedModelError(
            potential,
            "is a pm.Potential that is NaN or infinite under the prior",
            "expected numbers, or -inf where values are excluded: look at "
            "pm.draw(model.potentials, draws=1000)",
        )

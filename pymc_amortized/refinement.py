"""Importance weights: how good draws of the network are, and better draws from them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pymc_amortized.generation import pareto_smoothed

__all__ = [
    "Diagnosis",
    "check_refine",
    "diagnose",
    "first_proposals",
    "more_proposals",
    "resample",
    "threshold",
    "untrusted",
]

PROPOSALS = (1.25, 10, 100)
"""Proposals for each draw that is kept: at first; once more where weights cannot be trusted; and at
most, where they can be but are worth too few draws."""

SPARE = 1.25
"""Effective draws that are aimed at for each draw that is kept."""

FEWEST_EFFECTIVE = 400
"""Effective draws below which means and intervals are rough (Vehtari et al. 2021, R-hat)."""

FEWEST_PROPOSALS = 1000
"""Proposals at least: the tail of fewer says little."""

SHORTEST_TAIL = 5
"""Weights that a Pareto distribution can be fitted to."""

LARGEST_K = 0.7
"""Pareto k above which weighted draws are not to be trusted."""


class Diagnosis(NamedTuple):
    """What importance weights say of the draws that they belong to.

    Attributes
    ----------
    weights : ndarray of shape (datasets, proposals)
        Smoothed, with a sum of one; even where no weights exist.
    pareto_k : ndarray of shape (datasets,)
        Shape of the raw weights' tail, 0 where the largest are equal; infinite where no weights
        exist or they differ too much to tell, NaN where there are too few proposals to tell
        (below 25).
    importance_ess : ndarray of shape (datasets,)
        Effective sample size of the weighted proposals, between 0 and their number.
    log_marginal_likelihood : ndarray of shape (datasets,)
        Log of the mean raw weight; NaN where no weights exist.
    log_marginal_likelihood_error : ndarray of shape (datasets,)
        Its Monte Carlo standard error; infinite where Pareto k is too large, or is NaN.
    """

    weights: np.ndarray
    pareto_k: np.ndarray
    importance_ess: np.ndarray
    log_marginal_likelihood: np.ndarray
    log_marginal_likelihood_error: np.ndarray

    @property
    def weighted(self) -> np.ndarray:
        """Of which datasets weights exist."""
        return np.isfinite(self.pareto_k)

    def by_dataset(self) -> dict[str, np.ndarray]:
        """All but the weights, by name."""
        return {name: getattr(self, name) for name in self._fields[1:]}


def check_refine(refine: str | None, cannot: str, discrete: Sequence[str]) -> None:
    """Refuse ways of refining that are none, or that a model does not allow.

    Parameters
    ----------
    refine : str or None
        What was asked for.
    cannot : str
        Why draws have no weights, "" if they have.
    discrete : sequence of str
        Free variables that are discrete.

    Raises
    ------
    ValueError
        Naming the argument.
    """
    if refine not in (None, "psis", "auto"):
        raise ValueError(f'refine: expected "psis", "auto" or None, got {refine!r}.')
    if refine and cannot:
        raise ValueError(
            f"refine: expected None, because {cannot} to weight draws by, got {refine!r}. Leave it "
            "out: the network's own draws are all there is."
        )
    if refine == "auto" and discrete:
        raise ValueError(
            f'refine: expected "psis" or None, because NUTS cannot draw the discrete variables '
            f"{', '.join(map(repr, discrete))}, got 'auto'. Weights are exact for them, too."
        )


def first_proposals(draws: int) -> int:
    """How many draws of the network so many refined ones are made of, at first."""
    return max(round(PROPOSALS[0] * draws), FEWEST_PROPOSALS)


def more_proposals(known: Diagnosis, draws: int) -> np.ndarray:
    """How many proposals each dataset needs, after a first look at its weights.

    Where these can be trusted, effective draws grow as proposals do, so that it can be told how
    many are enough; in steps of two, so that many datasets need the same number.

    Parameters
    ----------
    known : Diagnosis
        Of the first proposals.
    draws : int
        Draws that are asked for of each dataset.

    Returns
    -------
    ndarray of int of shape (datasets,)
        0 where the first are enough.
    """
    first = known.weights.shape[1]
    wanted = SPARE * draws / np.maximum(known.importance_ess, 1)
    doublings = np.ceil(np.log2(np.maximum(wanted, 1))).astype(int)
    _, again, most = (max(round(factor * draws), FEWEST_PROPOSALS) for factor in PROPOSALS)
    number = np.where(~(known.pareto_k <= threshold(first)), again, first * 2.0**doublings)
    return np.where(known.importance_ess < draws, np.minimum(number, most), 0).astype(int)


def threshold(proposals: int) -> float:
    """Pareto k above which the weights of so many proposals are not to be trusted.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling, JMLR 25,
    equation 14.
    """
    return min(1 - 1 / np.log10(max(proposals, 2)), LARGEST_K)


def untrusted(
    pareto_k: np.ndarray, importance_ess: np.ndarray, draws: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which datasets have draws that cannot be trusted.

    Parameters
    ----------
    pareto_k, importance_ess : ndarray of shape (datasets,)
        Shape of the weights' tail, infinite where no weights exist; effective draws.
    draws : int
        Draws that were asked for.

    Returns
    -------
    heavy : ndarray of bool of shape (datasets,)
        Where the weights' tail is too heavy, or no weights exist.
    few : ndarray of bool of shape (datasets,)
        Where it is not, but they are worth too few draws.
    """
    heavy = ~(pareto_k <= threshold(first_proposals(draws)))  # NaN is no reason to trust
    return heavy, ~heavy & (importance_ess < min(draws, FEWEST_EFFECTIVE))


def diagnose(log_weight: np.ndarray) -> Diagnosis:
    """Smooth importance weights, and judge draws by them.

    The marginal likelihood is the mean of the raw weights, and the relative standard error of that
    mean the standard error of its logarithm.

    Parameters
    ----------
    log_weight : ndarray of shape (datasets, proposals)
        Log joint of the model minus log density of the proposals.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling, JMLR 25.
    Kong (1992), A note on importance sampling using standardized weights, University of Chicago.
    """
    proposals = log_weight.shape[1]
    largest = log_weight.max(axis=1)  # NaN where there is one
    usable = np.isfinite(largest)
    safe = np.where(usable[:, None], log_weight, 0.0)
    tail = int(min(0.2 * proposals, 3 * np.sqrt(proposals)))
    smallest = np.partition(safe, -tail, axis=1)[:, -tail] if tail else largest
    flat = smallest == safe.max(axis=1)
    relative = np.exp(safe - safe.max(axis=1, keepdims=True))
    total = relative.sum(axis=1)
    weights = relative / total[:, None]
    variance = proposals * np.sum(weights**2, axis=1) - 1
    pareto_k = np.where(usable, 0.0 if tail >= SHORTEST_TAIL else np.nan, np.inf)
    if (fit := usable & ~flat).any() and tail >= SHORTEST_TAIL:
        smoothed, found = pareto_smoothed(safe[fit])
        # not where a single weight is nearly all there is
        told = ~np.isnan(found) & ~np.isnan(smoothed).any(axis=1)
        pareto_k[fit] = np.where(told, found, np.inf)
        weights[fit] = np.where(told[:, None], np.exp(smoothed), weights[fit])
    return Diagnosis(
        weights,
        pareto_k,
        np.where(usable, 1 / np.sum(weights**2, axis=1), 0.0),
        np.where(usable, largest + np.log(total / proposals), np.nan),
        np.where(usable, _error(variance, pareto_k, proposals), np.nan),
    )


def _error(variance: np.ndarray, pareto_k: np.ndarray, proposals: int) -> np.ndarray:
    """Relative standard error of a mean of weights, if their tail lets it be known."""
    error = np.sqrt(np.maximum(variance, 0.0) / proposals)
    return np.where(pareto_k <= threshold(proposals), error, np.inf)  # NaN tells nothing


def resample(weights: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Choose proposals by their weights, none twice while its weight allows.

    Systematic resampling in random order: each proposal is expected ``draws * weight`` times, and
    comes that often, rounded up or down. So weights of up to ``1 / draws`` are chosen without
    replacement, and never with a bias.

    Parameters
    ----------
    weights : ndarray of shape (datasets, proposals)
        With a sum of one for each dataset.
    draws : int
        How many to choose.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray of int of shape (datasets, draws)
        Numbers of the proposals, in random order.

    References
    ----------
    Douc, Cappé and Moulines (2005), Comparison of resampling schemes for particle filtering, ISPA.
    """
    datasets, proposals = weights.shape
    order = rng.permuted(np.tile(np.arange(proposals), (datasets, 1)), axis=1)
    ends = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    points = (rng.random((datasets, 1)) + np.arange(draws)) / draws * ends[:, -1:]
    found = [np.searchsorted(e, p, side="right") for e, p in zip(ends, points, strict=True)]
    chosen = np.take_along_axis(order, np.minimum(found, proposals - 1), axis=1)
    return rng.permuted(chosen, axis=1)

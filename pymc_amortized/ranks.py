"""Ranks of true values among posterior draws, and whether they are uniform."""

from typing import NamedTuple

import numpy as np

__all__ = ["LEVELS", "Uniformity", "coverage", "scaled_ranks", "tarp", "uniformity"]

LEVELS = np.arange(1, 20) / 20
"""Probabilities of the central intervals whose coverage is given."""

NULL_RUNS = 2000
"""Simulated sets of uniform ranks that a set of ranks is held against."""


class Uniformity(NamedTuple):
    """How likely sets of ranks are if they are uniform.

    Attributes
    ----------
    p_value : ndarray of shape (quantities,)
        Of the most telling of three looks at the ranks: their distribution function, and the mean
        and the variance of their normal scores.
    band : ndarray of shape (2, points)
        Simultaneous 95 % band of the empirical distribution function minus the uniform one.
    points : ndarray of shape (points,)
        Where it is taken.
    """

    p_value: np.ndarray
    band: np.ndarray
    points: np.ndarray


def scaled_ranks(
    truth: np.ndarray,
    draws: np.ndarray,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Rank of each true value among the draws of its posterior, scaled into [0, 1].

    Where draws come from another distribution, the truth and they are weighted by the density of
    the posterior over that of the other: given all of these values but not which is which, each
    is the truth with a probability in proportion to its weight (weighted exchangeability:
    Tibshirani, Barber, Candès and Ramdas 2019, NeurIPS). The ranks are then uniform however few
    draws the weights leave.

    Parameters
    ----------
    truth : ndarray of shape (simulations, quantities)
        Values that made the data.
    draws : ndarray of shape (simulations, draws, quantities)
        Draws of the posterior given these data.
    rng : numpy.random.Generator
        Breaks ties, and spreads each rank over its cell.
    weights : ndarray of shape (simulations, 1 + draws), optional
        Of the truth and of each draw, up to a factor for each simulation; equal by default.

    Returns
    -------
    ndarray of shape (simulations, quantities)
        Uniform on [0, 1] where the posteriors are right (Talts, Betancourt, Simpson, Vehtari and
        Gelman 2018, arXiv:1804.06788; Modrák et al. 2023, Bayesian Analysis, for ties).
    """
    if weights is None:
        weights = np.ones((len(truth), 1 + draws.shape[1]))
    own, others = weights[:, :1], weights[:, None, 1:]
    below = (others @ (draws < truth[:, None]))[:, 0]
    ties = own + (others @ (draws == truth[:, None]))[:, 0]
    return (below + rng.random(below.shape) * ties) / weights.sum(axis=1, keepdims=True)


def coverage(ranks: np.ndarray) -> np.ndarray:
    """How often central intervals hold the true value: (simulations, quantities) to (levels, ...).

    The interval of probability ``LEVELS[k]`` should hold it so often.
    """
    return np.mean(2 * np.abs(ranks - 0.5) <= LEVELS[:, None, None], axis=1)


def tarp(
    truth: np.ndarray,
    draws: np.ndarray,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Coverage of regions around random points, of all quantities at once.

    Parameters
    ----------
    truth : ndarray of shape (simulations, quantities)
        Values that made the data.
    draws : ndarray of shape (simulations, draws, quantities)
        Draws of the posterior given these data.
    rng : numpy.random.Generator
        Chooses the points, and breaks ties.
    weights : ndarray of shape (simulations, 1 + draws), optional
        As in :func:`scaled_ranks`.

    Returns
    -------
    ndarray of shape (simulations,)
        Ranks of the truth by distance to a point, uniform on [0, 1] where the posteriors are right
        (Lemos, Coogan, Hezaveh and Perreault-Levasseur 2023, ICML).
    """
    scale = np.where(truth.std(axis=0) > 0, truth.std(axis=0), 1.0)
    points = rng.permutation(truth) / scale  # another simulation's truth: never that of this one's
    inner = np.square(draws / scale - points[:, None]).sum(axis=2)
    own = np.square(truth / scale - points).sum(axis=1)
    return scaled_ranks(own[:, None], inner[..., None], rng, weights)[:, 0]


def uniformity(ranks: np.ndarray, rng: np.random.Generator) -> Uniformity:
    """Test ranks for uniformity, against simulated uniform ones.

    Parameters
    ----------
    ranks : ndarray of shape (simulations, quantities)
        Between 0 and 1.
    rng : numpy.random.Generator
        Of the simulated ranks.

    References
    ----------
    Säilynoja, Bürkner and Vehtari (2022), Graphical test for discrete uniformity and its
    applications in goodness-of-fit evaluation and multiple sample comparison, Statistics and
    Computing 32.
    """
    from scipy.special import bdtr

    number = len(ranks)
    cells = np.clip(number, 2, 100)
    points = np.arange(1, cells) / cells
    null = rng.random((number, NULL_RUNS))
    null_looks, looks = _looks(null, points), _looks(ranks, points)
    pointwise = np.quantile(null_looks[0], 0.05)
    # the distribution function is looked at in many places, but counts as one look of three
    looks[0], null_looks[0] = (_tail(each[0], null_looks[0]) for each in (looks, null_looks))
    p_value = _tail(looks.min(axis=0), null_looks.min(axis=0))
    functions = bdtr(np.arange(number + 1)[:, None], number, points)
    limits = [np.argmax(functions >= part, axis=0) for part in (pointwise / 2, 1 - pointwise / 2)]
    return Uniformity(p_value, np.stack(limits) / number - points, points)


def _tail(values: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Probability of values as small or smaller, by simulated ones."""
    return (1 + np.searchsorted(np.sort(null), values, side="right")) / (1 + len(null))


def _looks(ranks: np.ndarray, points: np.ndarray) -> np.ndarray:
    """P-values of three looks at sets of ranks, the first its smallest: (3, sets)."""
    from scipy.special import bdtr, chdtr, ndtr, ndtri  # 0.1 s that PyMC 6 does not spend

    number = len(ranks)
    ordered = np.sort(ranks, axis=0)
    below = np.stack([np.searchsorted(column, points, side="right") for column in ordered.T], 1)
    upper = np.where(below > 0, 1 - bdtr(np.maximum(below - 1, 0), number, points[:, None]), 1)
    tails = np.minimum(bdtr(below, number, points[:, None]), upper)
    scores = ndtri(np.clip(ranks, 1e-6, 1 - 1e-6))
    mean = 2 * ndtr(-np.abs(scores.mean(axis=0)) * np.sqrt(number))
    spread = chdtr(number, np.square(scores).sum(axis=0))
    return np.stack([2 * tails.min(axis=0), mean, 2 * np.minimum(spread, 1 - spread)])

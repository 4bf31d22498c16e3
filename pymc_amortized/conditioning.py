"""Draws of the network for simulated data, weighted for the posterior given other data besides.

Let parameters ``theta`` come from the posterior given data ``y_obs``, and replicated data ``y``
from them. With ``y_obs`` all three have the joint density ``p(theta) p(y_obs | theta)
p(y | theta)``. Given both data, ``theta`` is therefore a draw from a density proportional to
``p(theta | y) p(y_obs | theta)``: the posterior that the network was trained for, times a
likelihood that the model knows. Where the network is right for data like ``y``, it is one more
draw like the network's own for ``y``, once these are weighted by the likelihood of ``y_obs``
(Säilynoja, Schmitt, Bürkner and Vehtari 2025, arXiv:2502.03279). As the network's own density
stands in the target too, the weights are bounded wherever the likelihood is.
"""

from collections.abc import Callable, Mapping

import numpy as np

from pymc_amortized.sampling import Sampler

__all__ = [
    "LogLikelihood",
    "draws_needed",
    "effective_sample_size",
    "log_weights",
    "normalized",
]

Arrays = Mapping[str, np.ndarray]
LogLikelihood = Callable[[np.ndarray, Arrays], np.ndarray]

PILOTS = 100
"""Simulations that tell how many draws the weights leave."""

MOST_DRAWS = 20
"""Draws at most for each that the weights shall leave."""


def log_weights(
    log_likelihood: LogLikelihood | None, vector: np.ndarray, given: Arrays | None
) -> np.ndarray:
    """Log likelihood of the data that are given besides, zero where there are none.

    Parameters
    ----------
    log_likelihood : callable
        Takes unconstrained parameters (simulations, draws, size) and data (simulations, *shape),
        returns the log density of the latter (simulations, draws). Not asked where none are given.
    vector : ndarray of shape (simulations, draws, size)
        Unconstrained parameters.
    given : mapping of str to ndarray of shape (1, *shape), or None
        The data.

    Returns
    -------
    ndarray of shape (simulations, draws)
        Minus infinity where the density is NaN.
    """
    if given is None:
        return np.zeros(vector.shape[:2])
    repeated = {name: np.repeat(values, len(vector), axis=0) for name, values in given.items()}
    found = log_likelihood(vector, repeated)
    return np.where(np.isnan(found), -np.inf, found)


def normalized(log_weights: np.ndarray) -> np.ndarray:
    """Weights with a sum of one, even where all are zero: (simulations, draws)."""
    largest = log_weights.max(axis=1, keepdims=True)
    known = np.isfinite(largest)
    weights = np.exp(np.where(known, log_weights, 0.0) - np.where(known, largest, 0.0))
    return weights / weights.sum(axis=1, keepdims=True)


def effective_sample_size(log_weights: np.ndarray) -> np.ndarray:
    """How many draws the weights leave, none where all are zero: (simulations,).

    References
    ----------
    Kong (1992), A note on importance sampling using standardized weights, University of Chicago.
    """
    left = 1 / np.square(normalized(log_weights)).sum(axis=1)
    return np.where(np.isfinite(log_weights.max(axis=1)), left, 0.0)


def draws_needed(
    sampler: Sampler,
    log_likelihood: LogLikelihood,
    observed: Arrays,
    given: Arrays,
    draws: int,
    rng: np.random.Generator,
) -> int:
    """How many draws of the network leave so many of half the simulations at least.

    Parameters
    ----------
    sampler : Sampler
        Makes draws, of which none is used again: what is found depends on the data alone.
    log_likelihood : callable
        As in :func:`log_weights`.
    observed : mapping of str to ndarray of shape (simulations, *shape)
        Simulated data.
    given : mapping of str to ndarray of shape (1, *shape)
        The data that are given besides.
    draws : int
        Draws that shall be left.
    rng : numpy.random.Generator
        Source of all randomness.

    Returns
    -------
    int
        Between `draws` and ``MOST_DRAWS`` times that.
    """
    some = {name: values[:PILOTS] for name, values in observed.items()}
    vector = sampler.vectors(some, draws, rng)
    left = np.median(effective_sample_size(log_weights(log_likelihood, vector, given)))
    return draws * int(np.clip(np.ceil(draws / max(left, 1.0)), 1, MOST_DRAWS))

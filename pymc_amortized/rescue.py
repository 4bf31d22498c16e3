"""Datasets that importance weights cannot put right: NUTS, started from the weighted draws."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pymc_amortized.generation import convergence
from pymc_amortized.nuts import Chain, Chains, Start
from pymc_amortized.refinement import resample
from pymc_amortized.sampling import Drawn, Predict, Sampler

__all__ = ["LARGEST_R_HAT", "Rescued", "rescue", "rescued", "starts", "without_chains"]

Arrays = Mapping[str, np.ndarray]

TUNE = (300, 1000)
"""Steps of adaptation: of every dataset, and of those whose chains do not agree after the first."""

LARGEST_R_HAT = 1.01
"""Of chains that agree, as ``pm.sample`` has it."""

PROPOSALS = 4000
"""Draws of the network that starts are chosen from."""

FEWEST = 10
"""Effective draws for each parameter that a covariance is estimated from."""


class Rescued(NamedTuple):
    """Chains of one dataset.

    Attributes
    ----------
    vector : ndarray of shape (chains, draws, size)
        Unconstrained parameters.
    r_hat, ess, divergences : float
        The largest R-hat and the smallest bulk effective sample size of the parameters, NaN with
        one chain or fewer than four draws, and the number of draws that diverged.
    """

    vector: np.ndarray
    r_hat: float
    ess: float
    divergences: float


def without_chains(datasets: int) -> dict[str, np.ndarray]:
    """What is known of the chains of datasets that have none: NaN of shape (datasets,)."""
    return {name: np.full(datasets, np.nan) for name in Rescued._fields[1:]}


def rescue(
    drawn: Drawn,
    numbers: Sequence[int],
    observed: Arrays,
    sampler: Sampler,
    chains_of: Chains,
    sample_shape: tuple[int, int],
    names: Sequence[str],
    rng: np.random.Generator,
    *,
    predict: Predict | None = None,
    advance: Callable[..., None],
) -> None:
    """Replace the draws of some datasets by those of NUTS; what an interrupt leaves over stays.

    Parameters
    ----------
    drawn : Drawn
        Draws for all datasets, and what is known of them; both are changed.
    numbers : sequence of int
        Datasets to draw for.
    observed : mapping of str to ndarray of shape (datasets, *shape)
        Observed values.
    sampler : Sampler
        The amortized posterior, which gives the starts.
    chains_of : callable
        What :func:`pymc_amortized.nuts.nuts_sampler` returned.
    sample_shape : tuple of int
        Chains, and draws in each.
    names : sequence of str
        Variables wanted.
    rng : numpy.random.Generator
        Source of all randomness.
    predict : callable, optional
        Draws observed variables given free ones.
    advance : callable
        Is told how many draws have been made.
    """
    chains, draws = sample_shape
    rows = {k: {name: values[k : k + 1] for name, values in observed.items()} for k in numbers}
    started = {
        k: starts(*sampler.proposals(row, PROPOSALS, rng), chains, rng) for k, row in rows.items()
    }
    possible = [k for k in numbers if started[k]]
    given = [{name: values[0] for name, values in rows[k].items()} for k in possible]
    runs = rescued(chains_of, given, [started[k] for k in possible], draws, rng, advance)
    try:
        for position, found in runs:
            k = possible[position]
            vector = found.vector.reshape(-1, found.vector.shape[-1])
            finished = sampler.of_chains(vector, rows[k], names, rng, predict)
            drawn.put(k, finished, refined_by="nuts", **_known(found))
    except KeyboardInterrupt:
        warnings.warn(
            "NUTS was interrupted. The datasets that it had finished are kept, refined_by tells "
            "which; the others have the draws that they had before.",
            stacklevel=3,
        )


def _known(found: Rescued) -> dict[str, float]:
    return {name: getattr(found, name) for name in Rescued._fields[1:]}


def starts(
    vector: np.ndarray, log_weight: np.ndarray, chains: int, rng: np.random.Generator
) -> list[Start]:
    """Choose where chains start, and guess the scale of the posterior, from weighted draws.

    Where the weights are worth too few draws they are raised to a power below one, the largest
    at which they are worth enough: something between the network and the posterior.

    Parameters
    ----------
    vector : ndarray of shape (draws, size)
        Unconstrained draws of the network.
    log_weight : ndarray of shape (draws,)
        Log joint of the model minus log density of the draws.
    chains : int
        How many.
    rng : numpy.random.Generator
        Chooses the points.

    Returns
    -------
    list of Start
        One for each chain; none where no draw is possible under the model.

    References
    ----------
    Koblents and Míguez (2015), A population Monte Carlo scheme with transformed weights and its
    application to stochastic kinetic models, Statistics and Computing 25.
    """
    possible = np.isfinite(log_weight)
    vector, log_weight = vector[possible], log_weight[possible]
    if not len(vector):
        return []
    weights = _tempered(log_weight, FEWEST * vector.shape[1])
    scale = _scale(vector, weights)
    chosen = resample(weights[None], chains, rng)[0]
    return [Start(vector[k], scale) for k in chosen]


def _tempered(log_weight: np.ndarray, enough: float) -> np.ndarray:
    """Normalized weights to the largest power up to one at which they are worth enough draws."""
    from scipy.optimize import brentq
    from scipy.special import softmax

    enough = min(enough, len(log_weight) / 2)

    def surplus(power: float) -> float:
        return 1 / np.sum(softmax(power * log_weight) ** 2) - enough

    power = 1.0 if surplus(1.0) >= 0 else brentq(surplus, 0.0, 1.0)
    return softmax(power * log_weight)


def _scale(vector: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Cholesky factor of the weighted covariance, correlations shrunk where draws are few."""
    centred = vector - weights @ vector
    covariance = (centred.T * weights) @ centred
    effective, size = 1 / np.sum(weights**2), vector.shape[1]
    variance = np.maximum(np.diag(covariance), np.finfo(np.float32).tiny)
    shrunk = covariance * (1 - min(1.0, size / effective + 1e-6))
    np.fill_diagonal(shrunk, variance)
    return np.linalg.cholesky(shrunk)


def rescued(
    chains_of: Chains,
    observed: Sequence[Arrays],
    started: Sequence[list[Start]],
    draws: int,
    rng: np.random.Generator,
    advance: Callable[..., None],
) -> Iterator[tuple[int, Rescued]]:
    """Draw the chains of each dataset, and once more, for longer, where they do not agree.

    Parameters
    ----------
    chains_of : callable
        What :func:`pymc_amortized.nuts.nuts_sampler` returned.
    observed : sequence of mapping of str to ndarray
        Observed values of each dataset.
    started : sequence of list of Start
        For each dataset one start for each chain.
    draws : int
        Draws in each chain.
    rng : numpy.random.Generator
        Source of all randomness.
    advance : callable
        Is told how many draws have been made.

    Yields
    ------
    number : int
        Of the dataset, in the order in which they end; a second time where it is drawn once more.
    rescued : Rescued
        Its chains.
    """
    left, at = list(range(len(observed))), dict(enumerate(started))
    for tune in TUNE:
        if not left:
            return
        again = []
        owners = [number for number in left for _ in at[number]]
        given = [observed[number] for number in owners]
        every = [start for number in left for start in at[number]]
        ended: dict[int, dict[int, Chain]] = {number: {} for number in left}
        for task, chain in chains_of(given, every, draws, tune, rng):
            number = owners[task]
            ended[number][task] = chain
            advance(draws)
            if len(ended[number]) == len(at[number]):
                found = _judged(ended.pop(number))
                yield number, found
                if found.r_hat > LARGEST_R_HAT:
                    again.append(number)
                    at[number] = _restarts(found.vector)
        left = again


def _judged(chains: Mapping[int, Chain]) -> Rescued:
    ordered = [chains[task] for task in sorted(chains)]
    vector = np.stack([chain.vector for chain in ordered])
    return Rescued(vector, *convergence(vector), float(sum(c.divergences for c in ordered)))


def _restarts(vector: np.ndarray) -> list[Start]:
    """Go on where chains ended, with the scale that they found."""
    together = vector.reshape(-1, vector.shape[-1])
    scale = _scale(together, np.full(len(together), 1 / len(together)))
    return [Start(chain[-1], scale) for chain in vector]

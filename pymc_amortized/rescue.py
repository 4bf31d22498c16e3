"""Datasets that importance weights cannot put right: NUTS, started from the weighted draws."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from pymc_amortized.generation import convergence
from pymc_amortized.nuts import Launch, Nuts
from pymc_amortized.progress import progress_bar
from pymc_amortized.refinement import resample, untrusted
from pymc_amortized.sampling import Drawn, Predict, Sampler

__all__ = ["Rescued", "largest_r_hat", "launch", "rescue", "rescued"]

Arrays = Mapping[str, np.ndarray]

TUNE = (300, 500)
"""Steps of adaptation: of every dataset, and of those whose chains do not agree after the first."""

LARGEST_R_HAT = 1.01
"""Of chains of a thousand draws that agree, as ``pm.sample`` has it."""

PROPOSALS = 4000
"""Draws of the network that starts are chosen from."""

KNOWN = ("r_hat", "ess", "divergences")
"""What is kept of the chains of a dataset."""

FEWEST = 10
"""Effective draws for each parameter that a covariance is estimated from."""


def largest_r_hat(draws: int) -> float:
    """R-hat of chains that agree: what exceeds one by chance falls as their length rises."""
    return 1 + (LARGEST_R_HAT - 1) * max(1.0, 1000 / draws)


class Rescued(NamedTuple):
    """Chains of one dataset.

    Attributes
    ----------
    vector : ndarray of shape (chains, draws, size)
        Unconstrained parameters.
    r_hat, ess, divergences : float
        The largest R-hat and the smallest bulk effective sample size of the parameters, NaN with
        one chain or fewer than four draws, and the number of draws that diverged.
    again : bool
        Whether the dataset is drawn once more, because its chains do not agree.
    """

    vector: np.ndarray
    r_hat: float
    ess: float
    divergences: float
    again: bool = False


def rescue(
    drawn: Drawn,
    observed: Arrays,
    sampler: Sampler,
    nuts: Callable[[], Nuts],
    prior: Callable[[], np.ndarray],
    sample_shape: tuple[int, int],
    names: Sequence[str],
    rng: np.random.Generator,
    *,
    predict: Predict | None = None,
    progressbar: bool = False,
) -> None:
    """Replace draws that cannot be trusted by those of NUTS; what an interrupt leaves over stays.

    Parameters
    ----------
    drawn : Drawn
        Draws for all datasets, and what is known of them; both are changed.
    observed : mapping of str to ndarray of shape (datasets, *shape)
        Observed values.
    sampler : Sampler
        The amortized posterior, which gives the starts.
    nuts : callable
        Called if needed, returns what :func:`pymc_amortized.nuts.nuts_sampler` returned.
    prior : callable
        Called if needed, returns unconstrained draws of the prior, (draws, size).
    sample_shape : tuple of int
        Chains, and draws in each.
    names : sequence of str
        Variables wanted.
    rng : numpy.random.Generator
        Source of all randomness.
    predict : callable, optional
        Draws observed variables given free ones.
    progressbar : bool, default False
        Show the progress.
    """
    known = [drawn.diagnosis[name] for name in ("pareto_k", "importance_ess")]
    drawn.diagnosis.update({name: np.full(len(known[0]), np.nan) for name in KNOWN})
    poor = np.flatnonzero(np.logical_or(*untrusted(*known, prod(sample_shape)))).tolist()
    if not poor:
        return
    rows = {k: {name: values[k : k + 1] for name, values in observed.items()} for k in poor}
    streams = dict(zip(poor, rng.spawn(len(poor)), strict=True))  # they end in any order
    total = len(poor) * prod(sample_shape)
    with progress_bar("NUTS", total, disable=not progressbar) as advance:
        try:
            for k, found in _runs(rows, sampler, nuts(), prior(), sample_shape, rng):
                vector = found.vector.reshape(-1, found.vector.shape[-1])
                finished = sampler.of_chains(vector, rows[k], names, streams[k], predict)
                drawn.put(k, finished, refined_by="nuts", **_known(found))
                advance(0 if found.again else len(vector))
        except KeyboardInterrupt:
            warnings.warn(
                "NUTS was interrupted. The datasets that it had finished are kept, refined_by "
                "tells which; the others have the draws that they had before.",
                stacklevel=4,
            )


def _runs(
    rows: Mapping[int, Arrays],
    sampler: Sampler,
    nuts: Nuts,
    prior: np.ndarray,
    sample_shape: tuple[int, int],
    rng: np.random.Generator,
) -> Iterator[tuple[int, Rescued]]:
    """Chains of the datasets for which there are starts, by number."""
    chains, draws = sample_shape
    launches = {
        k: launch(*_candidates(sampler, row, prior, rng), chains, rng) for k, row in rows.items()
    }
    started = {k: start for k, start in launches.items() if start is not None}
    given = [{name: values[0] for name, values in rows[k].items()} for k in started]
    for position, found in rescued(nuts, given, list(started.values()), draws, rng):
        yield list(started)[position], found


def _candidates(
    sampler: Sampler, row: Arrays, prior: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Points to start from, and log weights: the network's draws, or those of the prior.

    The latter where one of them is likelier than all of the former, which happens where the
    network extrapolates. Their weights count the prior twice, so that they are a start, no more.
    """
    vector, log_weight, own = sampler.proposals(row, PROPOSALS, rng)
    priors = sampler.density.log_joint(prior[None], row)[0]
    best, prior_best = (np.max(lp[np.isfinite(lp)], initial=-np.inf) for lp in (own, priors))
    return (prior, priors) if prior_best > best else (vector, log_weight)


def _known(found: Rescued) -> dict[str, float]:
    return {name: getattr(found, name) for name in KNOWN}


def launch(
    vector: np.ndarray, log_weight: np.ndarray, chains: int, rng: np.random.Generator
) -> Launch | None:
    """Choose where chains start, and guess at the posterior, from weighted draws.

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
    Launch or None
        None where no draw is possible under the model.

    References
    ----------
    Koblents and Míguez (2015), A population Monte Carlo scheme with transformed weights and its
    application to stochastic kinetic models, Statistics and Computing 25.
    """
    possible = np.isfinite(log_weight)
    vector, log_weight = vector[possible], log_weight[possible]
    if not len(vector):
        return None
    weights = _tempered(log_weight, FEWEST * vector.shape[1])
    points = vector[resample(weights[None], chains, rng)[0]]
    return Launch(points, weights @ vector, _scale(vector, weights))


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
    nuts: Nuts,
    observed: Sequence[Arrays],
    launches: Sequence[Launch],
    draws: int,
    rng: np.random.Generator,
) -> Iterator[tuple[int, Rescued]]:
    """Draw the chains of each dataset, and once more, for longer, where they do not agree.

    Parameters
    ----------
    nuts : callable
        What :func:`pymc_amortized.nuts.nuts_sampler` returned.
    observed : sequence of mapping of str to ndarray
        Observed values of each dataset.
    launches : sequence of Launch
        Where the chains of each start.
    draws : int
        Draws in each chain.
    rng : numpy.random.Generator
        Source of all randomness.

    Yields
    ------
    number : int
        Of the dataset, in the order in which they end; a second time where it is drawn once more.
    rescued : Rescued
        Its chains.
    """
    left, launches = list(range(len(observed))), list(launches)
    for tune in TUNE:
        again = []
        given = [observed[number] for number in left], [launches[number] for number in left]
        for position, chains in nuts(*given, draws, tune, rng) if left else ():
            number = left[position]
            found = Rescued(chains.vector, *convergence(chains.vector), float(chains.divergences))
            if found.r_hat > largest_r_hat(draws) and tune != TUNE[-1]:
                again.append(number)
                launches[number] = _relaunch(chains.vector)
                found = found._replace(again=True)
            yield number, found
        left = sorted(again)


def _relaunch(vector: np.ndarray) -> Launch:
    """Go on where chains ended, with the scale that they found."""
    together = vector.reshape(-1, vector.shape[-1])
    scale = _scale(together, np.full(len(together), 1 / len(together)))
    return Launch(vector[:, -1], together.mean(axis=0), scale)

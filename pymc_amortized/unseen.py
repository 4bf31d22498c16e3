"""Datasets of which nothing is seen: their posterior is the prior, drawn from the model itself."""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import pymc as pm

from pymc_amortized.graphs import ancestors_by_value, varied_variables
from pymc_amortized.predictive import free_sampler
from pymc_amortized.sampling import Drawn, Predict, Sampler

__all__ = ["put_prior", "unseen"]

Arrays = Mapping[str, np.ndarray]
Draw = Callable[[int, int], dict[str, np.ndarray]]

EXACT = {
    "pareto_k": 0.0,
    "log_marginal_likelihood": 0.0,
    "log_marginal_likelihood_error": 0.0,
}
"""What is known of draws from the prior: data that are not there have probability one."""


def unseen(observed: Arrays, outcomes: Collection[str]) -> np.ndarray:
    """Numbers of the datasets of which no outcome is seen: values of shape (datasets, *shape)."""
    seen = [np.isfinite(observed[n].reshape(len(observed[n]), -1)).any(axis=1) for n in outcomes]
    return np.flatnonzero(~np.any(seen, axis=0))


def put_prior(
    drawn: Drawn,
    numbers: Sequence[int],
    model: pm.Model,
    sampler: Sampler,
    draw: Draw,
    sort: Collection[str],
    observed: Arrays,
    names: Sequence[str],
    rng: np.random.Generator,
    *,
    predict: Predict | None = None,
) -> None:
    """Replace the draws of some datasets by those of the prior given their varied data.

    Parameters
    ----------
    drawn : Drawn
        Draws for all datasets, which are changed.
    numbers : sequence of int
        Of these datasets.
    model : pm.Model
        The model.
    sampler : Sampler
        Of its amortized posterior.
    draw : callable
        The model's forward sampler.
    sort : collection of str
        Variables whose draws are sorted.
    observed : mapping of str to ndarray of shape (datasets, *shape)
        Data.
    names : sequence of str
        Variables wanted.
    rng : numpy.random.Generator
        Source of all randomness.
    predict : callable, optional
        Draws observed variables given free ones.
    """
    size = next(iter(drawn.statistics.values())).shape[1]
    varied = [rv.name for rv in varied_variables(model)]
    depends = set(varied_variables(model)) & ancestors_by_value(model.free_RVs)
    given = free_sampler(model, sort) if depends and not model.potentials else None
    if depends and given is None:
        return
    of_model = sampler.parameters
    for number in numbers:
        row = {name: values[number : number + 1] for name, values in observed.items()}
        seed = int(rng.integers(2**31))
        if given is None:
            values = draw(size, seed)
        else:
            values = given({n: np.repeat(row[n], size, axis=0) for n in varied}, seed)
        vector, _ = of_model.unconstrain(of_model.dequantized(values, rng))
        finished = sampler.of_chains(vector, row, names, rng, predict)
        known = EXACT | {"importance_ess": float(size), "refined_by": "none"}
        drawn.put(number, finished, **{n: v for n, v in known.items() if n in drawn.diagnosis})

"""Observed values that no parameters of the prior make possible."""

import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pymc as pm

from pymc_amortized.batching import Batched, batched_function
from pymc_amortized.data import Datasets
from pymc_amortized.density import log_density_terms
from pymc_amortized.forward import ForwardSampler, prior_sampler
from pymc_amortized.gaps import completed, mask_name
from pymc_amortized.graphs import outcome_variables
from pymc_amortized.structure import sorted_names

__all__ = ["Support", "data_support", "support_draws"]

Arrays = Mapping[str, np.ndarray]

STAGES = (1, 10, 100, 1000)
"""Prior draws under which observed values are tried, each stage for those not yet possible."""

CROSSED = 30
"""Prior draws that are held against each other's data."""


class Support(NamedTuple):
    """Where the observed variables of a model have a density.

    Attributes
    ----------
    names : list of str
        Observed variables.
    given : list of str
        The same, and varied data.
    log_likelihood : callable
        Values of the free variables and of all these to the log densities of the observed ones.
    draws : list of ndarray of shape (1, n, *shape)
        Draws of the free variables from their prior.
    fixed : dict of str to bool
        Whether the support of each observed variable is the same under all of these draws.
    fillers : dict of str to ndarray of shape (*shape)
        Valid values of all data, which stand where there are none.
    """

    names: list[str]
    given: list[str]
    log_likelihood: Batched
    draws: list[np.ndarray]
    fixed: dict[str, bool]
    fillers: Arrays

    def outside(self, values: Arrays) -> dict[str, np.ndarray]:
        """Where the density of observed values is zero under every draw that is tried.

        Parameters
        ----------
        values : mapping of str to ndarray of shape (datasets, *shape)
            Observed values.

        Returns
        -------
        dict of str to ndarray of shape (datasets, *elements)
            True where none makes it possible; without the axes of a multivariate variable.
        """
        complete = completed(values, self.fillers)
        data = [np.expand_dims(complete[name], 1) for name in self.given]
        found = dict(zip(self.names, _never(self.log_likelihood, self.draws, data), strict=True))
        for name, where in found.items():
            if where.shape == values[name].shape:
                where &= complete[mask_name(name)]
        return found

    def check(self, datasets: Datasets) -> None:
        """Refuse data that are all impossible; warn of some, which must not lose the others.

        Where the support depends on parameters, data that seem impossible are warned of, too.

        Raises
        ------
        ValueError
            Naming the variable, the datasets and an example.
        """
        for name, where in self.outside(datasets.values).items():
            if not where.any():
                continue
            varied = ", ".join(repr(n) for n in self.given if n not in self.names)
            found = f"observed: expected values of {name!r} inside the support of its distribution"
            found += f" given {varied}," if varied else ","
            found += f" got {_described(datasets, name, where)}"
            if not self.fixed[name]:
                found += f" under {STAGES[-1]} draws of the prior: the posterior was trained on "
                found += "nothing like them. Look at the data, or widen the prior."
            else:
                found += ": no parameters make them possible. Correct the data, or choose another "
                found += "distribution."
                if _any(where).all():
                    raise ValueError(found)
            warnings.warn(found, stacklevel=4)


def support_draws(model: pm.Model, sampler: ForwardSampler) -> dict[str, np.ndarray]:
    """Draws for :func:`data_support`, of data no more than it needs if these are made one by one.

    Parameters
    ----------
    model : pm.Model
        A model of which every variable has a density.
    sampler : ForwardSampler
        Of the same model.
    """
    if sampler.vectorized or model.potentials:
        return sampler.complete(STAGES[-1], 0)
    few = sampler.complete(CROSSED, 0)
    more = prior_sampler(model, sorted_names(model)).draw(STAGES[-1] - CROSSED, 1)
    return few | {name: np.concatenate([few[name], more[name]]) for name in more}


def data_support(model: pm.Model, prior: Arrays) -> Support:
    """Compile a search for observed values that no parameters of the prior make possible.

    Parameters
    ----------
    model : pm.Model
        A model of which every variable has a density.
    prior : mapping of str to ndarray of shape (n, *shape)
        Joint draws of the free and the observed variables, of which up to 1000 are used, of the
        latter 30.
    """
    free, observed = model.free_RVs, outcome_variables(model)
    values, terms = log_density_terms(model, [*free, *observed], transformed=False)
    axes = [(1, None)] * len(free) + [(None, 1)] * (len(values) - len(free))
    log_likelihood = batched_function(values, terms[len(free) :], batch_shapes=axes)
    draws = [np.asarray(prior[rv.name])[None, : STAGES[-1]] for rv in free]
    names = [rv.name for rv in observed]
    given = [value.name for value in values[len(free) :]]
    fillers = {name: np.asarray(prior[name])[0] for name in given}
    own = [np.expand_dims(np.asarray(prior[name])[:CROSSED], 1) for name in given]
    with np.errstate(all="ignore"):
        crossed = log_likelihood(*(draw[:, :CROSSED] for draw in draws), *own)
    fixed = {name: not np.any(c == -np.inf) for name, c in zip(names, crossed, strict=True)}
    return Support(names, given, log_likelihood, draws, fixed, fillers)


def _never(
    log_likelihood: Batched, draws: Sequence[np.ndarray], data: Sequence[np.ndarray]
) -> list[np.ndarray]:
    impossible: list[np.ndarray] = []
    left = np.arange(len(data[0]))
    for number in STAGES:
        some = [draw[:, :number] for draw in draws]
        with np.errstate(all="ignore"):
            pieces = log_likelihood(*some, *(d[left] for d in data))
        now = [np.all(piece == -np.inf, axis=1) for piece in pieces]
        if not impossible:
            impossible = now
        for known, new in zip(impossible, now, strict=True):
            known[left] = new
        left = np.flatnonzero(np.any([_any(known) for known in impossible], axis=0))
        if not left.size:
            break
    return impossible


def _any(where: np.ndarray) -> np.ndarray:
    return where.reshape(len(where), -1).any(axis=1)


def _described(datasets: Datasets, name: str, where: np.ndarray) -> str:
    """How many values lie outside, in which datasets, and one of them."""
    numbers = np.flatnonzero(_any(where))
    which = f" in the datasets {datasets.named(numbers)}" if datasets.dims else ""
    example = datasets.values[name][numbers[0]][where[numbers[0]]][0]
    return f"{int(where.sum())} outside it{which}, such as {example}"

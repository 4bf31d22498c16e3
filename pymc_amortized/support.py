"""Observed values that no parameters make possible."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pymc as pm

from pymc_amortized.batching import Batched, batched_function
from pymc_amortized.data import Datasets
from pymc_amortized.density import log_density_terms
from pymc_amortized.graphs import observed_variables

__all__ = ["check_support", "support_check"]

Arrays = Mapping[str, np.ndarray]
Outside = Callable[[Arrays, Arrays], dict[str, np.ndarray]]

SUPPORT_DRAWS = (1, 10, 100, 1000)
"""Prior draws under which observed values are tried, each stage for those not yet possible."""


def check_support(outside: Outside, prior: Arrays, datasets: Datasets) -> None:
    """Refuse datasets that are impossible under all of the prior.

    Parameters
    ----------
    outside : callable
        From :func:`support_check`.
    prior : mapping of str to ndarray of shape (n, *shape)
        Draws of the free variables.
    datasets : Datasets
        Observed values.

    Raises
    ------
    ValueError
        Naming the variable, the datasets and an example.
    """
    for name, where in outside(prior, datasets.values).items():
        if where.any():
            numbers = np.flatnonzero(_any(where))
            which = f" in the datasets {', '.join(map(str, numbers[:10]))}" if datasets.dims else ""
            first = datasets.values[name][numbers[0]]
            example = first[where[numbers[0]]].ravel()[0]
            raise ValueError(
                f"observed: expected values of {name!r} inside the support of its distribution, "
                f"got {int(where.sum())} outside it{which}, such as {example}: no parameters of "
                "the prior make them possible. Correct the data or widen the prior."
            )


def support_check(model: pm.Model) -> Outside:
    """Compile a search for observed values that no parameters of the prior make possible.

    Parameters
    ----------
    model : pm.Model
        A model of which every variable has a density.

    Returns
    -------
    callable
        Takes draws of the free variables from their prior, (n, *shape) each, of which up to 1000
        are used, and observed values, (datasets, *shape) each. Returns by observed variable where
        its density is zero under every draw that was tried, of shape ``(datasets, *elements)``,
        without the axes of a multivariate variable.
    """
    free, observed = model.free_RVs, observed_variables(model)
    values, terms = log_density_terms(model, [*free, *observed], transformed=False)
    axes = [(1, None)] * len(free) + [(None, 1)] * len(observed)
    log_likelihood = batched_function(values, terms[len(free) :], batch_shapes=axes)

    def outside(prior: Arrays, data: Arrays) -> dict[str, np.ndarray]:
        """Search data for values that none of the prior's draws make possible."""
        draws = [np.asarray(prior[rv.name])[None] for rv in free]
        rows = [np.expand_dims(data[rv.name], 1) for rv in observed]
        names = [rv.name for rv in observed]
        return dict(zip(names, _never(log_likelihood, draws, rows), strict=True))

    return outside


def _never(
    log_likelihood: Batched, draws: Sequence[np.ndarray], data: Sequence[np.ndarray]
) -> list[np.ndarray]:
    impossible: list[np.ndarray] = []
    left = np.arange(len(data[0]))
    for number in SUPPORT_DRAWS:
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

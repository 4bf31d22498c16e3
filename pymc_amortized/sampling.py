"""Draws from the amortized posterior of many datasets, as plain arrays."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pymc_amortized.data import flat
from pymc_amortized.density import Density
from pymc_amortized.parameters import Parameters
from pymc_amortized.points import Points
from pymc_amortized.preconditioning import Preconditioner

if TYPE_CHECKING:
    from pymc_amortized.networks import Network

__all__ = ["Drawn", "Sampler"]

Arrays = Mapping[str, np.ndarray]
Predict = Callable[[Arrays, int], dict[str, np.ndarray]]

CHUNK = 2**19
"""Draws between two steps of the progress bar: a few hundred MB with dozens of parameters."""


class Drawn(NamedTuple):
    """Draws for a number of datasets, by name.

    Attributes
    ----------
    values : dict of str to ndarray of shape (datasets, draws, *shape)
        Free variables and deterministics.
    statistics : dict of str to ndarray of shape (datasets, draws)
        Log densities.
    predicted : dict of str to ndarray of shape (datasets, draws, *shape)
        Observed variables, drawn anew; empty where that was not asked for.
    """

    values: dict[str, np.ndarray]
    statistics: dict[str, np.ndarray]
    predicted: dict[str, np.ndarray]


class Sampler(NamedTuple):
    """All that draws are made of.

    Attributes
    ----------
    parameters : Parameters
        The free variables as one vector.
    preconditioner : Preconditioner
        The linear part of the posterior.
    network : Network
        The rest of it, trained.
    density : Density or None
        The model's log joint, None where it has no likelihood.
    """

    parameters: Parameters
    preconditioner: Preconditioner
    network: "Network"
    density: Density | None

    def draw(
        self,
        observed: Arrays,
        draws: int,
        names: Sequence[str],
        rng: np.random.Generator,
        *,
        predict: Predict | None = None,
        advance: Callable[..., None],
    ) -> Drawn:
        """Draw for each dataset, some datasets at a time.

        Parameters
        ----------
        observed : mapping of str to ndarray of shape (datasets, *shape)
            Observed values.
        draws : int
            Draws for each dataset.
        names : sequence of str
            Variables wanted.
        rng : numpy.random.Generator
            Source of all randomness.
        predict : callable, optional
            Draws observed variables given free ones.
        advance : callable
            Is told how many draws have been made.
        """
        datasets = len(flat(observed))
        step = max(1, CHUNK // draws)
        pieces = []
        for start in range(0, datasets, step):
            part = {name: value[start : start + step] for name, value in observed.items()}
            pieces.append(self._draw_part(part, draws, names, rng, predict))
            advance(draws * min(step, datasets - start))
        return Drawn(*map(_joined, zip(*pieces, strict=True)))

    def _draw_part(
        self,
        observed: Arrays,
        draws: int,
        names: Sequence[str],
        rng: np.random.Generator,
        predict: Predict | None,
    ) -> Drawn:
        vector, log_q = self._propose(observed, draws, rng)
        statistics = {"log_q": log_q}
        if self.density is not None:
            lp = self.density.log_joint(vector, observed)
            statistics = {"lp": lp, "log_q": log_q, "log_weight": lp - log_q}
        rows = vector.reshape(-1, self.parameters.size)
        free, _ = self.parameters.constrain(rows)
        predicted = predict(free, int(rng.integers(2**31))) if predict else {}
        values = self._named(free, observed, names, draws)
        shape = vector.shape[:2]
        return Drawn(_folded(values, shape), statistics, _folded(predicted, shape))

    def _propose(
        self, observed: Arrays, draws: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Unconstrained vectors (datasets, draws, size), and their log density."""
        features = self.preconditioner.features(flat(observed))
        remainder, log_density = self.network.sample(features, draws, rng)
        vector, log_det = self.preconditioner.restore(remainder, features[:, None])
        return vector, log_density - log_det

    def _named(self, free: Arrays, observed: Arrays, names: Sequence[str], draws: int) -> Arrays:
        """The variables wanted, those derived from others included."""
        values = dict(free)
        if set(names) & set(self.parameters.derived):
            needed = {n: np.repeat(observed[n], draws, axis=0) for n in self.parameters.needs}
            values |= self.parameters.deterministics(free, needed)
        return {name: values[name] for name in names}

    def log_prob(self, points: Points, observed: Arrays) -> np.ndarray:
        """Log density of each point under its dataset, by the constrained parameters.

        Parameters
        ----------
        points : Points
            Values of the free variables, and the dataset of each.
        observed : mapping of str to ndarray of shape (datasets, *shape)
            Observed values.
        """
        features = self.preconditioner.features(flat(observed))[points.dataset]
        vector, log_jacobian = self.parameters.unconstrain(points.values)
        inside = np.isfinite(vector).all(axis=1)
        safe = np.where(inside[:, None], vector, 0.0)
        remainder, log_det = self.preconditioner.remainder(safe, features)
        log_q = self.network.log_prob(remainder[:, None], features)[:, 0]
        return np.where(inside, log_q - log_det - log_jacobian, -np.inf)


def _folded(arrays: Arrays, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {name: array.reshape(*shape, *array.shape[1:]) for name, array in arrays.items()}


def _joined(pieces: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}

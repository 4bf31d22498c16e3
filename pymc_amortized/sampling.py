"""Draws from the amortized posterior of many datasets, as plain arrays."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pymc_amortized.ahead import ahead
from pymc_amortized.blocks import blocks
from pymc_amortized.data import flat
from pymc_amortized.density import Density
from pymc_amortized.dequantization import CELL_POINTS, are_integers, within_cells
from pymc_amortized.encoding import Encoded
from pymc_amortized.familiarity import Familiarity, traits
from pymc_amortized.parameters import Parameters
from pymc_amortized.points import Points
from pymc_amortized.preconditioning import Preconditioner
from pymc_amortized.refinement import diagnose, first_proposals, more_proposals, resample

if TYPE_CHECKING:
    from pymc_amortized.ends import DensityByLength
    from pymc_amortized.networks import Network

__all__ = ["Drawn", "Predict", "Sampler"]

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
    diagnosis : dict of str to ndarray of shape (datasets,)
        How good the draws are; ``refined_by`` and ``surprise`` alone where the model has no
        likelihood.
    """

    values: dict[str, np.ndarray]
    statistics: dict[str, np.ndarray]
    predicted: dict[str, np.ndarray]
    diagnosis: dict[str, np.ndarray]

    def put(self, number: int, other: "Drawn", **diagnosis: float | str) -> None:
        """Replace one dataset's draws by those of another object, and what is known of them."""
        for mine, theirs in zip(self[:3], other[:3], strict=True):
            for name, values in mine.items():
                values[number] = theirs[name][0]
        for name, value in diagnosis.items():
            self.diagnosis[name][number] = value


class _Kept(NamedTuple):
    """Unconstrained draws (datasets, draws, size), what is known of each, and of each dataset."""

    vector: np.ndarray
    statistics: dict[str, np.ndarray]
    diagnosis: Mapping[str, np.ndarray] = MappingProxyType({})

    def take(self, index: np.ndarray) -> "_Kept":
        """Choose some of each dataset's draws, by numbers of shape (datasets, draws)."""
        vector = np.take_along_axis(self.vector, index[..., None], axis=1)
        chosen = {n: np.take_along_axis(v, index, axis=1) for n, v in self.statistics.items()}
        return self._replace(vector=vector, statistics=chosen)

    def put(self, numbers: np.ndarray, others: "_Kept") -> None:
        """Replace some datasets by others."""
        self.vector[numbers] = others.vector
        for mine, theirs in zip(self[1:], others[1:], strict=True):
            for name, values in mine.items():
                values[numbers] = theirs[name]


class _Given(NamedTuple):
    """Datasets, what networks see of them, and how these sum it up."""

    observed: Arrays
    encoded: Encoded
    context: np.ndarray

    def take(self, index: np.ndarray | slice) -> "_Given":
        """Select datasets."""
        return _Given(_part(self.observed, index), self.encoded.take(index), self.context[index])


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
    familiarity : Familiarity
        What simulations are recognized by.
    density : Density or None
        The model's log joint, None where it has no likelihood.
    given : sequence of str
        Data that predictions, and where lengths vary deterministics, need.
    deterministics : callable
        Takes values of free variables and of data, (n, *shape) each, returns deterministics.
    """

    parameters: Parameters
    preconditioner: Preconditioner
    network: "Network"
    familiarity: Familiarity
    density: "Density | DensityByLength | None"
    given: Sequence[str]
    deterministics: Callable[[Arrays], dict[str, np.ndarray]]

    def draw(
        self,
        observed: Arrays,
        draws: int,
        names: Sequence[str],
        rng: np.random.Generator,
        *,
        refine: bool,
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
        refine : bool
            Choose the draws out of more, by importance weights.
        predict : callable, optional
            Draws observed variables given free ones.
        advance : callable
            Is told how many draws have been made.
        """
        datasets = len(flat(observed))
        step = _at_a_time(first_proposals(draws) if refine else draws)
        pieces = []
        for start in range(0, datasets, step):
            part = _part(observed, slice(start, start + step))
            pieces.append(self._draw_part(part, draws, names, rng, refine, predict))
            advance(draws * min(step, datasets - start))
        return Drawn(*map(_joined, zip(*pieces, strict=True)))

    def _draw_part(
        self,
        observed: Arrays,
        draws: int,
        names: Sequence[str],
        rng: np.random.Generator,
        refine: bool,
        predict: Predict | None,
    ) -> Drawn:
        given = self._given(observed)
        kept = (self._refined if refine else self._raw)(given, draws, rng)
        kept.diagnosis["surprise"] = self._surprise(given)
        return self._finished(kept, observed, names, rng, predict)

    def of_chains(
        self,
        vector: np.ndarray,
        observed: Arrays,
        names: Sequence[str],
        rng: np.random.Generator,
        predict: Predict | None = None,
    ) -> Drawn:
        """Finish draws of one dataset that another sampler made.

        Parameters
        ----------
        vector : ndarray of shape (draws, size)
            Unconstrained parameters.
        observed : mapping of str to ndarray of shape (1, *shape)
            Observed values.
        names : sequence of str
            Variables wanted.
        rng : numpy.random.Generator
            Source of all randomness.
        predict : callable, optional
            Draws observed variables given free ones.
        """
        given = self._given(observed)
        remainder, log_det = self.preconditioner.remainder(vector[None], given.encoded.expanded())
        log_q = self.network.log_prob(remainder, given.context) - log_det
        statistics = {"log_q": log_q}
        if self.density is not None:
            lp = self.density.log_joint(vector[None], observed)
            statistics = {"lp": lp, "log_q": log_q, "log_weight": lp - log_q}
        return self._finished(_Kept(vector[None], statistics), observed, names, rng, predict)

    def proposals(
        self, observed: Arrays, draws: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw for one dataset, with log weights and log joints: (draws, size) and (draws,)."""
        vector, known, _ = self._propose(self._given(observed), draws, rng, defensive=True)
        return vector[0], known["log_weight"][0], known["lp"][0]

    def _finished(
        self,
        kept: "_Kept",
        observed: Arrays,
        names: Sequence[str],
        rng: np.random.Generator,
        predict: Predict | None,
    ) -> Drawn:
        free, _ = self.parameters.constrain(kept.vector.reshape(-1, self.parameters.size))
        shape = kept.vector.shape[:2]
        predicted = {}
        if predict:
            given = _repeated(observed, self.given, shape[1])
            predicted = predict(free | given, int(rng.integers(2**31)))
        values = _folded(self._named(free, observed, names, shape[1]), shape)
        return Drawn(values, kept.statistics, _folded(predicted, shape), dict(kept.diagnosis))

    def _surprise(self, given: _Given) -> np.ndarray:
        return self.familiarity.surprise(traits(given.context, given.encoded.features))

    def _given(self, observed: Arrays) -> _Given:
        encoded = self.preconditioner.encoder.encode(flat(observed))
        return _Given(observed, encoded, self.network.summaries(encoded.features))

    def _raw(self, given: _Given, draws: int, rng: np.random.Generator) -> "_Kept":
        """The network's own draws, and what weights say of them."""
        kept = self._propose(given, draws, rng, defensive=False)
        diagnosis = {"refined_by": np.full(len(kept.vector), "none")}
        if self.density is not None:
            diagnosis = diagnose(kept.statistics["log_weight"]).by_dataset() | diagnosis
        return kept._replace(diagnosis=diagnosis)

    def _refined(self, given: _Given, draws: int, rng: np.random.Generator) -> "_Kept":
        """Weighted draws, out of more proposals where the first are worth too few."""
        kept, needed = self._chosen(given, draws, first_proposals(draws), rng)
        for number in np.unique(needed[needed > 0]).tolist():
            poor = np.flatnonzero(needed == number)
            for start in range(0, len(poor), _at_a_time(number)):
                some = poor[start : start + _at_a_time(number)]
                kept.put(some, self._chosen(given.take(some), draws, number, rng)[0])
        lost = np.flatnonzero(kept.diagnosis["refined_by"] == "none")
        if lost.size:
            raw = self._propose(given.take(lost), draws, rng, defensive=False)
            kept.put(lost, raw._replace(diagnosis=_part(kept.diagnosis, lost)))
        return kept

    def _chosen(
        self, given: _Given, draws: int, proposals: int, rng: np.random.Generator
    ) -> tuple["_Kept", np.ndarray]:
        """Draws chosen out of proposals, and how many of these would have been enough."""
        proposed = self._propose(given, proposals, rng, defensive=True)
        known = diagnose(proposed.statistics["log_weight"])
        by = np.where(known.weighted, "psis", "none")
        kept = proposed.take(resample(known.weights, draws, rng))
        kept = kept._replace(diagnosis={**known.by_dataset(), "refined_by": by})
        return kept, more_proposals(known, draws)

    def _propose(
        self, given: _Given, draws: int, rng: np.random.Generator, *, defensive: bool
    ) -> "_Kept":
        """Draw in blocks: the network makes the next one while the present one is weighed."""
        shape = len(given.context), draws
        sample = partial(self.network.sample, rng=rng, defensive=defensive)
        vector = np.empty((*shape, self.parameters.size))  # or an error, if there is no room
        parts = list(blocks(*shape))
        calls = (
            partial(sample, given.context[some], part.stop - part.start) for some, part in parts
        )
        names = ["log_q"] if self.density is None else ["lp", "log_q", "log_weight"]
        statistics = {name: np.empty(shape) for name in names}
        drawing = ahead(calls) if len(parts) > 1 else nullcontext(call() for call in calls)
        with drawing as drawn:  # a thread for one call would take milliseconds
            for (some, part), made in zip(parts, drawn, strict=True):
                vector[some, part], known = self._weighed(*made, given.take(some))
                for name, values in known.items():
                    statistics[name][some, part] = values
        return _Kept(vector, statistics)

    def _weighed(
        self,
        remainder: np.ndarray,
        log_density: np.ndarray,
        log_proposal: np.ndarray,
        given: _Given,
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """What the network drew as unconstrained parameters, and log densities of each draw."""
        vector, log_det = self.preconditioner.restore(remainder, given.encoded.expanded())
        log_q = log_density - log_det
        if self.density is None:
            return vector, {"log_q": log_q}
        lp = self.density.log_joint(vector, given.observed)
        return vector, {"lp": lp, "log_q": log_q, "log_weight": lp - (log_proposal - log_det)}

    def vectors(self, observed: Arrays, draws: int, rng: np.random.Generator) -> np.ndarray:
        """The network's own draws, unconstrained: (datasets, draws, size)."""
        given = self._given(observed)
        remainder, *_ = self.network.sample(given.context, draws, rng)
        return self.preconditioner.restore(remainder, given.encoded.expanded())[0]

    def _named(self, free: Arrays, observed: Arrays, names: Sequence[str], draws: int) -> Arrays:
        """The variables wanted, those derived from others included."""
        values = dict(free)
        if set(names) & set(self.parameters.derived):
            needed = _repeated(observed, [*self.parameters.needs, *self.given], draws)
            values |= self.deterministics(free | needed)
        return {name: values[name] for name in names}

    def log_prob(self, points: Points, observed: Arrays) -> np.ndarray:
        """Log density of each point under its dataset, by the constrained parameters.

        Of discrete parameters the probability mass: the average density of their cell.

        Parameters
        ----------
        points : Points
            Values of the free variables, and the dataset of each.
        observed : mapping of str to ndarray of shape (datasets, *shape)
            Observed values.
        """
        given, dataset = self._given(observed), points.dataset
        step = _at_a_time(CELL_POINTS)
        blocks = (slice(k, k + step) for k in range(0, len(dataset), step))
        pieces = [self._log_mass(_part(points.values, b), given.take(dataset[b])) for b in blocks]
        return np.concatenate(pieces)

    def _log_mass(self, values: Arrays, given: _Given) -> np.ndarray:
        from scipy.special import logsumexp  # 0.1 s that PyMC 6 does not spend

        spread = within_cells(values, self.parameters.discrete)
        vector, log_jacobian = self.parameters.unconstrain(spread)
        vector = vector.reshape(-1, len(given.context), vector.shape[1])
        inside = np.isfinite(vector).all(axis=2) & are_integers(values, self.parameters.discrete)
        safe = np.where(inside[..., None], vector, 0.0)
        remainder, log_det = self.preconditioner.remainder(safe, given.encoded)
        log_q = self.network.log_prob(np.swapaxes(remainder, 0, 1), given.context).T
        log_density = log_q - log_det - log_jacobian.reshape(log_det.shape)
        return logsumexp(np.where(inside, log_density, -np.inf), axis=0) - np.log(len(vector))


def _at_a_time(draws: int) -> int:
    """Datasets that are worked on at once, with so many draws each."""
    return max(1, CHUNK // draws)


def _repeated(observed: Arrays, names: Sequence[str], draws: int) -> dict[str, np.ndarray]:
    """Some of the observed values, once for each draw."""
    return {name: np.repeat(observed[name], draws, axis=0) for name in names}


def _part(arrays: Arrays, datasets: np.ndarray | slice) -> dict[str, np.ndarray]:
    return {name: array[datasets] for name, array in arrays.items()}


def _folded(arrays: Arrays, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {name: array.reshape(*shape, *array.shape[1:]) for name, array in arrays.items()}


def _joined(pieces: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}

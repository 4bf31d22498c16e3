"""How far data lie from everything that a network was trained on."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

__all__ = ["REFERENCES", "Familiarity", "fit_familiarity", "traits"]

REFERENCES = 2000
"""Simulations that summaries are compared with, at most."""

CALIBRATIONS = 10_000
"""Simulations that tell which distances are usual, at most."""

NEIGHBOUR = 5
"""The distance that counts is that to the so many nearest reference."""

TAIL = 20
"""The largest of so many distances each tell how the tail falls."""

SHORTEST_TAIL = 0.01
"""Least index of a tail: where all distances are equal there is none to tell."""

BLOCK = 2**13
"""Datasets whose distances to all references are held at a time."""


def traits(summaries: np.ndarray, features: np.ndarray) -> np.ndarray:
    """What datasets are recognized by: their summaries, and how far out their values lie.

    A good summary leaves out what says nothing of the parameters, so that a gross outlier may not
    show in it.

    Parameters
    ----------
    summaries : ndarray of shape (datasets, features)
        From a network.
    features : ndarray of shape (datasets, inputs)
        The encoded data that it summarized, NaN where there are none.

    Returns
    -------
    ndarray of shape (datasets, features + 2)
        Besides the summaries the largest absolute value and the root mean square of each dataset.
    """
    seen = np.isfinite(features)
    size = np.where(seen, np.abs(features), 0.0)
    mean_square = np.square(size).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    sizes = size.max(axis=1), np.sqrt(mean_square)
    return np.column_stack([summaries, *sizes])


class Familiarity(NamedTuple):
    """Traits of simulations, and how far other simulations' traits lie from them.

    Attributes
    ----------
    location : ndarray of shape (features,)
        Mean of the traits.
    whitening : ndarray of shape (features, features)
        Makes them uncorrelated, of variance one.
    references : ndarray of shape (n, features)
        Whitened traits of simulations.
    distances : ndarray of shape (m,)
        Of other simulations from these, ascending.
    """

    location: np.ndarray
    whitening: np.ndarray
    references: np.ndarray
    distances: np.ndarray

    def surprise(self, found: np.ndarray) -> np.ndarray:
        """Tail probability of each dataset's distance among simulations.

        Datasets that the model made are exchangeable with those that the distances were taken of,
        so that it is uniform on them, whatever the network is worth (Vovk, Gammerman and Shafer
        2005, Algorithmic learning in a random world, section 2.2). Beyond the largest distance the
        tail is taken for a power law (Weissman 1978, JASA 73), so that what lies much further is
        told from what lies just outside.

        Parameters
        ----------
        found : ndarray of shape (datasets, features)
            Their :func:`traits`, from the same network.

        Returns
        -------
        ndarray of shape (datasets,)
            Between 0 and one.
        """
        distance = _distances((found - self.location) @ self.whitening, self.references)
        number = len(self.distances)
        usual = np.searchsorted(self.distances, distance, side="left")
        excess = np.log(np.maximum(distance / self.distances[-1], 1.0))
        return (1 + number - usual) / (1 + number) * np.exp(-excess / self._tail_index())

    def _tail_index(self) -> float:
        """Hill's estimate from the largest distances, for a tail ``x ** (-1 / index)``."""
        tail = np.log(self.distances[-max(2, len(self.distances) // TAIL) :])
        return max(float(np.mean(tail[1:] - tail[0])), SHORTEST_TAIL)

    def arrays(self) -> dict[str, np.ndarray]:
        """All numbers, by name, for :meth:`from_arrays`."""
        return self._asdict()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Familiarity":
        """Make one of what :meth:`arrays` gave."""
        return cls(**{name: arrays[name] for name in cls._fields})


def fit_familiarity(references: np.ndarray, others: np.ndarray) -> Familiarity:
    """Learn which distances between traits of simulations are usual.

    Parameters
    ----------
    references : ndarray of shape (n, features)
        Traits of simulations, ``REFERENCES`` are enough.
    others : ndarray of shape (m, features)
        Traits of other simulations, of which up to 10,000 are used.
    """
    location = references.mean(axis=0)
    squares, axes = np.linalg.eigh(np.atleast_2d(np.cov(references.T)))
    smallest = max(squares.max() * 1e-6, np.finfo(np.float32).tiny)
    whitening = axes / np.sqrt(np.maximum(squares, smallest))
    near, far = (
        ((part - location) @ whitening).astype(np.float32)
        for part in (references, others[:CALIBRATIONS])
    )
    distances = np.maximum(np.sort(_distances(far, near)), np.finfo(np.float32).tiny)
    return Familiarity(location.astype(np.float32), whitening.astype(np.float32), near, distances)


def _distances(points: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Squared distance of each point to its so many nearest reference."""
    nearest = min(NEIGHBOUR, len(references)) - 1
    lengths = np.sum(references**2, axis=1)
    found = np.empty(len(points))
    for start in range(0, len(points), BLOCK):
        some = points[start : start + BLOCK]
        squares = np.sum(some**2, axis=1)[:, None] - 2 * some @ references.T + lengths
        found[start : start + BLOCK] = np.partition(squares, nearest, axis=1)[:, nearest]
    return found

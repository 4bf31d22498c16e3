"""A summary network and a conditional flow as one: data in, distribution of parameters out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from pymc_amortized.backend import tf

__all__ = ["ConditionalFlow", "Network", "Summary"]

ROWS = 4096
"""Draws that are worked on at a time: one compilation serves every number of them."""

Built = Callable[..., Any]


class Summary(Protocol):
    """What a summary factory builds: a map of data to a vector."""

    trainable_variables: Sequence[Any]

    def __call__(self, features: tf.Tensor) -> tf.Tensor:
        """Map (datasets, elements) to (datasets, features)."""


class ConditionalFlow(Protocol):
    """What a flow factory builds: a map of a vector to a TFP distribution."""

    trainable_variables: Sequence[Any]

    def __call__(self, context: tf.Tensor) -> Any:
        """Map (datasets, features) to a distribution of parameters, one for each dataset."""


class Network:
    """Everything that is trained.

    Parameters
    ----------
    summary, flow : callable
        From a factory of ``pma.summaries`` and of ``pma.flows``.
    elements, size : int
        Lengths of the data's and of the parameters' vector.
    seed : int
        Of the initial weights.
    """

    def __init__(self, summary: Built, flow: Built, elements: int, size: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.elements, self.size = elements, size
        self.factories = {"summary": summary, "flow": flow}
        self.summary: Summary = summary(elements, rng)
        self.features = int(self.summary(tf.zeros((1, elements))).shape[-1])
        self.flow: ConditionalFlow = flow(size, self.features, rng)
        self._summarize = tf.function(self.summary, input_signature=[_rows(elements)])
        context, parameters = _rows(self.features, ROWS), _rows(size, ROWS)
        seeds = tf.TensorSpec((2,), tf.int32)
        self._sample = tf.function(
            self._sample_rows, input_signature=[context, seeds], jit_compile=True
        )
        self._log_prob = tf.function(
            self._log_prob_rows, input_signature=[parameters, context], jit_compile=True
        )

    @property
    def trainable_variables(self) -> list[Any]:
        """All weights, those of the summary first."""
        return [*self.summary.trainable_variables, *self.flow.trainable_variables]

    def weights(self) -> dict[str, np.ndarray]:
        """The weights' values by number."""
        return {f"{k:03d}": np.array(v) for k, v in enumerate(self.trainable_variables)}

    def assign(self, weights: Mapping[str, np.ndarray]) -> None:
        """Set all weights to what :meth:`weights` gave."""
        for key, variable in enumerate(self.trainable_variables):
            variable.assign(weights[f"{key:03d}"])

    def loss(self, parameters: tf.Tensor, features: tf.Tensor) -> tf.Tensor:
        """Negative log density of each simulation: (n, size) and (n, elements) to (n,)."""
        return -self.flow(self.summary(features)).log_prob(parameters)

    def sample(
        self, features: np.ndarray, draws: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw parameters, with their log density.

        Parameters
        ----------
        features : ndarray of shape (datasets, elements)
            Standardized data.
        draws : int
            Draws for each dataset.
        rng : numpy.random.Generator
            Source of the seeds.

        Returns
        -------
        parameters : ndarray of shape (datasets, draws, size)
        log_density : ndarray of shape (datasets, draws)
        """
        context = self._context(features)
        rows = np.repeat(np.arange(len(features)), draws)
        shape = (len(features), draws)
        pieces = []
        for piece in _chunks(rows):
            seed = rng.integers(2**31, size=2, dtype=np.int32)
            pieces.append([t.numpy() for t in self._sample(tf.gather(context, piece), seed)])
        parameters, log_density = (np.concatenate(p)[: len(rows)] for p in zip(*pieces))
        return parameters.reshape(*shape, self.size), log_density.reshape(shape)

    def log_prob(self, parameters: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Evaluate the log density.

        Parameters
        ----------
        parameters : ndarray of shape (datasets, draws, size)
            Points to evaluate at.
        features : ndarray of shape (datasets, elements)
            Standardized data.

        Returns
        -------
        ndarray of shape (datasets, draws)
        """
        context = self._context(features)
        datasets, draws, size = parameters.shape
        rows = np.repeat(np.arange(datasets), draws)
        points = parameters.reshape(-1, size).astype(np.float32)
        pieces = [
            self._log_prob(points[index], tf.gather(context, rows[index])).numpy()
            for index in _chunks(np.arange(len(rows)))
        ]
        return np.concatenate(pieces)[: len(rows)].reshape(datasets, draws)

    def _context(self, features: np.ndarray) -> tf.Tensor:
        return self._summarize(features.astype(np.float32))

    def _sample_rows(self, context: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return self.flow(context).experimental_sample_and_log_prob(seed=seed)

    def _log_prob_rows(self, parameters: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
        return self.flow(context).log_prob(parameters)


def _rows(size: int, rows: int | None = None) -> tf.TensorSpec:
    return tf.TensorSpec((rows, size), tf.float32)


def _chunks(rows: np.ndarray) -> list[np.ndarray]:
    """Pieces of ROWS indices each, the last filled up with the last index."""
    padded = np.pad(rows, (0, -len(rows) % ROWS), mode="edge")
    return list(padded.reshape(-1, ROWS))

"""From noise to parameters: a flow's bijector, compiled, for all flows of the same architecture."""

import os
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from pymc_amortized.backend import compiled, keras, tf
from pymc_amortized.factories import built_by, recipe_of

__all__ = ["Pushforward", "pushforward"]

ROWS = 256
"""Draws of one dataset in a block, whose splines then fit into a processor's cache."""

BLOCKS = 32
"""In one compiled call at most."""

FEWEST = ROWS // 2
"""Draws of a dataset for which blocks are worth what is left empty of them."""

FEW = 2**13
"""Draws of all datasets that are not worth a compilation of seconds: blocks would spare them
milliseconds. By the number alone, so that results do not depend on what was compiled before."""

KEPT = 8
"""Architectures that stay in memory at most."""

Pushed = tuple[np.ndarray, np.ndarray]


class Pushforward:
    """What maps noise to parameters, given contexts.

    XLA makes one call of all blocks, where most of the time would go into reading and writing what
    is between two operations. Blocks have one shape, so that it compiles once, for any number of
    datasets and draws.

    Parameters
    ----------
    flow : ConditionalFlow
        Its ``bijector``; its weights are not used.
    size, features : int
        Number of parameters, length of the context.
    """

    def __init__(self, flow: Any, size: int, features: int) -> None:
        self._flow, self._size, self._features = flow, size, features
        self._blockwise = compiled(self._pushed_blocks, xla=True)
        weights = [tf.TensorSpec(v.shape, tf.float32) for v in flow.trainable_variables]
        context = tf.TensorSpec((None, features), tf.float32)
        self._at_once = compiled(
            self._pushed, weights, context, tf.TensorSpec((None, None, size), tf.float32)
        )

    def __call__(self, weights: list[tf.Tensor], context: np.ndarray, noise: np.ndarray) -> Pushed:
        """Map the noise of some datasets, by the weights of a flow of this architecture.

        Parameters
        ----------
        weights : list of tensor
            Values of its trainable variables.
        context : ndarray of shape (datasets, features)
            What the flow is conditioned on.
        noise : ndarray of shape (datasets, draws, size)
            Standard normal, or not.

        Returns
        -------
        values : ndarray of shape (datasets, draws, size)
            Parameters.
        log_det : ndarray of shape (datasets, draws)
            Log determinant of the map's Jacobian at each.
        """
        if noise.shape[1] < FEWEST or noise.shape[0] * noise.shape[1] <= FEW:
            values, log_det = self._at_once(weights, context, np.swapaxes(noise, 0, 1))
            return np.swapaxes(values, 0, 1), np.transpose(log_det)
        return self._in_blocks(weights, context, noise)

    def _in_blocks(
        self, weights: list[tf.Tensor], context: np.ndarray, noise: np.ndarray
    ) -> Pushed:
        datasets, draws, size = noise.shape
        each = -(-draws // ROWS)
        rows = np.zeros((datasets, each * ROWS, size), np.float32)
        rows[:, :draws] = noise
        rows, contexts = rows.reshape(-1, ROWS, size), np.repeat(context, each, axis=0)

        def pushed(part: slice) -> Pushed:
            number = part.stop - part.start
            values, log_det = self._blockwise(
                weights, _filled(contexts[part]), _filled(rows[part]), tf.constant(number)
            )
            return values.numpy()[:number], log_det.numpy()[:number]

        found = _pool().map(pushed, _parts(len(rows)))
        values, log_det = map(np.concatenate, zip(*found, strict=True))
        shape = datasets, each * ROWS
        return values.reshape(*shape, size)[:, :draws], log_det.reshape(shape)[:, :draws]

    def _pushed_blocks(
        self, weights: list[tf.Tensor], contexts: tf.Tensor, noise: tf.Tensor, number: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Map the first of BLOCKS blocks, one after the other."""

        def push(
            k: tf.Tensor, values: tf.Tensor, log_dets: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            context = tf.slice(contexts, [k, 0], [1, self._features])
            block = tf.slice(noise, [k, 0, 0], [1, ROWS, self._size])
            value, log_det = self._pushed(weights, context, tf.transpose(block, [1, 0, 2]))
            return (
                k + 1,
                tf.tensor_scatter_nd_update(values, [[k]], [value[:, 0]]),
                tf.tensor_scatter_nd_update(log_dets, [[k]], [log_det[:, 0]]),
            )

        empty = tf.zeros_like(noise), tf.zeros(noise.shape[:2])
        return tf.while_loop(lambda k, *_: k < number, push, (tf.constant(0), *empty))[1:]

    def _pushed(
        self, weights: Sequence[tf.Tensor], context: tf.Tensor, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Map noise (draws, datasets, size), given (datasets, features)."""
        scope = zip(self._flow.trainable_variables, weights, strict=True)
        with keras.StatelessScope(state_mapping=list(scope)):
            bijector = self._flow.bijector(context)
            values = bijector.forward(noise)
            log_det = bijector.forward_log_det_jacobian(noise, event_ndims=1)
            return values, tf.broadcast_to(log_det, tf.shape(values)[:-1])  # may be a constant


def pushforward(
    built: Callable[..., Any], flow: Any, size: int, features: int
) -> Pushforward | None:
    """That of a flow, compiled before if it can be; None if the flow has no ``bijector``.

    Parameters
    ----------
    built : callable
        What made the flow: from a factory of ``pma.flows``, or a user's own.
    flow : ConditionalFlow
        The flow.
    size, features : int
        Number of parameters, length of the context.
    """
    if not hasattr(flow, "bijector"):
        return None
    recipe = recipe_of("flow", built)
    if recipe is None:  # may hold what cannot be seen from here
        return Pushforward(flow, size, features)
    return _kept(pickle.dumps((recipe, size, features)))


@lru_cache(KEPT)
def _kept(architecture: bytes) -> Pushforward:
    """That of a flow that is no one's, so that no one's weights stay in memory."""
    recipe, size, features = pickle.loads(architecture)
    twin = built_by("flow", recipe)(size, features, np.random.default_rng(0))
    return Pushforward(twin, size, features)


def _threads() -> int:
    return tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    """One for all calls: TensorFlow needs milliseconds to meet a new thread."""
    return ThreadPoolExecutor(_threads(), "pushforward")


def _parts(blocks: int) -> list[slice]:
    """Cut blocks into calls that keep all threads busy."""
    calls = max(-(-blocks // BLOCKS), min(_threads(), blocks))
    edges = np.linspace(0, blocks, calls + 1).astype(int).tolist()
    return [slice(*pair) for pair in pairwise(edges)]


def _filled(array: np.ndarray) -> np.ndarray:
    """Put zeros behind the blocks of a call, as many as are lacking."""
    if len(array) == BLOCKS:
        return array
    return np.pad(array, [(0, BLOCKS - len(array)), *[(0, 0)] * (array.ndim - 1)])

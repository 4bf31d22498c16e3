"""Networks of exchangeable elements: permuting these changes nothing."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from pymc_amortized.backend import keras, tf
from pymc_amortized.layers import attention, dense
from pymc_amortized.layout import Block

__all__ = ["DeepSet", "SetTransformer", "masked_mean"]


def masked_mean(hidden: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
    """Mean of (..., length, width) over the elements that are there, zero if none."""
    weight = tf.cast(seen, hidden.dtype)[..., None]
    return tf.reduce_sum(hidden * weight, -2) / tf.maximum(tf.reduce_sum(weight, -2), 1.0)


def with_masks(values: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
    """Values, and where they are: (..., columns) to (..., 2 * columns)."""
    return tf.concat([values, tf.cast(seen, values.dtype)], axis=-1)


class _Sets:
    """Sets, or sets of sets, of which the outer may be a row of groups that are told apart.

    Parameters
    ----------
    block : Block
        The data.
    make : callable
        Makes a network of one set: from the number of its columns.
    width : int
        Length of what that network gives.
    """

    def __init__(self, block: Block, make: Callable[[int], Any], width: int) -> None:
        self.block, self.inner = block, make(2 * block.index.shape[-1])
        nested = block.groups > 1
        self.outer = make(width) if nested and block.kind == "set" else None
        self.size = block.groups * width if nested and block.kind == "row" else width

    @property
    def trainable_variables(self) -> list[Any]:
        """All weights."""
        networks = [self.inner] if self.outer is None else [self.inner, self.outer]
        return [variable for network in networks for variable in network.trainable_variables]

    def __call__(self, values: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
        """Map (datasets, length, columns) to (datasets, size)."""
        shape = [-1, values.shape[1] // self.block.groups, 2 * values.shape[2]]
        present = tf.reshape(tf.reduce_any(seen, axis=-1), shape[:2])
        found = self.inner(tf.reshape(with_masks(values, seen), shape), present)
        if self.block.groups == 1:
            return found
        if self.outer is None:
            return tf.reshape(found, [-1, self.size])
        groups = [-1, self.block.groups]
        present = tf.reshape(tf.reduce_any(present, axis=-1), groups)
        return self.outer(tf.reshape(found, [*groups, found.shape[-1]]), present)


class DeepSet(_Sets):
    """The mean of what a residual network makes of each element (Zaheer et al. 2017).

    Parameters
    ----------
    block : Block
        The data.
    rng : numpy.random.Generator
        Of the initial weights.
    width, layers : int
        As in :func:`pymc_amortized.summaries.deep_set`.
    """

    def __init__(
        self, block: Block, rng: np.random.Generator, *, width: int = 32, layers: int = 1
    ) -> None:
        super().__init__(block, partial(_Mean, rng=rng, width=width, layers=layers), width)


class _Mean:
    def __init__(self, columns: int, rng: np.random.Generator, width: int, layers: int) -> None:
        self.first = dense(columns, width, rng)
        self.layers = [dense(width, width, rng) for _ in range(layers)]

    @property
    def trainable_variables(self) -> list[Any]:
        return [v for layer in (self.first, *self.layers) for v in layer.trainable_variables]

    def __call__(self, elements: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
        hidden = self.first(elements)
        for layer in self.layers:
            hidden += layer(tf.nn.silu(hidden))
        return masked_mean(hidden, seen)


class SetTransformer(_Sets):
    """Attention among elements by way of inducing points (Lee et al. 2019).

    Parameters
    ----------
    block : Block
        The data.
    rng : numpy.random.Generator
        Of the initial weights.
    width, heads, inducing, layers : int
        As in :func:`pymc_amortized.summaries.set_transformer`.
    """

    def __init__(
        self,
        block: Block,
        rng: np.random.Generator,
        *,
        width: int = 64,
        heads: int = 4,
        inducing: int = 16,
        layers: int = 2,
    ) -> None:
        sizes = {"width": width, "heads": heads, "inducing": inducing, "layers": layers}
        super().__init__(block, partial(_Attending, rng=rng, **sizes), width)


class _Attending:
    def __init__(
        self,
        columns: int,
        rng: np.random.Generator,
        width: int,
        heads: int,
        inducing: int,
        layers: int,
    ) -> None:
        self.first = dense(columns, width, rng)
        self.points = [_points(inducing, width, rng) for _ in range(layers)]
        self.gather = [attention(width, heads, rng) for _ in range(layers)]
        self.spread = [attention(width, heads, rng) for _ in range(layers)]
        self.forward = [dense(width, width, rng) for _ in range(layers)]

    @property
    def trainable_variables(self) -> list[Any]:
        layers = [self.first, *self.gather, *self.spread, *self.forward]
        return [*self.points, *(v for layer in layers for v in layer.trainable_variables)]

    def __call__(self, elements: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
        hidden = self.first(elements)
        parts = zip(self.points, self.gather, self.spread, self.forward, strict=True)
        for points, gather, spread, forward in parts:
            shape = [tf.shape(hidden)[0], *points.shape]
            induced = tf.broadcast_to(tf.convert_to_tensor(points)[None], shape)
            induced += gather(induced, hidden, attention_mask=seen[:, None, :])
            hidden += spread(hidden, induced)
            hidden += forward(tf.nn.silu(hidden))
        return masked_mean(hidden, seen)


def _points(number: int, width: int, rng: np.random.Generator) -> keras.Variable:
    return keras.Variable(rng.normal(0, 1, (number, width)).astype(np.float32))

"""Networks of ordered data: series, and planes."""

from typing import Any

import numpy as np

from pymc_amortized.backend import keras, tf
from pymc_amortized.layers import attention, dense, initializer
from pymc_amortized.layout import Block
from pymc_amortized.set_networks import masked_mean, with_masks

__all__ = ["Convolution", "Recurrent", "Transformer"]

LONGEST_PERIOD = 1e4
"""Of the sines that positions are told by, in steps."""


class Convolution:
    """Convolutions along one or two axes, each halving the resolution, then the mean.

    Parameters
    ----------
    block : Block
        The data.
    rng : numpy.random.Generator
        Of the initial weights.
    width, layers, kernel : int
        As in :func:`pymc_amortized.summaries.convolution`.
    """

    def __init__(
        self,
        block: Block,
        rng: np.random.Generator,
        *,
        width: int = 32,
        layers: int = 3,
        kernel: int = 5,
    ) -> None:
        *lengths, columns = block.index.shape
        self.axes, self.kernel, self.size = list(range(1, 1 + len(lengths))), kernel, 2 * width
        places = kernel ** len(lengths)
        self.layers = [
            dense(places * (width if k else 2 * columns), width, rng) for k in range(layers)
        ]

    @property
    def trainable_variables(self) -> list[Any]:
        """All weights."""
        return [variable for layer in self.layers for variable in layer.trainable_variables]

    def __call__(self, values: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
        """Map (datasets, *lengths, columns) to (datasets, size)."""
        hidden = with_masks(values, seen)
        there = tf.cast(tf.reduce_any(seen, axis=-1, keepdims=True), tf.float32)
        for k, layer in enumerate(self.layers):
            stride = 1 if k == 0 else 2
            for axis in self.axes:
                there = _every(there, axis, stride)
                hidden = _neighbours(hidden, axis, self.kernel, stride)
            hidden = tf.nn.silu(layer(hidden)) * there
        number = tf.maximum(tf.reduce_sum(there, self.axes), 1.0)
        return tf.concat(
            [tf.reduce_sum(hidden, self.axes) / number, tf.reduce_max(hidden, self.axes)], axis=1
        )


def _neighbours(values: tf.Tensor, axis: int, kernel: int, stride: int) -> tf.Tensor:
    """Channels of so many neighbours along an axis, of every so many places.

    A convolution is a product with these, which XLA has fast loops for on processors.
    """
    pads = [[0, 0]] * values.shape.rank
    pads[axis] = [(kernel - 1) // 2, kernel // 2]
    wide, length = tf.pad(values, pads), values.shape[axis]
    places = [slice(None)] * axis
    shifted = [wide[(*places, slice(k, k + length, stride))] for k in range(kernel)]
    return tf.concat(shifted, axis=-1)


def _every(values: tf.Tensor, axis: int, stride: int) -> tf.Tensor:
    return values[(*[slice(None)] * axis, slice(None, None, stride))]


class Recurrent:
    """A gated recurrent unit's last state and the mean of all (Cho et al. 2014).

    Parameters
    ----------
    block : Block
        The data.
    rng : numpy.random.Generator
        Of the initial weights.
    width : int
        Length of the state.
    """

    def __init__(self, block: Block, rng: np.random.Generator, *, width: int = 64) -> None:
        length, columns = block.index.shape
        kernels = {f"{kind}_initializer": initializer(rng) for kind in ("kernel", "recurrent")}
        self.layer = keras.layers.GRU(width, return_sequences=True, **kernels)
        self.layer.build((None, length, 2 * columns))
        self.size = 2 * width

    @property
    def trainable_variables(self) -> list[Any]:
        """All weights."""
        return self.layer.trainable_variables

    def __call__(self, values: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
        """Map (datasets, length, columns) to (datasets, size)."""
        there = tf.reduce_any(seen, axis=-1)
        states = self.layer(with_masks(values, seen), mask=there)
        return tf.concat([states[:, -1], masked_mean(states, there)], axis=1)


class Transformer:
    """Attention among steps that know their positions, then the mean (Vaswani et al. 2017).

    Parameters
    ----------
    block : Block
        The data.
    rng : numpy.random.Generator
        Of the initial weights.
    width, heads, layers : int
        As in :func:`pymc_amortized.summaries.transformer`.
    """

    def __init__(
        self,
        block: Block,
        rng: np.random.Generator,
        *,
        width: int = 64,
        heads: int = 4,
        layers: int = 2,
    ) -> None:
        columns = block.index.shape[-1]
        self.first = dense(2 * columns, width, rng)
        self.attend = [attention(width, heads, rng) for _ in range(layers)]
        self.forward = [dense(width, width, rng) for _ in range(layers)]
        self.size = width

    @property
    def trainable_variables(self) -> list[Any]:
        """All weights."""
        layers = [self.first, *self.attend, *self.forward]
        return [variable for layer in layers for variable in layer.trainable_variables]

    def __call__(self, values: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
        """Map (datasets, length, columns) to (datasets, size)."""
        there = tf.reduce_any(seen, axis=-1)
        positions = _positions(values.shape[1], self.size)
        hidden = self.first(with_masks(values, seen)) + positions
        for attend, forward in zip(self.attend, self.forward, strict=True):
            hidden += attend(hidden, hidden, attention_mask=there[:, None, :])
            hidden += forward(tf.nn.silu(hidden))
        return masked_mean(hidden, there)


def _positions(length: int, width: int) -> np.ndarray:
    """Sines and cosines of each step: (length, width)."""
    periods = LONGEST_PERIOD ** (np.arange(width // 2) / (width // 2))
    angles = np.arange(length)[:, None] / periods
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    return np.pad(waves, ((0, 0), (0, width % 2))).astype(np.float32)

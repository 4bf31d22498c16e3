"""Networks for parts of the data, and one that fuses what they find."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, Protocol

import numpy as np

from pymc_amortized.backend import tf
from pymc_amortized.layers import Residual
from pymc_amortized.layout import Block, Inputs

__all__ = ["BlockNetwork", "Encode", "Fused", "Joined", "OwnLayer"]


class BlockNetwork(Protocol):
    """A network for the data of one block."""

    size: int
    trainable_variables: list[Any]

    def __call__(self, values: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
        """Map (datasets, *lengths, columns), and where there are values, to (datasets, size)."""


Encode = Callable[[Block, np.random.Generator], BlockNetwork]


class Fused:
    """A residual perceptron of plain features and of what other networks make of blocks.

    Parameters
    ----------
    inputs : Inputs
        Where all features are.
    rng : numpy.random.Generator
        Of the initial weights.
    encoders : mapping of str to callable
        Makes the network of a block, by its kind.
    width, blocks, features : int
        Of the perceptron, as in :func:`pymc_amortized.summaries.structured`.
    """

    def __init__(
        self,
        inputs: Inputs,
        rng: np.random.Generator,
        encoders: Mapping[str, Encode],
        *,
        width: int,
        blocks: int,
        features: int,
    ) -> None:
        self.inputs = inputs
        self.parts = [encoders[block.kind](block, rng) for block in inputs.blocks]
        size = len(inputs.plain) + sum(part.size for part in self.parts)
        self.head = Residual(size, width, features, blocks, rng)

    @property
    def trainable_variables(self) -> list[Any]:
        """All weights."""
        networks = [*self.parts, self.head]
        return [variable for network in networks for variable in network.trainable_variables]

    def lengthened(self, inputs: Inputs) -> "Fused":
        """The same network, with the same weights, of data that are longer."""
        known = [block.dim for block in self.inputs.blocks]
        longer = copy(self)
        blocks = tuple(block for block in inputs.blocks if block.dim in known)
        longer.inputs = inputs._replace(blocks=blocks)
        return longer

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Map (datasets, inputs) to (datasets, features)."""
        found = [_columns(x, self.inputs.plain)]
        for block, part in zip(self.inputs.blocks, self.parts, strict=True):
            rows = tf.reshape(_columns(x, block.index.ravel()), [-1, *block.index.shape])
            seen = tf.math.is_finite(rows) if self.inputs.gaps else tf.ones_like(rows, tf.bool)
            found.append(part(tf.where(seen, rows, 0.0), seen))
        return self.head(tf.concat(found, axis=1))


class OwnLayer:
    """A user's Keras layer, of all features; where data may be NaN, of zeros there and masks.

    Parameters
    ----------
    layer : keras.layers.Layer
        Maps (datasets, features) to (datasets, some).
    inputs : Inputs
        The features.
    """

    def __init__(self, layer: Any, inputs: Inputs) -> None:
        self.layer, self.gaps = layer, inputs.gaps
        shape = self(tf.zeros((1, inputs.size))).shape
        if shape.rank != 2:
            raise ValueError(
                f"summary: expected a layer that returns (datasets, some), got {layer.name!r}, "
                f"which returns {tuple(shape)}. Add keras.layers.Flatten() behind it."
            )

    @property
    def trainable_variables(self) -> list[Any]:
        """All weights."""
        return list(self.layer.trainable_variables)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Map (datasets, inputs) to (datasets, features)."""
        if not self.gaps:
            return self.layer(x)
        seen = tf.math.is_finite(x)
        return self.layer(tf.concat([tf.where(seen, x, 0.0), tf.cast(seen, x.dtype)], axis=1))


class Joined:
    """Several networks side by side.

    Parameters
    ----------
    networks : sequence
        Each maps (datasets, inputs) to (datasets, some).
    """

    def __init__(self, networks: Sequence[Any]) -> None:
        self.networks = networks

    @property
    def trainable_variables(self) -> list[Any]:
        """All weights."""
        return [variable for network in self.networks for variable in network.trainable_variables]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Map (datasets, inputs) to (datasets, features)."""
        return tf.concat([network(x) for network in self.networks], axis=1)


def _columns(x: tf.Tensor, places: np.ndarray) -> tf.Tensor:
    """Some columns; a slice where they are neighbours, which is faster."""
    if not len(places) or np.any(np.diff(places) != 1):
        return tf.gather(x, places, axis=1)
    return x[:, places[0] : places[-1] + 1]

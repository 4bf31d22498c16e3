"""Layers that summaries and flows are made of."""

import numpy as np

from pymc_amortized.backend import keras, tf

__all__ = ["Hidden", "Residual", "attention", "dense", "initializer", "joint_dense"]


def initializer(rng: np.random.Generator) -> keras.Initializer:
    """Make an initializer of weights that follow from `rng` (Glorot and Bengio 2010)."""
    return keras.initializers.GlorotUniform(seed=int(rng.integers(2**31)))


def attention(width: int, heads: int, rng: np.random.Generator) -> keras.layers.MultiHeadAttention:
    """Make attention between vectors of one width, whose weights follow from `rng`."""
    layer = keras.layers.MultiHeadAttention(heads, width // heads, flash_attention=False)
    layer.build((None, None, width), (None, None, width))
    for variable in layer.trainable_variables:  # Keras would give queries and keys the same seed
        if len(variable.shape) > 1:
            variable.assign(initializer(rng)(variable.shape))
    return layer


def dense(
    inputs: int, outputs: int, rng: np.random.Generator, *, zero: bool = False, bias: bool = True
) -> keras.layers.Dense:
    """Make a dense layer whose weights follow from `rng`; all zero with `zero`."""
    weights = "zeros" if zero else initializer(rng)
    layer = keras.layers.Dense(outputs, kernel_initializer=weights, use_bias=bias)
    layer.build((None, inputs))
    return layer


def joint_dense(
    inputs: int, outputs: int, number: int, rng: np.random.Generator
) -> keras.layers.Dense:
    """Make one of several dense layers of the same inputs, whose outputs it has side by side."""
    layer = dense(inputs, number * outputs, rng)
    parts = [initializer(rng)((inputs, outputs)) for _ in range(number)]
    layer.kernel.assign(tf.concat(parts, axis=1))
    return layer


class Hidden:
    """Residual hidden layers, activated before each dense layer (He et al. 2016).

    Parameters
    ----------
    width, blocks : int
        Length of the hidden vectors; residual blocks, of one dense layer each.
    rng : numpy.random.Generator
        Of the initial weights.
    """

    def __init__(self, width: int, blocks: int, rng: np.random.Generator) -> None:
        self.blocks = [dense(width, width, rng, zero=True) for _ in range(blocks)]

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """All weights."""
        return [variable for layer in self.blocks for variable in layer.trainable_variables]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Map what a dense layer returned, (*batch, width), to vectors of the same shape."""
        for block in self.blocks:
            x += block(tf.nn.silu(x))
        return tf.nn.silu(x)


class Residual:
    """A residual multilayer perceptron: a dense layer, hidden ones and another dense one.

    Parameters
    ----------
    inputs, width, outputs : int
        Lengths of what comes in, of the hidden vectors and of what goes out.
    blocks : int
        As of :class:`Hidden`.
    rng : numpy.random.Generator
        Of the initial weights.
    """

    def __init__(
        self, inputs: int, width: int, outputs: int, blocks: int, rng: np.random.Generator
    ) -> None:
        self.first = dense(inputs, width, rng)
        self.hidden = Hidden(width, blocks, rng)
        self.last = dense(width, outputs, rng)

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """All weights."""
        parts = [self.first, self.hidden, self.last]
        return [variable for part in parts for variable in part.trainable_variables]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Map (*batch, inputs) to (*batch, outputs)."""
        return self.last(self.hidden(self.first(x)))

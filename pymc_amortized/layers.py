"""Layers that summaries and flows are made of."""

import numpy as np

from pymc_amortized.backend import keras, tf

__all__ = ["Residual", "attention", "dense", "initializer"]


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
    inputs: int, outputs: int, rng: np.random.Generator, *, zero: bool = False
) -> keras.layers.Dense:
    """Make a dense layer whose weights follow from `rng`; all zero with `zero`."""
    weights = initializer(rng)
    layer = keras.layers.Dense(outputs, kernel_initializer="zeros" if zero else weights)
    layer.build((None, inputs))
    return layer


class Residual:
    """A residual multilayer perceptron, activated before each dense layer (He et al. 2016).

    Parameters
    ----------
    inputs, width, outputs : int
        Lengths of what comes in, of the hidden vectors and of what goes out. With no inputs at
        all there is no first layer, and the shift takes its place.
    blocks : int
        Residual blocks, of one dense layer each.
    rng : numpy.random.Generator
        Of the initial weights.
    zero : bool, default False
        Start by returning zeros.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        outputs: int,
        blocks: int,
        rng: np.random.Generator,
        *,
        zero: bool = False,
    ) -> None:
        self.first = dense(inputs, width, rng) if inputs else None
        self.blocks = [dense(width, width, rng, zero=True) for _ in range(blocks)]
        self.last = dense(width, outputs, rng, zero=zero)

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """All weights."""
        layers = [*([self.first] if self.first else []), *self.blocks, self.last]
        return [variable for layer in layers for variable in layer.trainable_variables]

    def __call__(self, x: tf.Tensor, shift: tf.Tensor | float = 0.0) -> tf.Tensor:
        """Map (*batch, inputs) to (*batch, outputs); `shift` is added to the first layer's."""
        hidden = self.first(x) + shift if self.first else shift
        for block in self.blocks:
            hidden += block(tf.nn.silu(hidden))
        return self.last(tf.nn.silu(hidden))

"""Layers that summaries and flows are made of."""

import numpy as np

from pymc_amortized.backend import keras, tf

__all__ = ["Residual", "dense"]


def dense(
    inputs: int, outputs: int, rng: np.random.Generator, *, zero: bool = False
) -> keras.layers.Dense:
    """Make a dense layer whose weights follow from `rng`; all zero with `zero`."""
    glorot = keras.initializers.GlorotUniform(seed=int(rng.integers(2**31)))
    layer = keras.layers.Dense(outputs, kernel_initializer="zeros" if zero else glorot)
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

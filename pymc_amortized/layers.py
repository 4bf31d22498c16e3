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
    inputs, width : int
        Lengths of what comes in and of the hidden vectors. With no inputs at all there is no first
        layer: the shift takes its place, and nothing else is looked at.
    blocks : int
        Residual blocks, of one dense layer each.
    rng : numpy.random.Generator
        Of the initial weights.
    bias : bool, default True
        Whether the first layer has a bias, which a shift would make superfluous.
    """

    def __init__(
        self, inputs: int, width: int, blocks: int, rng: np.random.Generator, *, bias: bool = True
    ) -> None:
        self.first = dense(inputs, width, rng, bias=bias) if inputs else None
        self.blocks = [dense(width, width, rng, zero=True) for _ in range(blocks)]

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """All weights."""
        layers = [*([self.first] if self.first else []), *self.blocks]
        return [variable for layer in layers for variable in layer.trainable_variables]

    def __call__(self, x: tf.Tensor | None, shift: tf.Tensor | float = 0.0) -> tf.Tensor:
        """Map (*batch, inputs) to (*batch, width); `shift` is added to the first layer's."""
        hidden = self.first(x) + shift if self.first else shift
        for block in self.blocks:
            hidden += block(tf.nn.silu(hidden))
        return tf.nn.silu(hidden)


class Residual:
    """A residual multilayer perceptron: hidden layers and a dense one.

    Parameters
    ----------
    inputs, width, outputs, blocks : int
        As of :class:`Hidden`; outputs are as long as said.
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
        self.hidden = Hidden(inputs, width, blocks, rng)
        self.last = dense(width, outputs, rng, zero=zero)

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """All weights."""
        return [*self.hidden.trainable_variables, *self.last.trainable_variables]

    def __call__(self, x: tf.Tensor | None, shift: tf.Tensor | float = 0.0) -> tf.Tensor:
        """Map (*batch, inputs) to (*batch, outputs); `shift` is added to the first layer's."""
        return self.last(self.hidden(x, shift))

"""What a coupling's splines are made of: a network of the parameters that are kept."""

import numpy as np

from pymc_amortized.backend import keras, tf
from pymc_amortized.layers import Hidden, dense

__all__ = ["Conditioner"]


class Conditioner:
    """A residual perceptron whose outputs are raw splines, all zero at first.

    Outputs come first, as splines take them; that the last kernel does so too spares both
    directions of differentiation the slowest kind of product.

    Parameters
    ----------
    kept, changed : int
        Number of parameters that splines depend on, and that they transform.
    width, blocks, bins : int
        Length of the hidden vectors, residual blocks, bins of each spline.
    rng : numpy.random.Generator
        Of the initial weights.
    """

    def __init__(
        self,
        kept: int,
        changed: int,
        width: int,
        blocks: int,
        bins: int,
        rng: np.random.Generator,
    ) -> None:
        self.kept, self.changed, self.raw = kept, changed, 3 * bins - 1
        self.first = dense(kept, width, rng, bias=False) if kept else None
        self.hidden = Hidden(width, blocks, rng)
        outputs = self.raw * changed
        self.kernel = keras.Variable(np.zeros((outputs, width), np.float32))
        self.bias = keras.Variable(np.zeros((outputs, 1), np.float32))

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """All weights."""
        first = self.first.trainable_variables if self.first else []
        return [*first, *self.hidden.trainable_variables, self.kernel, self.bias]

    def __call__(self, kept: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
        """Map parameters (*batch, kept) to raw splines (3 * bins - 1, changed, *batch).

        `context`, (*batch, width) or broadcast to it, is added to the first layer's outputs. Where
        no parameters are kept, the splines have its batch axes, and ones for those that it lacks.
        """
        hidden = self.hidden(self.first(kept) + context if self.first else context)
        rows = tf.reshape(hidden, (-1, hidden.shape[-1]))
        raw = tf.matmul(self.kernel, rows, transpose_b=True) + self.bias
        lacking = [1] * (kept.shape.rank - hidden.shape.rank)
        shape = tf.concat([[self.raw, self.changed, *lacking], tf.shape(hidden)[:-1]], 0)
        return tf.reshape(raw, shape)

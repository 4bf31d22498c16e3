"""Optimizer steps of a network, compiled, and kept for networks of the same architecture."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod

import numpy as np

from pymc_amortized.backend import compiled, keras, tf
from pymc_amortized.networks import VALUES, Network

__all__ = ["Trainer", "borrowed"]

CLIP = 5.0
"""Bound of the gradient's norm."""

AVERAGED = 2.0
"""Rounds that the running mean of the weights remembers."""

KEPT = 4
"""Compiled trainers that stay in memory at most."""

_kept: dict[tuple[bytes, int, int], "Trainer"] = {}


class Trainer:
    """An optimizer of a network's weights.

    Parameters
    ----------
    network : Network
        What is trained.
    steps, batch : int
        Optimizer steps in a round, simulations in a step.
    """

    def __init__(self, network: Network, steps: int, batch: int) -> None:
        self.network = network
        # as one vector: XLA takes a fifth less time to compile than with an optimizer of each
        self._weights = keras.Variable(network.flat_weights())
        self._decay = keras.Variable(0.0, trainable=False)
        self._optimizer = keras.optimizers.Adam(
            weight_decay=self._decay,
            global_clipnorm=CLIP,
            use_ema=True,
            ema_momentum=float(np.exp(-1 / (AVERAGED * steps))),
        )
        self._optimizer.build([self._weights])
        self._run_round = self._compiled_round(steps, batch)
        rows = [tf.TensorSpec((None, n), tf.float32) for n in (network.size, network.inputs.size)]
        flat = tf.TensorSpec(self._weights.shape, tf.float32)
        # XLA would take seconds longer to compile, to be no faster
        self._total_loss = compiled(self._summed, flat, *rows)

    def begin(self, weights: np.ndarray) -> None:
        """Start from weights in a row, with an optimizer that remembers nothing."""
        self._weights.assign(weights)
        for variable in self._optimizer.variables:
            variable.assign(tf.zeros_like(variable.value))

    def round(
        self, parameters: np.ndarray, features: np.ndarray, rates: np.ndarray, decay: float = 0.0
    ) -> float:
        """Make a round of steps; returns their mean loss. The network itself stays as it is.

        Parameters
        ----------
        parameters : ndarray of shape (steps * batch, size)
            Of the simulations, in order of the steps.
        features : ndarray of shape (steps * batch, inputs)
            Their encoded data.
        rates : ndarray of shape (steps,)
            Learning rates.
        decay : float, default 0
            Part of the weights that a step takes away, relative to its learning rate (Loshchilov
            and Hutter 2019, Decoupled weight decay regularization, ICLR).
        """
        self._decay.assign(decay)
        return float(self._run_round(parameters, features, rates))

    def weights(self) -> np.ndarray:
        """Those after the last round, in a row."""
        return np.array(self._weights.numpy())

    def mean_weights(self) -> np.ndarray:
        """Their running mean."""
        own = self.weights()
        self._optimizer.finalize_variable_values([self._weights])
        mean = self.weights()
        self._weights.assign(own)
        return mean

    def evaluation(self, held_out: tuple[np.ndarray, np.ndarray]) -> Callable[[np.ndarray], float]:
        """Make a function of weights that returns the mean loss of simulations."""
        number = len(held_out[0])
        rows = max(1, VALUES // self.network.inputs.size)
        starts = range(0, number, rows)
        parts = [tuple(tf.constant(a[k : k + rows]) for a in held_out) for k in starts]
        return lambda weights: sum(float(self._total_loss(weights, *p)) for p in parts) / number

    def _losses(
        self, parts: Sequence[tf.Tensor], parameters: tf.Tensor, features: tf.Tensor
    ) -> tf.Tensor:
        """Loss of each simulation where the network's weights are these."""
        scope = zip(self.network.trainable_variables, parts, strict=True)
        with keras.StatelessScope(state_mapping=list(scope)):
            return self.network.loss(parameters, features)

    def _summed(self, weights: tf.Tensor, *pairs: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(self._losses(self._parts(weights), *pairs))

    def _parts(self, weights: tf.Tensor) -> list[tf.Tensor]:
        """Cut all weights into the network's."""
        shapes = [variable.shape for variable in self.network.trainable_variables]
        pieces = tf.split(weights, [prod(shape) for shape in shapes])
        return [tf.reshape(piece, shape) for piece, shape in zip(pieces, shapes, strict=True)]

    def _compiled_round(self, steps: int, batch: int) -> Callable[..., tf.Tensor]:
        """Compile a round of optimizer steps into one call."""

        def step(
            k: tf.Tensor, total: tf.Tensor, data: tuple[tf.Tensor, ...], rates: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor]:
            pair = [tf.slice(d, [k * batch, 0], [batch, d.shape[1]]) for d in data]
            loss, gradient = self._differentiated(*pair)
            self._optimizer.learning_rate.assign(rates[k])
            self._optimizer.apply_gradients([(gradient, self._weights)])
            return k + 1, total + loss

        def run_round(parameters: tf.Tensor, features: tf.Tensor, rates: tf.Tensor) -> tf.Tensor:
            _, total = tf.while_loop(
                lambda k, _: k < steps,
                lambda k, total: step(k, total, (parameters, features), rates),
                (tf.constant(0), tf.constant(0.0)),
            )
            return total / steps

        return compiled(run_round, xla=True)

    def _differentiated(
        self, parameters: tf.Tensor, features: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean loss at the weights, and its gradient."""
        parts = self._parts(self._weights.value)
        with tf.GradientTape() as tape:
            tape.watch(parts)
            loss = tf.reduce_mean(self._losses(parts, parameters, features))
        # zeros for a weight that users' own parts list and do not use
        gradients = tape.gradient(loss, parts, unconnected_gradients="zero")
        return loss, tf.concat([tf.reshape(gradient, [-1]) for gradient in gradients], axis=0)


@contextmanager
def borrowed(network: Network, steps: int, batch: int) -> Iterator[Trainer]:
    """Lend a trainer that begins with the weights of a network, compiled before if it can be.

    Networks of users' own parts are trained themselves; for others a twin is, which stays with the
    trainer. Nothing else has a trainer that is lent; one that met an error is thrown away.

    Parameters
    ----------
    network : Network
        What is to be trained. If it is not the trainer's own, the caller takes the weights over.
    steps, batch : int
        Optimizer steps in a round, simulations in a step.

    Yields
    ------
    Trainer
        Until the end of the block.
    """
    architecture = network.architecture
    if architecture is None:
        trainer = Trainer(network, steps, batch)
    else:
        key = (architecture, steps, batch)
        trainer = _kept.pop(key, None) or Trainer(network.twin(), steps, batch)
    trainer.begin(network.flat_weights())
    yield trainer
    if architecture is not None:
        _kept[key] = trainer
        while len(_kept) > KEPT:
            del _kept[next(iter(_kept))]

"""A summary network and a conditional flow as one: data in, distribution of parameters out."""

import pickle
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from math import prod
from typing import Any, Protocol

import numpy as np

from pymc_amortized.backend import compiled, keras, tf
from pymc_amortized.blocks import blocks
from pymc_amortized.factories import recipe_of
from pymc_amortized.layout import Inputs
from pymc_amortized.noise import defensive_noise, standard_noise
from pymc_amortized.pushforward import pushforward

__all__ = ["VALUES", "ConditionalFlow", "Network", "Summary"]

VALUES = 2**20
"""Inputs that are summarized at a time."""

Built = Callable[..., Any]


class Summary(Protocol):
    """What a summary factory builds: a map of data to a vector."""

    trainable_variables: Sequence[Any]

    def __call__(self, features: tf.Tensor) -> tf.Tensor:
        """Map (datasets, inputs), NaN where there are no data, to (datasets, features)."""


class ConditionalFlow(Protocol):
    """What a flow factory builds: a map of a vector to a TFP distribution.

    A flow of standard normal noise may have a method ``bijector``, too, that maps the same vector
    to the TFP bijector from noise to parameters.
    """

    trainable_variables: Sequence[Any]

    def __call__(self, context: tf.Tensor) -> Any:
        """Map (datasets, features) to a distribution of parameters, one for each dataset."""


class Network:
    """Everything that is trained.

    Parameters
    ----------
    summary, flow : callable
        From a factory of ``pma.summaries`` and of ``pma.flows``.
    inputs : Inputs
        What the summary sees.
    size : int
        Length of the parameters' vector.
    seed : int
        Of the initial weights.
    """

    def __init__(self, summary: Built, flow: Built, inputs: Inputs, size: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.inputs, self.size = inputs, size
        self.factories = {"summary": summary, "flow": flow}
        self.summary: Summary = _checked("summary", summary(inputs, rng))
        self.features = int(self.summary(tf.zeros((1, inputs.size))).shape[-1])
        self.flow: ConditionalFlow = _checked("flow", flow(size, self.features, rng))
        self._summarize = compiled(self.summary, tf.TensorSpec((None, inputs.size), tf.float32))
        self._pushforward = pushforward(flow, self.flow, size, self.features)
        self._flow_weights: list[tf.Tensor] = []
        context = tf.TensorSpec((None, self.features), tf.float32)
        points = tf.TensorSpec((None, None, size), tf.float32)
        number, seeds = tf.TensorSpec((), tf.int32), tf.TensorSpec((2,), tf.int32)
        self._draw = compiled(self._drawn, context, number, seeds)
        self._log_prob = compiled(lambda c, p: self.flow(c).log_prob(p), context, points)

    def lengthened(self, inputs: Inputs) -> "Network":
        """The same network, with the same weights, of data that are longer.

        Raises
        ------
        TypeError
            If the summary is a user's own, of data of one length.
        """
        if not hasattr(self.summary, "lengthened"):
            raise TypeError(
                "observed: expected data no longer than those trained on, because `summary` is not "
                "of this package's factories, got longer ones. Train with longer ones in `vary`."
            )
        longer = copy(self)
        longer.inputs, longer.summary = inputs, self.summary.lengthened(inputs)
        shape = tf.TensorSpec((None, inputs.size), tf.float32)
        longer._summarize = compiled(longer.summary, shape)
        return longer

    @property
    def architecture(self) -> bytes | None:
        """What networks have in common that differ by their weights alone.

        None where parts are users' own: they may hold what cannot be seen from here.
        """
        recipes = [recipe_of(argument, built) for argument, built in self.factories.items()]
        return None if None in recipes else pickle.dumps((recipes, self.inputs, self.size))

    def twin(self) -> "Network":
        """A network of the same architecture."""
        return Network(**self.factories, inputs=self.inputs, size=self.size, seed=0)

    @property
    def trainable_variables(self) -> list[Any]:
        """All weights, those of the summary first."""
        return [*self.summary.trainable_variables, *self.flow.trainable_variables]

    def weights(self) -> dict[str, np.ndarray]:
        """The weights' values by number."""
        values = [np.array(variable.value.numpy()) for variable in self.trainable_variables]
        return {f"{k:03d}": value for k, value in enumerate(values)}

    def assign(self, weights: Mapping[str, np.ndarray]) -> None:
        """Set all weights to what :meth:`weights` gave."""
        self._assign([weights[f"{key:03d}"] for key in range(len(self.trainable_variables))])

    def flat_weights(self) -> np.ndarray:
        """All weights in a row."""
        return np.concatenate([value.ravel() for value in self.weights().values()])

    def assign_flat(self, weights: np.ndarray) -> None:
        """Set all weights to what :meth:`flat_weights` gave."""
        sizes = [prod(variable.shape) for variable in self.trainable_variables]
        parts = np.split(weights, np.cumsum(sizes)[:-1])
        shaped = zip(self.trainable_variables, parts, strict=True)
        self._assign([part.reshape(variable.shape) for variable, part in shaped])

    def _assign(self, values: Sequence[np.ndarray]) -> None:
        for variable, value in zip(self.trainable_variables, values, strict=True):
            variable.assign(value)
        self._flow_weights.clear()

    def summaries(self, features: np.ndarray) -> np.ndarray:
        """Summaries of encoded data: (datasets, inputs) to (datasets, features)."""
        rows = max(1, VALUES // self.inputs.size)
        blocks = range(0, len(features), rows)
        some = (features[k : k + rows].astype(np.float32) for k in blocks)
        return np.concatenate([self._summarize(block).numpy() for block in some])

    def loss(self, parameters: tf.Tensor, features: tf.Tensor) -> tf.Tensor:
        """Negative log density of each simulation: (n, size) and (n, inputs) to (n,)."""
        return -self.flow(self.summary(features)).log_prob(parameters)

    def sample(
        self,
        context: np.ndarray,
        draws: int,
        rng: np.random.Generator,
        *,
        defensive: bool = False,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw parameters, with the flow's log density and that which they were drawn from.

        Parameters
        ----------
        context : ndarray of shape (datasets, features)
            Summaries of the data.
        draws : int
            Draws for each dataset.
        rng : numpy.random.Generator
            Source of the seeds.
        defensive : bool, default False
            Draw a part from wider noise, so that importance weights are bounded where the flow's
            tails are too light. Of a flow that has no ``bijector`` it is not known.

        Returns
        -------
        parameters : ndarray of shape (datasets, draws, size)
            The draws.
        log_density : ndarray of shape (datasets, draws)
            The flow's, of each.
        log_proposal : ndarray of shape (datasets, draws)
            What each was drawn from: the same but for defensive draws.
        """
        drawn = np.empty((len(context), draws, self.size), np.float32)
        log_density, log_proposal = np.empty((2, len(context), draws), np.float32)
        for some, part in blocks(len(context), draws):
            made = self._sample(context[some], part.stop - part.start, rng, defensive)
            drawn[some, part], log_density[some, part], log_proposal[some, part] = made
        return drawn, log_density, log_proposal

    def log_prob(self, parameters: np.ndarray, context: np.ndarray) -> np.ndarray:
        """Evaluate the log density.

        Parameters
        ----------
        parameters : ndarray of shape (datasets, draws, size)
            Points to evaluate at.
        context : ndarray of shape (datasets, features)
            Summaries of the data.

        Returns
        -------
        ndarray of shape (datasets, draws)
            Log density of each point.
        """
        log_density = np.empty(parameters.shape[:2], np.float32)
        with np.errstate(over="ignore"):  # what is that far away has no density
            points = parameters.astype(np.float32)
        for some, part in blocks(*parameters.shape[:2]):
            values = self._log_prob(context[some], np.swapaxes(points[some, part], 0, 1))
            log_density[some, part] = np.transpose(values)
        return log_density

    def _sample(
        self, context: np.ndarray, draws: int, rng: np.random.Generator, defensive: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if self._pushforward is None:
            seed = rng.integers(2**31, size=2, dtype=np.int32)
            values, log_density = self._draw(context, draws, seed)
            return np.swapaxes(values, 0, 1), *[np.transpose(log_density)] * 2
        shape = len(context), draws, self.size
        noise, *densities = (defensive_noise if defensive else standard_noise)(shape, rng)
        if not self._flow_weights:  # to read them takes milliseconds
            variables = self.flow.trainable_variables
            self._flow_weights += (tf.convert_to_tensor(variable.value) for variable in variables)
        values, log_det = self._pushforward(self._flow_weights, context, noise)
        log_density, log_proposal = (density - log_det for density in densities)
        return values, log_density, log_proposal

    def _drawn(
        self, context: tf.Tensor, draws: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self.flow(context).experimental_sample_and_log_prob(draws, seed=seed)


def _checked(argument: str, part: Any) -> Any:
    """What a user's function built, if it can be trained."""
    variables = getattr(part, "trainable_variables", None)
    if variables is None or not callable(part):
        raise TypeError(
            f"{argument}: expected a function that returns a callable with `trainable_variables`, "
            f"got one that returns {part!r}. See the module pymc_amortized.flows."
        )
    for variable in variables:
        if not isinstance(variable, keras.Variable):
            raise TypeError(
                f"{argument}: expected keras.Variable objects in `trainable_variables`, got "
                f"{type(variable).__name__}. Make them by keras.Variable(values)."
            )
    return part

"""Summaries that users write: Keras layers, and functions of data."""

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import Parameter, signature
from typing import Any, NamedTuple
from weakref import WeakSet

import numpy as np

from pymc_amortized.factories import is_factory
from pymc_amortized.layout import Inputs
from pymc_amortized.parameters import split

__all__ = ["Summaries", "read_summary"]

Arrays = Mapping[str, np.ndarray]
Built = Callable[[Inputs, np.random.Generator], Any]

EXAMPLE = (
    "what a factory returns, such as pma.summaries.deep_set(), a Keras layer, a function of data "
    "that returns statistics, or a list of these"
)


_trained: WeakSet[Any] = WeakSet()
"""Layers that a fit has had."""


class Summaries(NamedTuple):
    """What data are summarized by.

    Attributes
    ----------
    network : callable or None
        Makes a network from inputs and a generator; None for the default.
    statistics : list of callable
        From flat data (datasets, elements) to (datasets, some).
    """

    network: Built | None
    statistics: list[Callable[[np.ndarray], np.ndarray]]


def read_summary(summary: Any, example: Arrays) -> Summaries:
    """Read the argument `summary` of :func:`pymc_amortized.fit`.

    Parameters
    ----------
    summary : callable, keras.layers.Layer, or sequence of these, or None
        See there.
    example : mapping of str to ndarray of shape (n, *shape)
        A few draws of the data, in the order of the flat vector.

    Raises
    ------
    TypeError, ValueError
        If it is none of these, or a function returns no statistics.
    """
    if summary is None:
        return Summaries(None, [])
    parts = list(summary) if isinstance(summary, list | tuple) else [summary]
    if not parts:
        raise ValueError(f"summary: expected {EXAMPLE}, got an empty list. Leave it out.")
    layers = [part for part in parts if _is_layer(part)]
    if len({id(layer) for layer in layers}) < len(layers):
        raise ValueError("summary: expected different layers, got one of them twice. Name it once.")
    functions = [part for part in parts if _is_statistic(part)]
    networks = [_network(part) for part in parts if not _is_statistic(part)]
    for function in functions:
        _checked(function, example)
    sizes = {name: values.shape[1:] for name, values in example.items()}
    statistics = [partial(_of_flat, function, sizes) for function in functions]
    if not networks:
        return Summaries(_alone if functions else None, statistics)
    return Summaries(networks[0] if len(networks) == 1 else partial(_joined, networks), statistics)


def _is_statistic(part: Any) -> bool:
    """Whether something is a function of one argument."""
    if not callable(part) or isinstance(part, type) or _is_layer(part):
        return False
    try:
        arguments = signature(part).parameters.values()
    except ValueError:
        return False
    positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return sum(a.default is Parameter.empty and a.kind in positional for a in arguments) == 1


def _is_layer(part: Any) -> bool:
    keras = sys.modules.get("keras")  # whoever has made a layer has imported it
    return keras is not None and isinstance(part, keras.layers.Layer)


def _network(part: Any) -> Built:
    if _is_layer(part):
        return partial(_of_layer, part)
    own = is_factory("summary", part)
    if not callable(part) or own or isinstance(part, type):
        got = f"{part.__name__} itself" if own else repr(part)
        raise TypeError(f"summary: expected {EXAMPLE}, got {got}.")
    return part


def _checked(function: Callable[[Arrays], Any], data: Arrays) -> np.ndarray:
    """Statistics of some datasets, as (datasets, some)."""
    number = len(next(iter(data.values())))
    found = np.asarray(function(dict(data)))
    if found.ndim == 1:
        found = found[:, None]
    if found.ndim != 2 or len(found) != number or found.dtype.kind not in "biuf":
        raise ValueError(
            f"summary: expected statistics of shape (datasets, some), {number} rows for {number} "
            f"datasets, got {found.dtype} of shape {found.shape}. The function takes a dict of "
            "arrays whose first axis is that of the datasets."
        )
    if not np.isfinite(found).all():
        raise ValueError(
            "summary: expected finite statistics, got NaN or infinite ones. Data are NaN where "
            "they are missing or have ended: use np.nanmean and the like."
        )
    return found.astype(np.float64)


def _of_flat(
    function: Callable[[Arrays], Any], sizes: Mapping[str, tuple[int, ...]], data: np.ndarray
) -> np.ndarray:
    return _checked(function, dict(zip(sizes, split(data, sizes), strict=True)))


def _alone(inputs: Inputs, rng: np.random.Generator) -> Any:
    """A perceptron of users' statistics alone."""
    from pymc_amortized.summaries import residual_mlp

    return residual_mlp()(inputs._replace(plain=inputs.own), rng)


def _of_layer(layer: Any, inputs: Inputs, _: np.random.Generator) -> Any:
    from pymc_amortized.fusion import OwnLayer

    if layer in _trained:
        warnings.warn(
            f"summary: {layer.name!r} was trained in a fit before, and the posterior of that one "
            "draws with the weights that the layer learns now. Make a new layer for each.",
            stacklevel=5,
        )
    _trained.add(layer)
    return OwnLayer(layer, inputs)


def _joined(networks: Sequence[Built], inputs: Inputs, rng: np.random.Generator) -> Any:
    from pymc_amortized.fusion import Joined

    return Joined([make(inputs, rng) for make in networks])

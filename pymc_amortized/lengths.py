"""Dims whose lengths change from dataset to dataset: data are as long as the longest, then NaN."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
from pymc.distributions.distribution import SymbolicRandomVariable
from pytensor.graph.basic import Variable
from pytensor.tensor.random.op import RandomVariable

__all__ = [
    "LENGTHS",
    "Lengths",
    "cut",
    "groups_of_length",
    "length_pool",
    "lengths_in",
    "lengths_of",
    "resampled_lengths",
    "shortened",
]

LENGTHS = "_varied_lengths"
"""Attribute of models that were made to have dims of varying lengths."""

POOL = 10_000
"""Lengths that are drawn once, for all simulations to draw from."""

EXAMPLES = (
    "a distribution of integers, such as pm.DiscreteUniform.dist(5, 200), or a function "
    "(rng, shape) -> integers"
)

Arrays = Mapping[str, np.ndarray]
Key = tuple[int, ...]


class Lengths(NamedTuple):
    """Dims of a model whose lengths vary.

    Attributes
    ----------
    pools : dict of str to ndarray of int of shape (n,)
        By dim the lengths that simulations have, each as likely as it is frequent.
    own : dict of str to int
        Of the model's own data.
    labels : dict of str to tuple or None
        Coords of the model's own data.
    at : callable
        Takes lengths by dim, returns the model with these.
    least : dict of str to int
        Lengths that the model has at least, for data longer than any simulated.
    """

    pools: dict[str, np.ndarray]
    own: dict[str, int]
    labels: dict[str, Sequence[Any] | None]
    at: Callable[[Mapping[str, int]], pm.Model]
    least: Mapping[str, int] = MappingProxyType({})

    @property
    def longest(self) -> dict[str, int]:
        """The length that all arrays have along each dim."""
        return {
            dim: max(int(pool.max()), self.own[dim], self.least.get(dim, 0))
            for dim, pool in self.pools.items()
        }

    def lengthened(self, least: Mapping[str, int]) -> pm.Model:
        """Make the model that has at least these lengths."""
        lengths = self._replace(least=dict(least))
        model = self.at(lengths.longest)
        setattr(model, LENGTHS, lengths)
        return model

    def draw(self, number: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw lengths of so many datasets, by dim."""
        return {dim: rng.choice(pool, number) for dim, pool in self.pools.items()}


def lengths_of(model: pm.Model) -> Lengths | None:
    """The dims of a model whose lengths vary; None where all are fixed."""
    return getattr(model, LENGTHS, None)


def length_pool(dim: str, source: Any) -> np.ndarray:
    """Draw lengths from what a user says that they vary by.

    Raises
    ------
    TypeError, ValueError
        If it does not give positive integers.
    """
    drawn = _drawn(dim, source)
    if drawn.shape != (POOL,) or drawn.dtype.kind not in "iu":
        raise TypeError(
            f"vary: expected the length of {dim!r} as {EXAMPLES}, got one of {drawn.dtype} and "
            f"shape {drawn.shape[1:]}."
        )
    if drawn.min() < 1:
        raise ValueError(
            f"vary: expected lengths of {dim!r} of at least 1, got {drawn.min()}. Write, for "
            "example, pm.DiscreteUniform.dist(5, 200)."
        )
    return drawn.astype(np.int64)


def _drawn(dim: str, source: Any) -> np.ndarray:
    if isinstance(source, Variable):
        op = source.owner and source.owner.op
        if not isinstance(op, RandomVariable | SymbolicRandomVariable):
            raise TypeError(f"vary: expected the length of {dim!r} as {EXAMPLES}, got {source}.")
        return np.asarray(pm.draw(source, POOL, random_seed=0, mode="FAST_COMPILE"))
    if not callable(source) or isinstance(source, type):
        raise TypeError(f"vary: expected the length of {dim!r} as {EXAMPLES}, got {source!r}.")
    rng = np.random.default_rng(0)
    return np.array([np.asarray(source(rng, ())) for _ in range(POOL)])


def resampled_lengths(pool: np.ndarray) -> Callable[..., np.ndarray]:
    """Draw the lengths of a pool one after the other, as often as each is in it."""
    following = iter(pool)
    return lambda *_: next(following)


def shortened(
    values: Arrays, lengths: Mapping[str, np.ndarray], dims: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Put NaN behind the end of each dataset.

    Parameters
    ----------
    values : mapping of str to ndarray of shape (n, *shape)
        Values that are as long as the longest.
    lengths : mapping of str to ndarray of int of shape (n,)
        By dim.
    dims : mapping of str to sequence of str
        Of the variables.
    """
    found = dict(values)
    for name, array in values.items():
        for axis, dim in enumerate(dims.get(name, ()), start=1):
            if dim not in lengths or (lengths[dim] >= array.shape[axis]).all():
                continue
            behind = np.arange(array.shape[axis]) >= lengths[dim][:, None]
            others = [k for k in range(1, array.ndim) if k != axis]
            behind = np.expand_dims(behind, others)
            found[name] = np.where(behind, np.nan, found[name])
    return found


def lengths_in(
    observed: Arrays, dims: Mapping[str, Sequence[str]], names: Sequence[str]
) -> dict[str, np.ndarray]:
    """Lengths of each dataset, by dim: behind them all data are NaN.

    Parameters
    ----------
    observed : mapping of str to ndarray of shape (n, *shape)
        Data.
    dims : mapping of str to sequence of str
        Of the variables.
    names : sequence of str
        The dims whose lengths vary.
    """
    found: dict[str, np.ndarray] = {}
    for name, array in observed.items():
        for axis, dim in enumerate(dims.get(name, ()), start=1):
            if dim in names:
                others = tuple(k for k in range(1, array.ndim) if k != axis)
                seen = ~np.isnan(array).all(axis=others)
                last = seen.shape[1] - np.argmax(seen[:, ::-1], axis=1)
                own = np.where(seen.any(axis=1), last, 0)
                found[dim] = np.maximum(found.get(dim, 0), own)
    return {dim: np.maximum(found[dim], 1) for dim in names}


def groups_of_length(
    lengths: Mapping[str, np.ndarray],
) -> Iterator[tuple[dict[str, int], np.ndarray]]:
    """Numbers of the datasets that have the same lengths."""
    table = np.column_stack(list(lengths.values()))
    keys, which = np.unique(table, axis=0, return_inverse=True)
    for k, key in enumerate(keys.tolist()):
        yield dict(zip(lengths, key, strict=True)), np.flatnonzero(which.ravel() == k)


def cut(
    values: Arrays, lengths: Mapping[str, int], dims: Mapping[str, Sequence[str]]
) -> dict[str, np.ndarray]:
    """Values of shape (*batch, *shape) as far as the lengths go, by name."""
    found = {}
    for name, array in values.items():
        own = dims.get(name, ())
        lead = array.ndim - len(own)
        places = [slice(lengths.get(dim)) for dim in own]
        found[name] = array[(*[slice(None)] * lead, *places)]
    return found

"""Which data a model does not tell apart: its log joint is asked, permuted and not."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pymc_amortized.density import Density
from pymc_amortized.parameters import split

__all__ = ["Found", "exchangeable_dims"]

PERMUTATIONS = 3
"""Of each dim, of all draws."""

FEWEST = 2
"""Draws with a finite log joint that a permutation changes, to conclude anything from."""

TOLERANCE = 1e-7
"""Relative difference of log joints that rounding is allowed."""

Arrays = Mapping[str, np.ndarray]
Permute = Callable[[np.ndarray, Sequence[str], np.random.Generator], np.ndarray]


class Found(NamedTuple):
    """What a model does not tell apart.

    Attributes
    ----------
    dims : list of str
        Dims along which all data and parameters may be permuted together.
    within : dict of str to str
        From one of these to another, along which data may be permuted in each group on its own.
    """

    dims: list[str]
    within: dict[str, str]


def exchangeable_dims(
    log_joint: Density,
    vector: np.ndarray,
    observed: Arrays,
    dims: Mapping[str, Sequence[str]],
    candidates: Sequence[str],
    sizes: Mapping[str, tuple[int, ...]],
) -> Found:
    """Ask a log joint which dims of the data are exchangeable.

    Parameters
    ----------
    log_joint : Density
        Of the model.
    vector : ndarray of shape (n, size)
        Unconstrained draws of all free variables.
    observed : mapping of str to ndarray of shape (n, *shape)
        The data drawn with them, varied ones included.
    dims : mapping of str to sequence of str
        Dims of the free variables and of the data.
    candidates : sequence of str
        The dims that are asked about.
    sizes : mapping of str to tuple of int
        Shapes of the free variables. Those that have another one when unconstrained cannot be
        permuted there, nor can the dims that they have.
    """
    values = dict(zip(log_joint.shapes, split(vector, log_joint.shapes), strict=True))
    fixed = {d for n, s in log_joint.shapes.items() if s != tuple(sizes[n]) for d in dims[n]}
    asked = _Asked(log_joint, values, observed, dims)
    found = [dim for dim in candidates if dim not in fixed and asked.unchanged(_together(dim))]
    within = {
        outer: inner
        for outer in found
        for inner in found
        if outer != inner
        and asked.share(outer, inner)
        and not any(inner in dims[name] for name in values)
        and asked.unchanged(_apart(outer, inner))
    }
    return Found(found, _outermost(within))


def _outermost(within: dict[str, str]) -> dict[str, str]:
    """One way round where elements of a table may be permuted both ways."""
    kept: dict[str, str] = {}
    for outer, inner in within.items():
        if inner not in kept:
            kept[outer] = inner
    return kept


class _Asked(NamedTuple):
    log_joint: Density
    values: Arrays
    observed: Arrays
    dims: Mapping[str, Sequence[str]]

    def share(self, *dims: str) -> bool:
        """Whether some data have all of these dims."""
        return any(set(dims) <= set(self.dims[name]) for name in self.observed)

    def unchanged(self, permute: Permute) -> bool:
        """Whether permuting leaves the log joint as it is, by draws that it changes."""
        before = self._log_joint(self.values, self.observed)
        rng, informative = np.random.default_rng(0), 0
        for _ in range(PERMUTATIONS):
            seed = int(rng.integers(2**31))
            values, observed = (
                {n: permute(v, self.dims[n], np.random.default_rng(seed)) for n, v in part.items()}
                for part in (self.values, self.observed)
            )
            after = self._log_joint(values, observed)
            good = np.isfinite(before) & _changed(self.observed, observed)
            informative += int(good.sum())
            if not np.allclose(after[good], before[good], rtol=TOLERANCE, atol=TOLERANCE):
                return False
        return informative >= FEWEST

    def _log_joint(self, values: Arrays, observed: Arrays) -> np.ndarray:
        rows = [np.reshape(v, (len(v), -1)) for v in values.values()]
        with np.errstate(all="ignore"):
            return self.log_joint.log_joint(np.concatenate(rows, axis=1)[:, None], observed)[:, 0]


def _together(dim: str) -> Permute:
    def permute(values: np.ndarray, dims: Sequence[str], rng: np.random.Generator) -> np.ndarray:
        if dim not in dims:
            return values
        axis = 1 + list(dims).index(dim)
        return np.take(values, rng.permutation(values.shape[axis]), axis)

    return permute


def _apart(outer: str, inner: str) -> Permute:
    """Permute along one dim, in another way for each element of the other."""

    def permute(values: np.ndarray, dims: Sequence[str], rng: np.random.Generator) -> np.ndarray:
        if inner not in dims:
            return values
        axis = 1 + list(dims).index(inner)
        if outer not in dims:
            return np.take(values, rng.permutation(values.shape[axis]), axis)
        groups = 1 + list(dims).index(outer)
        order = np.argsort(rng.random((values.shape[groups], values.shape[axis])), axis=1)
        moved = np.moveaxis(values, (groups, axis), (1, 2))
        shape = (1, *order.shape, *[1] * (moved.ndim - 3))
        moved = np.take_along_axis(moved, order.reshape(shape), axis=2)
        return np.moveaxis(moved, (1, 2), (groups, axis))

    return permute


def _changed(before: Arrays, after: Arrays) -> np.ndarray:
    """Which draws have other data than before."""
    each = [np.any(np.reshape(after[n] != v, (len(v), -1)), axis=1) for n, v in before.items()]
    return np.any(each, axis=0)

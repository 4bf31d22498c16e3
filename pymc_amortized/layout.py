"""Where data lie in the flat vector that networks see, and which of them belong together."""

from collections.abc import Collection, Mapping
from math import prod
from typing import NamedTuple

import numpy as np

__all__ = ["Block", "Inputs", "Layout", "data_layout", "flat_inputs"]

LONGEST_ROW = 32
"""Elements of a set that are taken as they are, in ascending order; longer ones are pooled."""

SHORTEST_SERIES = 16
"""Steps of a series that has networks of its own; shorter ones are taken as they are."""

SMALLEST_GRID = 6
"""Length of both sides of a grid that has networks of its own."""

Sizes = Mapping[str, tuple[int, ...]]
Dims = Mapping[str, tuple[str, ...]]


class Block(NamedTuple):
    """Data along one dim, or along two.

    Attributes
    ----------
    kind : {"set", "row", "series", "grid"}
        A set of exchangeable elements that is pooled, or taken as a row in ascending order; ordered
        steps; a plane.
    dim : str
        The dim, of a grid the first one.
    index : ndarray of int of shape (*lengths, columns)
        Places in the flat vector.
    outcomes : int
        How many of the columns, the first ones, are outcomes; the others are varied data.
    groups : int
        Of a set whose elements are sets themselves: how many of these, else 1. The index is then of
        shape (groups * length, columns).
    """

    kind: str
    dim: str
    index: np.ndarray
    outcomes: int
    groups: int = 1


class Layout(NamedTuple):
    """The structure of a model's data.

    Attributes
    ----------
    elements : int
        Length of the flat vector of data.
    blocks : tuple of Block
        Data that belong together; no element is in two of them.
    places : dict of str to ndarray of int of shape (length, columns)
        For each dim of exchangeable elements: which parameters of the unconstrained vector, of
        length `size`, go with each element.
    size : int
        Length of the vector of parameters.
    gaps : bool
        Whether data may be missing, or shorter than the longest.
    """

    elements: int
    blocks: tuple[Block, ...]
    places: dict[str, np.ndarray]
    size: int
    gaps: bool = False

    @property
    def exchangeable(self) -> list[str]:
        """The dims whose order is of no account: those of sets and rows, and inside these."""
        return [block.dim for block in self.blocks if block.kind in ("set", "row")]

    def is_nested(self, dim: str) -> bool:
        """Whether the elements along a dim are sets themselves."""
        return any(block.dim == dim and block.groups > 1 for block in self.blocks)

    @property
    def rest(self) -> np.ndarray:
        """Places of the data that are in no block."""
        taken = [block.index.ravel() for block in self.blocks]
        return np.setdiff1d(np.arange(self.elements), np.concatenate([*taken, []]).astype(int))


class Inputs(NamedTuple):
    """What summary networks see: standardized data, NaN where there are none, then statistics.

    Attributes
    ----------
    size : int
        Length of the vector.
    plain : ndarray of int
        Places of what has no structure: data of no block, rows, and statistics.
    blocks : tuple of Block
        Sets, series and grids, by their places in the vector.
    gaps : bool
        Whether there are NaN.
    own : ndarray of int
        Places of users' statistics, which are plain too.
    """

    size: int
    plain: np.ndarray
    blocks: tuple[Block, ...] = ()
    gaps: bool = False
    own: np.ndarray = np.empty(0, int)


def flat_inputs(size: int) -> Inputs:
    """Make the inputs of data without structure."""
    return Inputs(size, np.arange(size))


def data_layout(
    sizes: Sizes,
    dims: Dims,
    *,
    outcomes: Collection[str],
    exchangeable: Collection[str] = (),
    ordered: Collection[str] = (),
    within: Mapping[str, str] | None = None,
    parameter_sizes: Sizes | None = None,
    varying: Collection[str] = (),
    gaps: bool = False,
) -> Layout:
    """Find out which elements of a model's data belong together.

    Parameters
    ----------
    sizes : mapping of str to tuple of int
        Shapes of the observed variables and varied data, in the order of the flat vector.
    dims : mapping of str to tuple of str
        Dims of these and of the free variables.
    outcomes : collection of str
        The observed variables that are no varied data.
    exchangeable : collection of str, default ()
        Dims along which data, and the parameters that go with them, may be permuted.
    ordered : collection of str, default ()
        Dims whose order tells something.
    within : mapping of str to str, optional
        From the dim of groups to that of their elements, which may be permuted group by group.
    parameter_sizes : mapping of str to tuple of int, optional
        Unconstrained shapes of the free variables that are inferred; by default there are none.
    varying : collection of str, default ()
        Dims whose lengths vary.
    gaps : bool, default False
        Whether data may be missing.
    """
    parameter_sizes = parameter_sizes or {}
    index = _indices(sizes)
    places = {
        dim: _along(dim, _indices(parameter_sizes), dims, list(parameter_sizes))
        for dim in exchangeable
    }
    places = {dim: found for dim, found in places.items() if found is not None}
    left = dict.fromkeys(sizes)
    blocks = []
    within = within or {}
    for dim in sorted(exchangeable, key=lambda dim: (dim not in within, dim in places)):
        blocks += _set(dim, index, dims, left, outcomes, places, within.get(dim), varying)
    for name in list(left):
        blocks += _plane(name, index[name], dims[name], ordered, left, outcomes)
    for dim in ordered:
        blocks += _series(dim, index, dims, left, outcomes, dim in varying)
    heeded = {block.dim for block in blocks if block.kind in ("set", "row")}
    places = {dim: own for dim, own in places.items() if dim in heeded}
    elements = sum(map(prod, sizes.values()))
    size = sum(map(prod, parameter_sizes.values()))
    return Layout(elements, tuple(blocks), places, size, gaps or bool(varying))


def _indices(sizes: Sizes) -> dict[str, np.ndarray]:
    found, end = {}, 0
    for name, shape in sizes.items():
        found[name] = end + np.arange(prod(shape)).reshape(shape)
        end += prod(shape)
    return found


def _along(
    dim: str, index: Mapping[str, np.ndarray], dims: Dims, names: Collection[str]
) -> np.ndarray | None:
    """Places of some variables as (length, columns); None where none has the dim."""
    rows = [np.moveaxis(index[n], dims[n].index(dim), 0) for n in names if dim in dims[n]]
    return np.concatenate([r.reshape(len(r), -1) for r in rows], axis=1) if rows else None


def _split(
    dim: str, left: dict[str, None], dims: Dims, outcomes: Collection[str]
) -> tuple[list[str], list[str]]:
    """Outcomes and varied data along a dim, which are then no longer left."""
    names = [name for name in left if dim in dims[name]]
    for name in names:
        del left[name]
    return [n for n in names if n in outcomes], [n for n in names if n not in outcomes]


def _set(
    dim: str,
    index: Mapping[str, np.ndarray],
    dims: Dims,
    left: dict[str, None],
    outcomes: Collection[str],
    places: Mapping[str, np.ndarray],
    inner: str | None,
    varying: Collection[str],
) -> list[Block]:
    own, others = _split(dim, left, dims, outcomes)
    if not own:
        return []
    pooled = "row" if dim in places else "set"
    if inner and all({dim, inner} <= set(dims[n]) for n in own):
        return [_nested(pooled, dim, inner, index, dims, own, others)]
    rows = _along(dim, index, dims, [*own, *others])
    columns = _along(dim, index, dims, own).shape[1]
    short = rows.size <= LONGEST_ROW and dim not in varying
    return [Block("row" if short else pooled, dim, rows, columns)]


def _nested(
    kind: str,
    dim: str,
    inner: str,
    index: Mapping[str, np.ndarray],
    dims: Dims,
    own: Collection[str],
    others: Collection[str],
) -> Block:
    """Sets within sets; data of whole groups go with each of their elements."""
    moved = [_first(index[name], dims[name], (dim, inner)) for name in (*own, *others)]
    lengths = moved[0].shape[:2]
    arrays = [np.broadcast_to(a, (*lengths, a.shape[2])).reshape(-1, a.shape[2]) for a in moved]
    outcomes = sum(a.shape[1] for a in arrays[: len(own)])
    return Block(kind, dim, np.concatenate(arrays, axis=1), outcomes, groups=lengths[0])


def _first(index: np.ndarray, names: tuple[str, ...], wanted: tuple[str, str]) -> np.ndarray:
    """Move two axes to the front, of length one where they are not there: (*two, columns)."""
    for dim in wanted:
        if dim not in names:
            index, names = index[..., None], (*names, dim)
    moved = np.moveaxis(index, [names.index(dim) for dim in wanted], (0, 1))
    return moved.reshape(*moved.shape[:2], -1)


def _plane(
    name: str,
    index: np.ndarray,
    dims: tuple[str, ...],
    ordered: Collection[str],
    left: dict[str, None],
    outcomes: Collection[str],
) -> list[Block]:
    axes = [k for k, dim in enumerate(dims) if dim in ordered]
    if len(axes) < 2 or min(index.shape[k] for k in axes[:2]) < SMALLEST_GRID:
        return []
    del left[name]
    rows = np.moveaxis(index, axes[:2], (0, 1))
    rows = rows.reshape(*rows.shape[:2], -1)
    return [Block("grid", dims[axes[0]], rows, rows.shape[2] if name in outcomes else 0)]


def _series(
    dim: str,
    index: Mapping[str, np.ndarray],
    dims: Dims,
    left: dict[str, None],
    outcomes: Collection[str],
    varies: bool,
) -> list[Block]:
    long = [n for n in left if dim in dims[n]]
    if not long or not (
        varies or index[long[0]].shape[dims[long[0]].index(dim)] >= SHORTEST_SERIES
    ):
        return []
    own, others = _split(dim, left, dims, outcomes)
    if not own:
        return []
    columns = _along(dim, index, dims, own).shape[1]
    return [Block("series", dim, _along(dim, index, dims, [*own, *others]), columns)]

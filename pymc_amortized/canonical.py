"""One order for exchangeable data: whatever order they come in, networks see the same."""

from typing import NamedTuple

import numpy as np

from pymc_amortized.layout import Block, Layout

__all__ = ["Ordered", "ascending"]


class Ordered(NamedTuple):
    """Data in their canonical order.

    Attributes
    ----------
    data : ndarray of shape (datasets, elements)
        With exchangeable elements ascending by their first column, ties by the next.
    places : ndarray of int of shape (datasets, size), or None
        Which parameter of the model's order stands at each place; None where none goes with
        exchangeable data.
    """

    data: np.ndarray
    places: np.ndarray | None


def ascending(data: np.ndarray, layout: Layout, *, pooled: bool = True) -> Ordered:
    """Put the elements of sets into ascending order, and the parameters that go with them.

    The posterior of a model with exchangeable elements is equivariant under their permutations, so
    that one learned for a single order is that for all (Zaheer et al. 2017, Deep sets, NeurIPS).

    Parameters
    ----------
    data : ndarray of shape (datasets, elements)
        Flat data, NaN where there are none.
    layout : Layout
        Their structure.
    pooled : bool, default True
        False leaves sets as they are whose order networks do not see.
    """
    kinds = ("set", "row") if pooled else ("row",)
    blocks = [block for block in layout.blocks if block.kind in kinds]
    places = None
    if layout.places:
        places = np.tile(np.arange(layout.size), (len(data), 1))
    if blocks:
        data = data.copy()
    for block in blocks:
        rows, order = _sorted(data[:, block.index], block)
        data[:, block.index] = rows
        if block.dim in layout.places:
            own = layout.places[block.dim]
            places[:, own] = own[order]
    return Ordered(data, places)


def _sorted(rows: np.ndarray, block: Block) -> tuple[np.ndarray, np.ndarray]:
    """Rows (datasets, length, columns) in ascending order, and the order of elements or groups."""
    if block.groups == 1:
        order = np.lexsort(np.moveaxis(rows, 2, 0)[::-1], axis=-1)
        return np.take_along_axis(rows, order[..., None], axis=1), order
    datasets, _, columns = rows.shape
    inner = rows.reshape(datasets * block.groups, -1, columns)
    inner, _ = _sorted(inner, block._replace(groups=1))
    groups = inner.reshape(datasets, block.groups, -1)
    order = np.lexsort([*np.moveaxis(groups, 2, 0)[::-1], _means(inner, block.groups)], axis=-1)
    ordered = np.take_along_axis(groups, order[..., None], axis=1)
    return ordered.reshape(rows.shape), order


def _means(inner: np.ndarray, groups: int) -> np.ndarray:
    """Mean of the first column of each group, infinite for one without any."""
    first = inner[..., 0]
    seen = np.isfinite(first)
    total = np.where(seen, first, 0.0).sum(axis=1)
    number = seen.sum(axis=1)
    mean = np.where(number > 0, total / np.maximum(number, 1), np.inf)
    return mean.reshape(-1, groups)

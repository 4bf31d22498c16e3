"""Draws of datasets in parts that fit into a processor's cache."""

from collections.abc import Iterator

__all__ = ["blocks"]

ROWS = 2**16
"""Draws that are worked on at a time."""


def blocks(datasets: int, draws: int) -> Iterator[tuple[slice, slice]]:
    """Cut an array of shape (datasets, draws) into parts of some datasets and some of their draws.

    Draws of one dataset are parted only where they are too many for one part.
    """
    step = max(1, ROWS // max(draws, 1))
    for start in range(0, datasets, step):
        some = slice(start, min(start + step, datasets))
        for first in range(0, draws, ROWS):
            yield some, slice(first, min(first + ROWS, draws))

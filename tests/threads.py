"""Calls from several threads at once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

__all__ = ["check_threads"]

THREADS, REPEATS = 4, 5


def check_threads(drawn: Callable[[int], Sequence[np.ndarray]], calls: int) -> None:
    """Each numbered call gets in threads what it gets alone."""
    alone = [drawn(k) for k in range(calls)]
    numbers = list(range(calls)) * REPEATS
    with ThreadPoolExecutor(THREADS) as pool:
        for k, together in zip(numbers, pool.map(drawn, numbers), strict=True):
            for found, expected in zip(together, alone[k], strict=True):
                np.testing.assert_array_equal(found, expected)

"""Cores that NumPy's linear algebra leaves to TensorFlow.

OpenBLAS's threads spin for a while after each product, to be there for the next one. That takes the
cores from a training step or a flow's draws that were begun in the meantime: where both use all
cores, a step takes a third longer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import joblib
from threadpoolctl import ThreadpoolController

__all__ = ["spared_cores"]


@contextmanager
def spared_cores() -> Iterator[None]:
    """Leave half of the cores to others than linear algebra, within a block.

    Of blocks in several threads the first one's holds, since the limit is the whole process's.
    """
    libraries = _libraries()
    allowed = [library.num_threads for library in libraries.lib_controllers]
    with libraries.limit(limits=min([_half(), *allowed])):
        yield


@cache
def _libraries() -> ThreadpoolController:
    """Those that are loaded, to look for which takes 10 ms."""
    return ThreadpoolController().select(user_api="blas")


@cache
def _half() -> int:
    return max(1, joblib.cpu_count() // 2)

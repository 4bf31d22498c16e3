"""Cores that NumPy's linear algebra leaves to TensorFlow.

OpenBLAS's threads spin for a while after each product, to be there for the next one. That takes the
cores from a training step or a flow's draws that were begun in the meantime: where both use all
cores, a step takes a quarter to a third longer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock

from threadpoolctl import ThreadpoolController

__all__ = ["spared_cores"]


_one = Lock()
"""Whose limit holds: it is the whole process's, and two that overlap would undo each other's."""


@contextmanager
def spared_cores() -> Iterator[None]:
    """Leave half of the cores to others than linear algebra, within a block.

    A block that begins within another one, or beside it in another thread, changes nothing.
    """
    if not _one.acquire(blocking=False):
        yield
        return
    try:
        libraries = _libraries()
        allowed = [library.num_threads or 1 for library in libraries.lib_controllers]
        with libraries.limit(limits=min([_half(), *allowed])):
            yield
    finally:
        _one.release()


@cache
def _libraries() -> ThreadpoolController:
    """Those that are loaded, to look for which takes 10 ms."""
    return ThreadpoolController().select(user_api="blas")


@cache
def _half() -> int:
    from joblib import cpu_count

    return max(1, cpu_count() // 2)

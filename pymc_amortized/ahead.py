"""Make what is needed next in a thread while the present is used."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

__all__ = ["ahead"]

Item = TypeVar("Item")


@contextmanager
def ahead(calls: Iterable[Callable[[], Item]]) -> Iterator[Iterator[Item]]:
    """Make the next item in a thread while the present one is used.

    Parameters
    ----------
    calls : iterable of callable
        Make one item each, one after the other; there may be no end to them.

    Yields
    ------
    iterator
        Of the items. The first is begun at once. The block ends without waiting for what was begun
        and is not wanted any more.
    """
    calls = iter(calls)
    waiting: deque[Future[Item]] = deque()
    with _impatient() as pool:

        def begin() -> None:
            waiting.extend(pool.submit(call) for call in islice(calls, 1))

        def items() -> Iterator[Item]:
            while waiting:
                begin()
                yield waiting.popleft().result()

        begin()
        yield items()


@contextmanager
def _impatient() -> Iterator[ThreadPoolExecutor]:
    """One thread, whose work is not waited for at the end of the block."""
    pool = ThreadPoolExecutor(1)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)

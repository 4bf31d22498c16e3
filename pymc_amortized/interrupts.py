"""Work that is too short to be interrupted, and too dear."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread

__all__ = ["uninterrupted"]


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Leave interrupts unheeded while the block completes what they would lose."""
    heeding = signal.getsignal(signal.SIGINT)
    if heeding is None or current_thread() is not main_thread():  # others are not interrupted
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, heeding)

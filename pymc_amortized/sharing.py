"""What threads and processes may share: threads take turns, and forks may not call TensorFlow."""

import os
from threading import RLock
from types import TracebackType

__all__ = ["Turns", "check_not_forked", "note_process"]

_loaded_by: set[int] = set()
"""The process that loaded TensorFlow."""


def note_process() -> None:
    """Remember that this process loads TensorFlow."""
    _loaded_by.add(os.getpid())


def check_not_forked() -> None:
    """Refuse to run in a fork of the process that loaded TensorFlow, where calls never end.

    Raises
    ------
    RuntimeError
        Naming the cure.
    """
    if _loaded_by and os.getpid() not in _loaded_by:
        raise RuntimeError(
            "pymc_amortized: expected the process that loaded TensorFlow, got a fork of it, in "
            "which TensorFlow would wait for threads that are not there. Start processes by "
            'multiprocessing.get_context("spawn"), and call pma.load in each.'
        )


class Turns:
    """A context for one thread at a time: PyTensor's functions serve one call at a time.

    Raises
    ------
    RuntimeError
        If entered in a fork of the process that loaded TensorFlow.
    """

    def __init__(self) -> None:
        self._lock = RLock()

    def __enter__(self) -> None:
        """Wait for the others."""
        check_not_forked()
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the next one go on."""
        self._lock.release()

"""Draws made one by one: in this process, or in worker processes where there are many to make."""

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from threading import Lock
from time import perf_counter

import numpy as np
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.tensor.variable import TensorVariable

from pymc_amortized.compilation import compiled, reseed

__all__ = ["Draw", "Graphs", "in_pieces", "looped", "seeded"]

Draw = Callable[[int, int], dict[str, np.ndarray]]
Graphs = Mapping[str, TensorVariable]
Piece = tuple[int, int]
"""A number of draws, and a seed."""

WORTH = 5.0
"""Seconds of work that worker processes are started for: each imports PyMC and compiles."""


def looped(graphs: Graphs) -> Draw:
    """Compile graphs of one draw, by name, into a loop over draws."""
    function, generators = compiled([], list(graphs.values()))

    def collect(draws: int) -> dict[str, np.ndarray]:
        """Draw so often."""
        columns = zip(*(function() for _ in range(draws)), strict=True)
        return {name: np.stack(column) for name, column in zip(graphs, columns, strict=True)}

    return seeded(generators, collect)


def seeded(
    generators: Sequence[SharedVariable], collect: Callable[[int], dict[str, np.ndarray]]
) -> Draw:
    """Make a function of a number of draws one of a seed too, whatever thread calls it."""
    lock = Lock()

    def draw(draws: int, seed: int) -> dict[str, np.ndarray]:
        """Draw so often, by a seed."""
        with lock:
            reseed(generators, seed)
            return collect(draws)

    return draw


def in_pieces(
    draw: Draw, recipe: Callable[[], Draw] | None, pieces: Sequence[Piece]
) -> Iterator[dict[str, np.ndarray]]:
    """Draw each piece, in order; the draws do not depend on where they are made.

    Parameters
    ----------
    draw : callable
        ``(draws, seed) -> {name: array of shape (draws, *shape)}``.
    recipe : callable or None
        Makes the same function in another process; None if it is to stay in this one.
    pieces : sequence of tuple of int
        Numbers of draws, and seeds.

    Raises
    ------
    RuntimeError
        If a worker process dies.
    """
    start, text = perf_counter(), None
    for k, piece in enumerate(pieces):
        yield draw(*piece)
        left = (perf_counter() - start) / (k + 1) * (len(pieces) - k - 1)
        if recipe and left > WORTH:
            text = _pickled(recipe)
            recipe = None
        if text:
            yield from _in_workers(text, pieces[k + 1 :])
            return


def _pickled(recipe: Callable[[], Draw]) -> bytes | None:
    import cloudpickle
    from joblib import cpu_count

    if cpu_count() == 1:
        return None
    try:
        return cloudpickle.dumps(recipe)
    except Exception:  # noqa: BLE001  what a user's function holds may raise anything
        return None


def _in_workers(text: bytes, pieces: Sequence[Piece]) -> Iterator[dict[str, np.ndarray]]:
    from joblib import Parallel, cpu_count, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    workers = Parallel(min(cpu_count(), len(pieces)), return_as="generator")
    try:
        yield from workers(delayed(_piece)(text, *piece) for piece in pieces)
    except TerminatedWorkerError as error:
        raise RuntimeError(
            "model: expected random functions that return, got one that ended its worker process. "
            "Look for memory or compiled code that fails in it: run it alone with pm.draw."
        ) from error


def _piece(text: bytes, draws: int, seed: int) -> dict[str, np.ndarray]:
    return _drawer(text)(draws, seed)


@lru_cache(maxsize=1)
def _drawer(text: bytes) -> Draw:
    """Compile once in each worker process."""
    return pickle.loads(text)()

"""Rounds of simulations as networks take them, the next made while the present one trains."""

from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import partial
from threading import Event

import numpy as np

from pymc_amortized.ahead import ahead
from pymc_amortized.preconditioning import Preconditioner
from pymc_amortized.simulation import Simulations
from pymc_amortized.sources import Source

__all__ = ["Pairs", "feed", "prepared"]

Pairs = tuple[np.ndarray, np.ndarray]
"""What is left of parameters (n, size), and encoded data (n, inputs), both float32."""


def prepared(preconditioner: Preconditioner, pairs: Simulations) -> Pairs:
    """Encode data, and take from parameters what the linear part of the posterior explains."""
    encoded = preconditioner.encoder.encode(pairs.data, training=True)
    remainder, _ = preconditioner.remainder(pairs.vector, encoded)
    return remainder.astype(np.float32), encoded.features.astype(np.float32)


@contextmanager
def feed(
    source: Source, preconditioner: Preconditioner, seed: int
) -> Iterator[Iterator[tuple[int, Pairs]]]:
    """Draw rounds without end.

    Parameters
    ----------
    source : Source
        Of the simulations.
    preconditioner : Preconditioner
        What prepares them.
    seed : int
        Of all rounds.

    Yields
    ------
    iterator
        How many simulations were dropped on the way to a round, and the round. What is being
        simulated when the block ends is given up.
    """
    over = Event()

    def heed(_: float) -> None:
        """Stop simulating what no one waits for."""
        if over.is_set():
            raise CancelledError

    def drawn(seed: int) -> tuple[int, Pairs]:
        """A round."""
        pairs = source.draw(seed, heed)
        return pairs.dropped, prepared(preconditioner, pairs)

    rng = np.random.default_rng(seed)
    seeds = iter(lambda: int(rng.integers(2**31)), None)  # without end
    with ahead(partial(drawn, each) for each in seeds) as rounds:
        try:
            yield rounds
        finally:
            over.set()

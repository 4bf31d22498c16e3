"""Fit a network to simulations: the compiled loop of optimizer steps, the schedule, stopping."""

import time
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from pymc_amortized.networks import Network
from pymc_amortized.trainer import Trainer, borrowed

__all__ = ["History", "Round", "Schedule", "train"]

LEARNING_RATE = 2e-3
"""Of Adam while it is constant."""

WARM_UP = 200
"""Steps over which the learning rate rises at first."""

PATIENCE = 5
"""Rounds without gain after which the learning rate falls."""

GAIN = 0.01
"""Nats of held-out loss that count as a gain."""

COOLING = 1.5
"""Length of the falling part of the schedule, relative to the constant part."""

SHORTEST_COOLING = 10
"""Rounds of the falling part at least."""

TIME_TO_COOL = 2 / 3
"""Part of `max_seconds` after which the learning rate falls at the latest."""

RETRIES = 3
"""Rounds that may end without a finite loss."""

Batches = Callable[[], tuple[np.ndarray, np.ndarray]]


class Round(NamedTuple):
    """What one round of training came to.

    Attributes
    ----------
    simulations : int
        Simulations seen so far, with repetitions.
    loss, held_out_loss : float
        Mean negative log density of the round's and of the held-out simulations, in nats, up to a
        constant of the parameters' scales.
    learning_rate : float
        At the end of the round.
    seconds : float
        Since training began, compilation included.
    """

    simulations: int
    loss: float
    held_out_loss: float
    learning_rate: float
    seconds: float


class History(NamedTuple):
    """A training run.

    Attributes
    ----------
    rounds : list of Round
        In order.
    converged : bool
        False if `max_seconds` cut it off before the held-out loss stopped improving.
    """

    rounds: list[Round]
    converged: bool


class Schedule:
    """The learning rate: constant until the held-out loss stops improving, then down to zero.

    The constant part needs no length in advance, and the falling part gains what a cosine
    schedule of that length would (Hägele et al. 2024, NeurIPS, "Scaling laws and compute-optimal
    training beyond fixed training durations").

    Parameters
    ----------
    max_seconds : float, optional
        Time for all of training.
    """

    def __init__(self, max_seconds: float | None = None) -> None:
        self.max_seconds = max_seconds
        self.losses: list[float] = []
        self.factor = 1.0
        self.plateau = False
        self._cooling: tuple[int, int] | None = None

    def update(self, held_out_loss: float, seconds: float) -> None:
        """Take note of a round's held-out loss, and of the time since training began."""
        self.losses.append(held_out_loss)
        if self._cooling is None:
            self._end_of_constant_part(seconds)

    def rates(self, steps: int) -> np.ndarray | None:
        """Learning rates of the next round's steps, or None when training is over."""
        done = len(self.losses)
        if self._cooling is None:
            rise = np.minimum(1.0, (done * steps + np.arange(1, steps + 1)) / WARM_UP)
            return (LEARNING_RATE * self.factor * rise).astype(np.float32)
        start, length = self._cooling
        if done >= start + length:
            return None
        part = (done - start + np.arange(steps) / steps) / length
        return (LEARNING_RATE * self.factor * (1 - part)).astype(np.float32)

    def slow_down(self) -> None:
        """Halve all rates."""
        self.factor /= 2

    def _end_of_constant_part(self, seconds: float) -> None:
        done = len(self.losses)
        length = max(SHORTEST_COOLING, round(COOLING * done))
        if self._stalled():
            self.plateau, self._cooling = True, (done, length)
        if self.max_seconds is not None and seconds > TIME_TO_COOL * self.max_seconds:
            possible = int((self.max_seconds - seconds) / (seconds / done))
            self._cooling = (done, max(1, min(length, possible)))

    def _stalled(self) -> bool:
        if len(self.losses) <= PATIENCE:
            return False
        recent, before = self.losses[-PATIENCE:], self.losses[:-PATIENCE]
        return min(recent) > min(before) - GAIN


def train(
    network: Network,
    batches: Batches,
    held_out: tuple[np.ndarray, np.ndarray],
    *,
    steps: int,
    batch: int,
    max_seconds: float | None = None,
    advance: Callable[..., None],
) -> History:
    """Train a network until its held-out loss stops improving.

    Parameters
    ----------
    network : Network
        Its weights are set to the best that were found.
    batches : callable
        Returns the simulations of a round: parameters (steps * batch, size) and encoded data
        (steps * batch, inputs), both float32.
    held_out : tuple of ndarray
        Simulations of the same kind, never trained on.
    steps, batch : int
        Optimizer steps in a round, simulations in a step.
    max_seconds : float, optional
        Ends training after this time, within a round.
    advance : callable
        Reports progress: ``advance(steps, loss=...)``.

    Raises
    ------
    FloatingPointError
        If the loss is not finite again and again.

    Notes
    -----
    After each round the weights compete with their running mean, which is free of the noise of
    single steps (Polyak and Juditsky 1992, SIAM J. Control Optim. 30; Morales-Brotons, Vogels and
    Hendrikx 2024, TMLR, "Exponential moving average of weights in deep learning").
    """
    start = time.perf_counter()
    with borrowed(network, steps, batch) as trainer:
        evaluate = trainer.evaluation(held_out)
        schedule, rounds = Schedule(max_seconds), []
        best = (evaluate(), trainer.network.weights())
        failures = 0
        for loss, rates in _rounds(schedule, trainer.round, batches, steps):
            found = _better(trainer, evaluate) if np.isfinite(loss) else None
            if found is None:
                failures += 1
                _recover(trainer, best[1], schedule, failures)
                continue
            best = min(best, found, key=itemgetter(0))
            held_out_loss = found[0]
            seconds = time.perf_counter() - start
            seen = (len(rounds) + 1 + failures) * steps * batch
            rounds.append(Round(seen, loss, held_out_loss, float(rates[-1]), seconds))
            schedule.update(held_out_loss, seconds)
            advance(steps, loss=held_out_loss)
            if max_seconds is not None and seconds > max_seconds:
                break
    network.assign(best[1])
    return History(rounds, schedule.plateau)


def _better(
    trainer: Trainer, evaluate: Callable[[], float]
) -> tuple[float, dict[str, np.ndarray]] | None:
    """Held-out loss and values of the weights or of their running mean, whichever has less.

    None if the weights' own loss is not finite.
    """
    trainer.show()
    own = (evaluate(), trainer.network.weights())
    if not np.isfinite(own[0]):
        return None
    trainer.show_mean()
    mean = (evaluate(), trainer.network.weights())
    return mean if mean[0] < own[0] else own


def _rounds(
    schedule: Schedule, run_round: Callable[..., float], batches: Batches, steps: int
) -> Iterator[tuple[float, np.ndarray]]:
    while (rates := schedule.rates(steps)) is not None:
        yield run_round(*batches(), rates), rates


def _recover(
    trainer: Trainer, best: dict[str, np.ndarray], schedule: Schedule, failures: int
) -> None:
    if failures > RETRIES:
        raise FloatingPointError(
            f"training: expected a finite loss, got NaN or infinity in {failures} rounds although "
            "the learning rate was lowered. Look for extreme values in pma.simulate(model), and "
            "choose priors that exclude them."
        )
    trainer.begin(best)  # the optimizer's running means of gradients are not finite either
    schedule.slow_down()

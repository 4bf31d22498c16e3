"""Fit a network to simulations: rounds of optimizer steps, the best weights, recovery."""

import time
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from pymc_amortized.networks import Network
from pymc_amortized.schedule import Schedule
from pymc_amortized.trainer import Trainer, borrowed

__all__ = ["History", "Round", "train"]

RETRIES = 3
"""Rounds in a row that may end without a finite loss."""

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
        False if it was cut off before the held-out loss stopped improving.
    interrupted : bool
        Whether a user did that.
    """

    rounds: list[Round]
    converged: bool
    interrupted: bool = False


def train(
    network: Network,
    batches: Batches,
    held_out: tuple[np.ndarray, np.ndarray],
    *,
    steps: int,
    batch: int,
    epoch: float | None = None,
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
    epoch : float, optional
        Steps in which simulations are seen once; None if none is seen again.
    max_seconds : float, optional
        Ends training after this time, within a round.
    advance : callable
        Reports progress: ``advance(steps, loss=...)``.

    Raises
    ------
    FloatingPointError
        If the loss is not finite again and again.
    KeyboardInterrupt
        Before the first round is over; later ones end training.

    Notes
    -----
    After each round the weights compete with their running mean, which is free of the noise of
    single steps (Polyak and Juditsky 1992, SIAM J. Control Optim. 30; Morales-Brotons, Vogels and
    Hendrikx 2024, TMLR, "Exponential moving average of weights in deep learning").
    """
    run = _Run(Schedule(steps, max_seconds, epoch), network.flat_weights(), time.perf_counter())
    interrupted = False
    try:
        with borrowed(network, steps, batch) as trainer:
            for found in run.rounds_of(trainer, batches, held_out, steps * batch):
                advance(steps, loss=found.held_out_loss)
                if max_seconds is not None and found.seconds > max_seconds:
                    break
    except KeyboardInterrupt:
        if not run.rounds:
            raise
        interrupted = True
    network.assign_flat(run.best[1])
    return History(run.rounds, run.schedule.plateau and not interrupted, interrupted)


class _Run:
    """What a training run has come to.

    Parameters
    ----------
    schedule : Schedule
        Of the run.
    weights : ndarray
        That it begins with, in a row.
    start : float
        Time when it began.
    """

    def __init__(self, schedule: Schedule, weights: np.ndarray, start: float) -> None:
        self.schedule, self.start = schedule, start
        self.rounds: list[Round] = []
        self.best = (np.inf, weights)

    def rounds_of(
        self,
        trainer: Trainer,
        batches: Batches,
        held_out: tuple[np.ndarray, np.ndarray],
        number: int,
    ) -> Iterator[Round]:
        """Make rounds of so many simulations until the schedule is over; yields the finite ones."""
        evaluate = trainer.evaluation(held_out)
        self.best = (evaluate(self.best[1]), self.best[1])
        seen = failures = 0
        while (rates := self.schedule.rates()) is not None:
            loss = trainer.round(*batches(), rates, self.schedule.decay)
            seen += number
            found = _better(trainer, evaluate) if np.isfinite(loss) else None
            if found is None:
                failures += 1
                _recover(trainer, self.best[1], self.schedule, failures)
                continue
            failures = 0
            self.best = min(self.best, found, key=itemgetter(0))
            seconds = time.perf_counter() - self.start
            self.rounds.append(Round(seen, loss, found[0], float(rates[-1]), seconds))
            self.schedule.update(loss, found[0], seconds)
            if self.schedule.back:
                trainer.begin(self.best[1])
            yield self.rounds[-1]


def _better(
    trainer: Trainer, evaluate: Callable[[np.ndarray], float]
) -> tuple[float, np.ndarray] | None:
    """Held-out loss and values of the weights or of their running mean, whichever has less.

    None if the weights' own loss is not finite.
    """
    every = trainer.weights(), trainer.mean_weights()
    found = [(evaluate(weights), weights) for weights in every]
    return min(found, key=itemgetter(0)) if np.isfinite(found[0][0]) else None


def _recover(trainer: Trainer, best: np.ndarray, schedule: Schedule, failures: int) -> None:
    if failures > RETRIES:
        raise FloatingPointError(
            f"training: expected a finite loss, got NaN or infinity in {failures} rounds in a "
            "row although the learning rate was lowered. Look for extreme values in "
            "pma.simulate(model), and choose priors that exclude them."
        )
    trainer.begin(best)  # the optimizer's running means of gradients are not finite either
    schedule.slow_down()

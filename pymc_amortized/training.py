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

    Notes
    -----
    After each round the weights compete with their running mean, which is free of the noise of
    single steps (Polyak and Juditsky 1992, SIAM J. Control Optim. 30; Morales-Brotons, Vogels and
    Hendrikx 2024, TMLR, "Exponential moving average of weights in deep learning").
    """
    start = time.perf_counter()
    with borrowed(network, steps, batch) as trainer:
        evaluate = trainer.evaluation(held_out)
        schedule = Schedule(steps, max_seconds, epoch)
        rounds = []
        best = (evaluate(), trainer.network.weights())
        failures = 0
        for loss, rates in _rounds(schedule, trainer, batches):
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
            schedule.update(loss, held_out_loss, seconds)
            advance(steps, loss=held_out_loss)
            if schedule.back:
                trainer.begin(best[1])
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
    schedule: Schedule, trainer: Trainer, batches: Batches
) -> Iterator[tuple[float, np.ndarray]]:
    while (rates := schedule.rates()) is not None:
        yield trainer.round(*batches(), rates, schedule.decay), rates


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

"""The learning rate and the decay of weights, round by round, and when training is over."""

from math import ceil

import numpy as np

from pymc_amortized.decay import WeightDecay

__all__ = ["Schedule"]

LEARNING_RATE = 2e-3
"""Of Adam while it is constant."""

WARM_UP = 200
"""Steps over which the learning rate rises at first."""

PATIENCE = 5
"""Rounds without gain after which the decay changes or the learning rate falls."""

PATIENT_STEPS = 600
"""Steps without gain that are waited for where nothing is learned by heart yet."""

GAIN = 0.01
"""Nats of held-out loss that count as a gain."""

COOLING = 1.5
"""Length of the falling part of the schedule, relative to the constant part."""

SHORTEST_COOLING = 10
"""Rounds of the falling part at least."""

TIME_TO_COOL = 2 / 3
"""Part of `max_seconds` that the constant part may take, the first round aside, which compiles."""


class Schedule:
    """Constant learning rates until the held-out loss stops improving, then down to zero.

    The constant part needs no length in advance, and the falling part gains what a cosine
    schedule of that length would (Hägele et al. 2024, NeurIPS, "Scaling laws and compute-optimal
    training beyond fixed training durations").

    Where simulations are seen again and again, weights decay, and whenever the held-out loss stops
    improving, by another part of them; where that gains nothing, training goes back to the best
    weights. Learning is by heart where the training loss is below the held-out one; until then
    rounds of few steps that gain nothing are noise, and more of them are waited for.

    Parameters
    ----------
    steps : int
        Optimizer steps in a round.
    max_seconds : float, optional
        Time for all of training.
    epoch : float, optional
        Steps in which simulations are seen once; None if none is seen again.

    Attributes
    ----------
    back : bool
        Whether the next round has to start from the best weights so far.
    plateau : bool
        Whether the held-out loss stopped improving, before time was over.
    """

    def __init__(
        self, steps: int, max_seconds: float | None = None, epoch: float | None = None
    ) -> None:
        self.steps = steps
        self.max_seconds = max_seconds
        self.losses: list[float] = []
        self._ends: list[float] = []  # seconds after each round
        self.factor = 1.0
        self.back = self.plateau = False
        self._decay = WeightDecay(epoch and LEARNING_RATE * epoch)
        self._since, self._before = 0, np.inf  # first round of this decay, best loss until then
        self._useful = 0  # rounds of decays that gained
        self._cooling: tuple[int, int] | None = None

    @property
    def decay(self) -> float:
        """Of weights in the next round, relative to the learning rate."""
        return self._decay.value

    def update(self, loss: float, held_out_loss: float, seconds: float) -> None:
        """Take note of a round's losses, and of the time since training began."""
        self.losses.append(held_out_loss)
        self._ends.append(seconds)
        self.back = False
        if self._cooling is None and self._stalled(by_heart=loss < held_out_loss):
            self._change_decay()
        if self._cooling is None and self._late():
            self.back = not self._gained()
            self._decay.settle(self._gained())
            self._cool(len(self.losses))

    def rates(self) -> np.ndarray | None:
        """Learning rates of the next round's steps, or None when training is over."""
        done, steps = len(self.losses), self.steps
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

    def _gained(self) -> bool:
        """Whether this decay led further than those before."""
        return min(self.losses[self._since :], default=np.inf) < self._before - GAIN

    def _late(self) -> bool:
        """Whether another round would take the constant part too far."""
        if self.max_seconds is None or len(self._ends) == 1:
            return False
        first, last = self._ends[0], self._ends[-1]
        return last - first + self._round() > TIME_TO_COOL * (self.max_seconds - first)

    def _round(self) -> float:
        """Seconds of a round after the first."""
        return (self._ends[-1] - self._ends[0]) / (len(self._ends) - 1)

    def _change_decay(self) -> None:
        """Take another decay, or end the constant part where no other can gain."""
        done, gained = len(self.losses), self._gained()
        self._useful += done - self._since if gained else 0
        self.back = not gained
        self._before = min(self.losses)
        self.plateau = not self._decay.move(gained)
        if self.plateau:
            self._cool(self._useful)
        self._since = done

    def _cool(self, constant: int) -> None:
        """Begin the falling part after so many rounds that led somewhere, and end it in time."""
        done, length = len(self.losses), max(SHORTEST_COOLING, round(COOLING * constant))
        if self.max_seconds is not None:
            possible = (self.max_seconds - self._ends[-1]) / self._round()
            length = max(1, int(min(length, possible)))
        self._cooling = (done, length)

    def _stalled(self, *, by_heart: bool) -> bool:
        rounds = PATIENCE if by_heart else max(PATIENCE, ceil(PATIENT_STEPS / self.steps))
        losses = self.losses[self._since :]
        if len(losses) <= rounds:
            return False
        recent, before = losses[-rounds:], losses[:-rounds]
        return min(recent) > min(before) - GAIN

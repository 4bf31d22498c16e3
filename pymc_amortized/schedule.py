"""The learning rate of training, round by round, and when training is over."""

import numpy as np

__all__ = ["Schedule"]

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

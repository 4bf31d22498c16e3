"""The learning rate and the decay of weights, round by round, and when training is over."""

from collections.abc import Sequence

import numpy as np

__all__ = ["Schedule", "decays"]

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

DECAYS = (0.07, 0.02, 0.007, 0.0)
"""Parts of the weights that decay while all simulations are seen once, at the full learning rate.
From two tenths on, networks of nested sets may lose all weights and not come back."""

TIME_TO_COOL = 2 / 3
"""Part of `max_seconds` after which the learning rate falls at the latest."""


def decays(epoch: float) -> list[float]:
    """Make the decays of weights, relative to the learning rate, that are tried one by one.

    Decay forgets over so many epochs, whatever the number of simulations (Wang and Aitchison 2024,
    "How to set AdamW's weight decay as you scale model and dataset size", arXiv:2405.13698).

    Parameters
    ----------
    epoch : float
        Steps in which all simulations are seen once.
    """
    return [part / (LEARNING_RATE * epoch) for part in DECAYS]


class Schedule:
    """Constant learning rates until the held-out loss stops improving, then down to zero.

    The constant part needs no length in advance, and the falling part gains what a cosine
    schedule of that length would (Hägele et al. 2024, NeurIPS, "Scaling laws and compute-optimal
    training beyond fixed training durations").

    Where simulations are seen again and again, weights decay at first so strongly that they can
    learn little by heart, and whenever the held-out loss stops improving, less; once that gains
    nothing, training goes on from the best weights, with the decay that led there.

    Parameters
    ----------
    max_seconds : float, optional
        Time for all of training.
    decays : sequence of float, default (0,)
        Decays of weights, relative to the learning rate, the strongest first.

    Attributes
    ----------
    back : bool
        Whether the next round has to start from the best weights so far.
    plateau : bool
        Whether the held-out loss stopped improving, before time was over.
    """

    def __init__(self, max_seconds: float | None = None, decays: Sequence[float] = (0.0,)) -> None:
        self.max_seconds = max_seconds
        self.losses: list[float] = []
        self.factor = 1.0
        self.back = self.plateau = False
        self._decays, self._level = decays, 0
        self._since, self._before = 0, np.inf  # first round of this decay, best loss until then
        self._cooling: tuple[int, int] | None = None

    @property
    def decay(self) -> float:
        """Of weights in the next round, relative to the learning rate."""
        return self._decays[self._level]

    def update(self, held_out_loss: float, seconds: float) -> None:
        """Take note of a round's held-out loss, and of the time since training began."""
        self.losses.append(held_out_loss)
        self.back = False
        if self._cooling is None and self._stalled():
            self._less_decay(seconds)
        if self._cooling is None and seconds > TIME_TO_COOL * (self.max_seconds or np.inf):
            self._cool(len(self.losses), seconds)

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

    def _less_decay(self, seconds: float) -> None:
        """Decay weights less, or end the constant part where that gained or can gain nothing."""
        done, best = len(self.losses), min(self.losses[self._since :])
        gained = best < self._before - GAIN
        if gained and self._level + 1 < len(self._decays):
            self._level += 1
            self._since, self._before = done, best
            return
        if not gained:
            self._level -= 1
            self.back = True
        self.plateau = True
        self._cool(done if gained else self._since, seconds)

    def _cool(self, constant: int, seconds: float) -> None:
        """Begin the falling part after so many rounds that led somewhere, and end it in time."""
        done, length = len(self.losses), max(SHORTEST_COOLING, round(COOLING * constant))
        if self.max_seconds is not None:
            possible = int((self.max_seconds - seconds) / (seconds / done))
            length = max(1, min(length, possible))
        self._cooling = (done, length)

    def _stalled(self) -> bool:
        losses = self.losses[self._since :]
        if len(losses) <= PATIENCE:
            return False
        recent, before = losses[-PATIENCE:], losses[:-PATIENCE]
        return min(recent) > min(before) - GAIN

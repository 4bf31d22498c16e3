"""How much weights decay in training."""

__all__ = ["WeightDecay"]

PARTS = (0.0, 0.007, 0.02, 0.07, 0.2, 0.6)
"""Parts of the weights that decay while simulations are seen once, at the full learning rate."""

FIRST = 3
"""The part that training begins with. From more than that, networks of nested sets may lose all
weights and not come back."""


class WeightDecay:
    """Decays that are tried one by one: more while that gains, then less while that gains.

    Where simulations are seen again and again, weights that decay learn less by heart; how much
    serves best differs by model and number of simulations. It forgets over so many epochs, whatever
    these are (Wang and Aitchison 2024, "How to set AdamW's weight decay as you scale model and
    dataset size", arXiv:2405.13698). What has been learned by heart stays, so the first is strong.

    Parameters
    ----------
    epoch : float or None
        Steps in which all simulations are seen once, times the full learning rate; None if none is
        seen again, and nothing decays.
    """

    def __init__(self, epoch: float | None) -> None:
        self._decays = [0.0] if epoch is None else [part / epoch for part in PARTS]
        self._now = self._best = min(FIRST, len(self._decays) - 1)
        self._rising = True

    @property
    def value(self) -> float:
        """Part of the weights that a step takes away, relative to its learning rate."""
        return self._decays[self._now]

    def move(self, gained: bool) -> bool:
        """Take the next decay after one that gained or did not.

        After one that did not, training has to go on from what the best one led to. Without a next
        one it stays with that, and False is returned.
        """
        if gained:
            self._best = self._now
        descended = not self._rising
        self._rising &= gained and self._best + 1 < len(self._decays)
        over = not self._rising and (self._best == 0 or (descended and not gained))
        self._now = self._best if over else self._best + (1 if self._rising else -1)
        return not over

    def settle(self, gained: bool) -> None:
        """Stay with the best decay, be it the present one or not."""
        self._now = self._now if gained else self._best

"""Truncated draws by rejection, where only the elements that are outside are drawn again."""

from typing import Any

import numpy as np
from pytensor.tensor.random.op import RandomVariable

__all__ = ["Rejection"]


class Rejection(RandomVariable):
    """A univariate distribution between a lower and an upper bound, both included.

    PyMC's own graph keeps the draws of every step of up to 10,000, which many draws at once have
    no room for.

    Parameters
    ----------
    base : RandomVariable
        The distribution, of scalar parameters.
    most_steps : int
        After so many steps whatever is still outside is an error.
    """

    __props__ = (*RandomVariable.__props__, "base", "most_steps")

    name = "rejection"

    def __init__(self, base: RandomVariable, most_steps: int, **properties: Any) -> None:
        if any(base.ndims_params):
            raise NotImplementedError(f"{base} has parameters that are no scalars")
        self.base, self.most_steps = base, most_steps
        signature = ",".join(["()"] * (len(base.ndims_params) + 2)) + "->()"
        super().__init__(**({"signature": signature, "dtype": base.dtype} | properties))

    def rng_fn(self, rng: np.random.Generator, *arguments: Any) -> np.ndarray:
        """Draw what is outside again and again; the last argument is the size."""
        *arguments, size = arguments
        arguments = [np.broadcast_to(a, size).ravel() for a in arguments]
        found = np.empty(arguments[0].shape, self.dtype)
        left = np.arange(found.size)
        for _ in range(self.most_steps):
            *parameters, low, high = (a[left] for a in arguments)
            found[left] = drawn = self.base.rng_fn(rng, *parameters, left.shape)
            left = left[(drawn < low) | (drawn > high)]
            if not left.size:
                return found.reshape(size)
        raise ValueError(
            f"truncated {self.base.name}: {left.size} draws are still outside the bounds after "
            f"{self.most_steps} steps"
        )

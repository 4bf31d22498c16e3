"""Data with gaps, made fit for graphs: valid values where there are none, and masks."""

from collections.abc import Collection, Mapping

import numpy as np

__all__ = ["completed", "filling", "mask_name"]

Arrays = Mapping[str, np.ndarray]


def mask_name(name: str) -> str:
    """Name of the mask of a variable, True where it is seen."""
    return f"{name} is seen"


def completed(observed: Arrays, fillers: Arrays) -> dict[str, np.ndarray]:
    """Fill gaps, and tell where there were any.

    Parameters
    ----------
    observed : mapping of str to ndarray of shape (*batch, *shape)
        Data, NaN where there are none.
    fillers : mapping of str to ndarray of shape (*shape)
        A valid value for each element of the variables that may have gaps, in their dtypes.
    """
    found = dict(observed)
    for name in fillers.keys() & observed.keys():
        seen = np.isfinite(observed[name])
        values = np.where(seen, observed[name], fillers[name])
        found |= {name: values.astype(fillers[name].dtype), mask_name(name): seen}
    return found


def filling(draws: Arrays, names: Collection[str]) -> dict[str, np.ndarray]:
    """Fillers of some variables: the first of draws of shape (n, *shape)."""
    return {name: np.asarray(draws[name])[0] for name in names}

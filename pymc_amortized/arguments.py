"""Arguments that several functions share, checked."""

from typing import Any

import numpy as np

__all__ = ["check_count", "generator"]


def check_count(name: str, value: Any) -> None:
    """Refuse what is no integer of at least 1.

    Parameters
    ----------
    name : str
        Of the argument.
    value : object
        What was passed.

    Raises
    ------
    ValueError
        Naming the argument.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name}: expected an integer of at least 1, got {value!r}.")


def generator(random_seed: Any) -> np.random.Generator:
    """Make a random generator of what users pass as `random_seed`.

    Parameters
    ----------
    random_seed : int, sequence of int, numpy.random.Generator or None
        As for NumPy's ``default_rng``.

    Raises
    ------
    TypeError, ValueError
        If it is none of these.
    """
    try:
        return np.random.default_rng(random_seed)
    except (TypeError, ValueError) as error:
        raise type(error)(
            "random_seed: expected None, a non-negative integer, a sequence of these or a "
            f"numpy.random.Generator, got {random_seed!r}."
        ) from None

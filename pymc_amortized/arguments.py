"""Arguments that several functions share, checked."""

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["check_count", "chosen_names", "generator"]


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


def chosen_names(name: str, wanted: str | Sequence[str] | None, every: Sequence[str]) -> list[str]:
    """Choose some of all names, by default all of them.

    Parameters
    ----------
    name : str
        Of the argument.
    wanted : str, sequence of str or None
        What was passed.
    every : sequence of str
        What there is to choose from.

    Raises
    ------
    ValueError
        Naming the argument.
    """
    names = [wanted] if isinstance(wanted, str) else list(every if wanted is None else wanted)
    unknown = [each for each in names if each not in every]
    if unknown or not names:
        got = ", ".join(map(repr, unknown)) or "none"
        raise ValueError(f"{name}: expected some of {', '.join(map(repr, every))}, got {got}.")
    return names


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

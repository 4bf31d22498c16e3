"""Arguments that several functions share, checked."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

__all__ = ["check_count", "chosen_names", "generator"]


def check_count(name: str, value: Any, *, least: int = 1) -> None:
    """Refuse what is no integer, or too small.

    Parameters
    ----------
    name : str
        Of the argument.
    value : object
        What was passed.
    least : int, default 1
        The smallest that will do.

    Raises
    ------
    ValueError
        Naming the argument.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name}: expected an integer of at least {least}, got {value!r}.")


def chosen_names(var_names: Any, every: Sequence[str]) -> list[str]:
    """Read which variables are wanted.

    Parameters
    ----------
    var_names : str, iterable of str or None
        Their names; a str is one, None stands for all.
    every : sequence of str
        All there are.

    Returns
    -------
    list of str
        Those wanted, in the order of all.

    Raises
    ------
    TypeError, ValueError
        If `var_names` are no names, others than these, or none.
    """
    if var_names is None:
        return list(every)
    wanted = [var_names] if isinstance(var_names, str) else var_names
    if not isinstance(wanted, Iterable):
        raise TypeError(f"var_names: expected names of variables, got {var_names!r}.")
    wanted = list(wanted)
    unknown = [name for name in wanted if name not in every]
    if unknown or not wanted:
        raise ValueError(
            f"var_names: expected some of {', '.join(map(repr, every))}, got "
            f"{', '.join(map(repr, unknown)) or 'none'}."
        )
    return [name for name in every if name in wanted]


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

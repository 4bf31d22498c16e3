"""Factories of networks, and what they returned: by name and options, for files and for reuse."""

from collections.abc import Callable, Mapping
from importlib import import_module
from inspect import isfunction
from typing import Any

__all__ = ["MODULES", "built_by", "is_factory", "recipe_of"]

MODULES = {"summary": "pymc_amortized.summaries", "flow": "pymc_amortized.flows"}
"""Where the factories are, by the argument of ``fit`` that takes what they return."""


def is_factory(argument: str, value: Any) -> bool:
    """Whether something is a factory itself, and not what it returns."""
    return isfunction(value) and value.__module__ == MODULES[argument]


def recipe_of(argument: str, built: Callable[..., Any]) -> dict[str, Any] | None:
    """Name of the factory that returned something, and its options.

    None where no factory of this package for the argument did.
    """
    module = import_module(MODULES[argument])
    for name in module.__all__:
        if getattr(built, "func", None) is getattr(module, name)().func:
            return {"factory": name, "options": dict(sorted(built.keywords.items()))}
    return None


def built_by(argument: str, recipe: Mapping[str, Any]) -> Callable[..., Any]:
    """Call a factory by its recipe.

    Raises
    ------
    ValueError
        If there is no such factory, in a file of another version.
    """
    module = import_module(MODULES[argument])
    if recipe["factory"] not in module.__all__:
        raise ValueError(
            f"path: expected a factory of {module.__name__} ({', '.join(module.__all__)}), got "
            f"{recipe['factory']!r}. Install the pymc_amortized that saved the file."
        )
    return getattr(module, recipe["factory"])(**recipe["options"])

"""What one entry of the registry is."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pymc as pm

__all__ = ["PYMC", "REGISTRY", "Case", "Fill", "build", "case"]

Fill = Callable[[], object]
"""What puts variables into the model of the context."""

PYMC = int(pm.__version__.partition(".")[0])
"""The installed generation of PyMC."""


@dataclass(frozen=True)
class Case:
    """One model of the registry.

    Parameters
    ----------
    name : str
        Its name, also that of the test's id.
    build : callable
        Makes the model anew.
    shows : tuple of str
        The distributions and features of PyMC that it stands for.
    vectorized : bool or None, default True
        Whether forward sampling draws all at once; None where either is right.
    likelihood : bool, default True
        Whether the model has a likelihood.
    sort : frozenset of str, default empty
        The variables that forward sampling must sort.
    exact_prior : bool, default True
        Whether PyMC's own forward draws follow the model's prior.
    discrete : bool, default False
        Whether a free variable is discrete.
    refused : str, default ""
        What the refusal of a model that cannot be amortized says, as a regular expression.
    """

    name: str
    build: Callable[[], pm.Model]
    shows: tuple[str, ...] = ()
    vectorized: bool | None = True
    likelihood: bool = True
    sort: frozenset[str] = frozenset()
    exact_prior: bool = True
    discrete: bool = False
    refused: str = ""


REGISTRY: dict[str, Case] = {}
"""All models, by name, in the order of their registration."""


def build(fill: Fill, **coords: object) -> pm.Model:
    """Make a model of what `fill` puts into it."""
    with warnings.catch_warnings(), pm.Model(coords=coords) as model:
        warnings.simplefilter("ignore")  # PyMC's advice, and its use of what PyTensor deprecates
        fill()
    return model


def case(
    *shows: str, **properties: object
) -> Callable[[Callable[[], None]], Callable[[], pm.Model]]:
    """Register the function that fills a model as a case of the same name.

    Parameters
    ----------
    *shows : str
        The distributions and features of PyMC that the model stands for.
    **properties : object
        Properties of the `Case` that differ from the defaults; ``coords`` are the model's.
    """
    coords = properties.pop("coords", None)

    def register(fill: Callable[[], None]) -> Callable[[], pm.Model]:
        made = partial(build, fill, **(coords or {}))
        name = fill.__name__
        if name in REGISTRY:
            raise ValueError(f"expected one model of a name, got two called {name!r}: rename one")
        REGISTRY[name] = Case(name=name, build=made, shows=shows, **properties)
        return made

    return register

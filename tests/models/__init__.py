"""The registry of models that the tests run through; adding a model is one entry.

``CASES`` are the small ones that most tests look at, ``SUPPORTED`` those that are not refused,
``REGISTRY`` is all.
"""

from importlib import import_module

from models._case import PYMC, REGISTRY, Case, Fill, build, case
from models.small import CASES, CENTERS, YEARS

for _name in ("continuous", "discrete", "multivariate", "series", "compound", "features"):
    import_module(f"models.{_name}")
import_module("models.published")
if PYMC > 5:
    import_module("models.named_dims")

SUPPORTED = {name: case for name, case in REGISTRY.items() if not case.refused}

__all__ = [
    "CASES",
    "CENTERS",
    "PYMC",
    "REGISTRY",
    "SUPPORTED",
    "YEARS",
    "Case",
    "Fill",
    "build",
    "case",
]

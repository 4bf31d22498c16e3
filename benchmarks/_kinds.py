"""Models of different kinds."""

import sys
from pathlib import Path

import _models
import numpy as np
import pymc as pm
import pytensor.tensor as pt

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from gapminder import growth, life_expectancy

COVARIATE = np.linspace(-1.5, 1.5, 20)


def demo(y: np.ndarray | None = None) -> pm.Model:
    first = life_expectancy()[0]
    return growth(first if y is None else first.copy(data=y))


def counts(y: np.ndarray | None = None) -> pm.Model:
    """Poisson regression."""
    y = np.full(20, 3) if y is None else y
    with pm.Model() as model:
        a = pm.Normal("a", 1, 0.7)
        b = pm.Normal("b", 0, 0.5)
        pm.Poisson("y", pt.exp(a + b * COVARIATE), observed=y)
    return model


def groups(y: np.ndarray | None = None) -> pm.Model:
    """Eight groups of five, with unknown mean and spread: ten parameters."""
    y = np.zeros((8, 5)) if y is None else y
    with pm.Model(coords={"group": range(8), "member": range(5)}) as model:
        mu = pm.Normal("mu", 0, 2)
        tau = pm.HalfNormal("tau", 1)
        z = pm.Normal("z", dims="group")
        theta = mu + tau * z
        pm.Normal("y", theta[:, None], 1.0, observed=y, dims=("group", "member"))
    return model


def _skewed(
    rng: np.random.Generator, location: np.ndarray, skew: np.ndarray, size: tuple[int, ...] | None
) -> np.ndarray:
    """Tukey's g transformation of normal noise."""
    return location + np.expm1(skew * rng.normal(size=size)) / skew


def simulator() -> pm.Model:
    """Without a likelihood."""
    with pm.Model() as model:
        location = pm.Normal("location", 0, 2)
        skew = pm.Uniform("skew", 0.1, 0.8)
        pm.Simulator("y", _skewed, location, skew, observed=np.linspace(-1, 2, 15))
    return model


def slcp(y: np.ndarray | None = None) -> pm.Model:
    """Of four modes, hard to learn in two seconds."""
    return _models.slcp(np.linspace(-1, 1, 8) if y is None else y)


MODELS = {
    "demo": demo,
    "counts": counts,
    "groups": groups,
    "slcp": slcp,
    "simulator": simulator,
}

"""Models of `pymc.dims`, whose arrays carry the names of their axes."""

import numpy as np
import pymc as pm
import pymc.dims as pmd

from models._case import case

VALUES = np.linspace(-1, 1, 6)


@case("pymc.dims", coords={"obs": range(6), "group": range(2)})
def named_line() -> None:
    x = pmd.Data("x", VALUES, dims="obs")
    a = pmd.Normal("a", 0, 1)
    b = pmd.Normal("b", 0, 1)
    sigma = pmd.HalfNormal("sigma", 1)
    pmd.Normal("y", a + b * x, sigma, observed=pmd.as_xtensor(VALUES, dims="obs"))


@case("pymc.dims with several dims", coords={"obs": range(6), "group": range(2)})
def named_groups() -> None:
    mu = pmd.Normal("mu", 0, 1, dims="group")
    pmd.Deterministic("mean", mu.mean("group"))
    y = pmd.as_xtensor(np.zeros((6, 2)), dims=("obs", "group"))
    pmd.Normal("y", mu, 1, observed=y, dims=("obs", "group"))


@case("pymc.dims beside pm", coords={"obs": range(6), "kind": range(3)})
def named_and_not() -> None:
    p = pmd.Dirichlet("p", pmd.as_xtensor(np.ones(3), dims="kind"), core_dims="kind")
    a = pm.Normal("a", 0, 1)
    pm.Normal("y", a + p.values.sum(), 1, observed=VALUES)

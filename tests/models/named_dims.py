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


GROUPS = {"obs": range(6), "group": ["a", "b"], "kind": range(3), "other": range(3)}
TABLE = pmd.as_xtensor(np.linspace(-1, 1, 12).reshape(6, 2), dims=("obs", "group"))
COVARIANCE = pmd.as_xtensor(np.eye(3) + 0.5, dims=("kind", "other"))


@case("pymc.dims in another order", coords=GROUPS)
def named_transposed() -> None:
    at = pmd.as_xtensor(np.array([-1.0, 1.0]), dims="group")
    mu = pmd.Normal("mu", at, 1, dims=("kind", "group"))
    scale = pmd.Gamma("scale", 3, 3, dims=("kind", "group"))
    y = pmd.as_xtensor(np.zeros((2, 3, 6)), dims=("group", "kind", "obs"))
    pmd.Normal("y", mu * scale, 1, observed=y, dims=("obs", "kind", "group"))


@case("pymc.dims: simplices and categories", coords=GROUPS)
def named_categories() -> None:
    p = pmd.Dirichlet(
        "p", pmd.as_xtensor([1.0, 2, 3], dims="kind"), core_dims="kind", dims=("group", "kind")
    )
    y = pmd.as_xtensor(np.arange(12).reshape(6, 2) % 3, dims=("obs", "group"))
    pmd.Categorical("y", p, core_dims="kind", observed=y)


@case("pymc.dims: ZeroSumNormal", "ZeroSumNormal", coords=GROUPS)
def named_zero_sum() -> None:
    effect = pmd.ZeroSumNormal("effect", 2.0, core_dims="group", dims=("kind", "group"))
    table = pmd.ZeroSumNormal("table", 1.0, core_dims=("group", "kind"))
    pmd.Normal("y", effect.mean("kind") + table.isel(kind=0), 1, observed=TABLE)


@case("pymc.dims: MvNormal", coords=GROUPS)
def named_multivariate() -> None:
    zero = pmd.as_xtensor(np.zeros(3), dims="kind")
    x = pmd.MvNormal("x", zero, COVARIANCE, core_dims=("kind", "other"), dims=("group", "kind"))
    pmd.Normal("y", x.sum("kind"), 1, observed=TABLE)


@case("pymc.dims: Censored", coords=GROUPS)
def named_censored() -> None:
    mu = pmd.Normal("mu", 0, 1, dims="group")
    pmd.Censored("y", pmd.Normal.dist(mu, 1), lower=-0.5, upper=0.5, observed=TABLE.clip(-0.5, 0.5))


@case("pymc.dims: counts", coords=GROUPS)
def named_counts() -> None:
    counts = pmd.Data("counts", np.arange(12).reshape(6, 2), dims=("obs", "group"))
    rate = pmd.Gamma("rate", 2, 0.5, dims="group")
    pmd.Deterministic("total", rate.sum())
    weight = pmd.as_xtensor(np.arange(3.0), dims="kind")
    pmd.Deterministic("weighted", rate * weight, dims=("kind", "group"))
    pmd.Poisson("y", rate, observed=counts)


@case("pymc.dims: discrete parameters", coords=GROUPS, discrete=True)
def named_discrete() -> None:
    n = pmd.Poisson("n", 3, dims="group")
    z = pmd.Bernoulli("z", 0.3, dims=("kind", "group"))
    pmd.Normal("y", n + z.sum("kind"), 1, observed=TABLE)


@case("pymc.dims: bounded distributions", coords=GROUPS)
def named_bounded() -> None:
    u = pmd.Uniform("u", -1, 3, dims="group")
    b = pmd.Beta("b", 2, 3)
    t = pmd.TruncatedNormal("t", 0, 1, lower=-1)
    h = pmd.HalfStudentT("h", nu=5, sigma=1)
    g = pmd.InverseGamma("g", 5, 4)
    pmd.StudentT("y", nu=5, mu=u * b + t, sigma=h + g, observed=TABLE)


@case("pymc.dims: Potential", coords=GROUPS, exact_prior=False)
def named_potential() -> None:
    a = pmd.Normal("a", 0, 1, dims="group")
    pmd.Potential("near", -2 * a.isel(group=0) ** 2)
    pmd.Normal("y", a, 1, observed=TABLE)


@case("pymc.dims: arrays of both kinds", coords=GROUPS)
def named_both() -> None:
    x = pmd.Data("x", np.ones((6, 2)), dims=("obs", "group"))
    a = pmd.Normal("a", 0, 1, dims="group")
    share = pmd.math.softmax(a, dim="group")
    b = pm.Normal("b", share.values[0], 1)
    pmd.Normal(
        "y", x.dot(share) + pmd.as_xtensor(b), 1, observed=pmd.as_xtensor(VALUES, dims="obs")
    )

"""Features of PyMC's models beside distributions."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pymc.distributions import transforms
from pymc.logprob.transforms import Transform

from models._case import REGISTRY, Case, case

POINTS = np.linspace(-1, 1, 6)


def register(name: str, build: object, *shows: str, **properties: object) -> None:
    """Register a model that is not made by filling the context's."""
    REGISTRY[name] = Case(name=name, build=build, shows=shows, **properties)


def _line(observed: np.ndarray | None) -> pm.Model:
    with pm.Model() as model:
        a = pm.Normal("a")
        b = pm.HalfNormal("b", 1)
        pm.Normal("y", a + b * POINTS, 0.5, observed=observed)
    return model


register("observed_later", lambda: pm.observe(_line(None), {"y": POINTS}), "pm.observe")
register("intervened", lambda: pm.do(_line(POINTS), {"b": 2.0}), "pm.do")


@case("nested models", coords={"obs": range(6)})
def nested() -> None:
    with pm.Model(name="sub"):
        a = pm.Normal("a")
        pm.Deterministic("double", 2 * a)
    with pm.Model(name="other"):
        b = pm.HalfNormal("a", 1)
    pm.Normal("y", a + b, 1, observed=POINTS, dims="obs")


@case("initval")
def with_initial_values() -> None:
    a = pm.Normal("a", 0, 1, initval=2.0)
    b = pm.HalfNormal("b", 1, initval="prior")
    pm.Normal("y", a, b, observed=POINTS)


@case("observed pm.Data")
def observed_data() -> None:
    y = pm.Data("seen", POINTS)
    a = pm.Normal("a")
    pm.Normal("y", a, 1, observed=y, shape=y.shape)


@case("shape from data")
def shape_from_data() -> None:
    x = pm.Data("x", np.column_stack([POINTS, POINTS**2]))
    b = pm.Normal("b", 0, 1, shape=x.shape[1])
    pm.Normal("y", x @ b, 1, observed=POINTS, shape=x.shape[0])


@case("indexing by groups", coords={"group": list("abc"), "obs": range(6)})
def indexed_groups() -> None:
    group = pm.Data("group_of", np.array([0, 0, 1, 1, 2, 2]), dims="obs")
    mu = pm.Normal("mu", 0, 1, dims="group")
    pm.Normal("y", mu[group], 0.5, observed=POINTS, dims="obs")


@case("scalar data")
def scalar_data() -> None:
    a = pm.Gamma("a", 2, 1)
    pm.Normal("y", a, 1, observed=0.5)


@case("parameters that nothing depends on")
def unused_parameter() -> None:
    pm.Normal("unused")
    a = pm.Normal("a")
    pm.Normal("y", a, 1, observed=POINTS)


@case("transform=log_exp_m1")
def softplus_transform() -> None:
    a = pm.HalfNormal("a", 1, default_transform=transforms.log_exp_m1)
    pm.Normal("y", 0, a, observed=POINTS)


class Asinh(Transform):
    """A user's own, of the real line onto itself."""

    name = "asinh"

    def forward(self, value: pt.TensorVariable, *inputs: object) -> pt.TensorVariable:
        return pt.arcsinh(value)

    def backward(self, value: pt.TensorVariable, *inputs: object) -> pt.TensorVariable:
        return pt.sinh(value)

    def log_jac_det(self, value: pt.TensorVariable, *inputs: object) -> pt.TensorVariable:
        return pt.log(pt.cosh(value))


@case("transform of a user's own class")
def own_transform() -> None:
    a = pm.StudentT("a", nu=3, mu=0, sigma=1, shape=2, transform=Asinh())
    pm.Normal("y", a.sum(), 1, observed=POINTS)


@case("transforms.Chain")
def chained_transform() -> None:
    chain = transforms.Chain([transforms.log, Asinh()])
    a = pm.HalfNormal("a", 1, default_transform=chain)
    pm.Normal("y", 0, a, observed=POINTS)


@case("transform=None")
def untransformed() -> None:
    a = pm.Normal("a", shape=2, transform=None)
    pm.Normal("y", a.sum(), 1, observed=POINTS)


@case("default_transform of bounded variables")
def interval_transform() -> None:
    a = pm.Beta("a", 2, 3, default_transform=transforms.Interval(0.0, 1.0))
    pm.Bernoulli("y", a, observed=(POINTS > 0).astype(int))


@case("transform=ordered of positive variables", sort=frozenset({"a"}), exact_prior=False)
def ordered_positive() -> None:
    a = pm.HalfNormal(
        "a", 1, shape=3, transform=transforms.ordered, initval=np.array([0.1, 1.0, 2.0])
    )
    pm.Normal("y", a, 0.5, observed=np.zeros(3))


@case("transform=ordered, not exchangeable", refused="'a'")
def ordered_but_different() -> None:
    a = pm.Normal("a", np.array([-1.0, 1.0]), 1, transform=transforms.ordered)
    pm.Normal("y", a, 0.5, observed=np.zeros(2))


@case("prior with a point mass", refused="'a' has a prior with point masses")
def censored_prior() -> None:
    a = pm.Censored("a", pm.Normal.dist(), lower=0, upper=None)
    pm.Normal("y", a, 1, observed=POINTS)


@case("prior with a rare point mass", refused="'a' has a prior with point masses")
def rarely_censored_prior() -> None:
    a = pm.Censored("a", pm.Normal.dist(), lower=None, upper=3.2)
    pm.Normal("y", a, 1, observed=POINTS)


def _clipped(mu: pt.TensorVariable, size: pt.TensorVariable) -> pt.TensorVariable:
    return pt.abs(pt.clip(pm.Normal.dist(mu, 1, size=size), 0, 2))


@case("prior of many equal values", refused="'a' has a prior with point masses")
def clipped_prior() -> None:
    a = pm.CustomDist("a", 0.0, dist=_clipped)
    pm.Normal("y", a, 1, observed=POINTS)


@case("bounded prior without a transform", refused="'a' is bounded and has no transform")
def untransformed_scale() -> None:
    a = pm.HalfNormal("a", 1, default_transform=None)
    pm.Normal("y", 0, a, observed=POINTS)


@case("unnamed random variable", refused="'y' depends on a random variable that is not one of")
def unnamed_variable() -> None:
    a = pm.Normal("a")
    pm.Normal("y", a + pm.Normal.dist(0, 1), 0.1, observed=POINTS)


def _climbing(scale: pt.TensorVariable, size: pt.TensorVariable) -> pt.TensorVariable:
    steps = pm.Normal.dist(0, scale, size=(3,))
    return pt.concatenate([steps[:1], steps[:1] + steps[1:]])


@case("transform=ordered without a density", refused="'a' is restricted by its transform")
def ordered_without_density() -> None:
    a = pm.CustomDist(
        "a",
        1.0,
        dist=_climbing,
        signature="()->(n)",
        shape=(3,),
        transform=transforms.ordered,
        initval=np.array([-1.0, 0.0, 1.0]),
    )
    pm.Normal("y", a, 0.1, observed=np.zeros(3))


@case("simplex without a transform", refused="'a' is degenerate")
def untransformed_simplex() -> None:
    a = pm.Dirichlet("a", np.ones(3), default_transform=None)
    pm.Multinomial("y", n=10, p=a, observed=np.array([2, 3, 5]))


@case("pm.Potential of parameters", exact_prior=False)
def potential() -> None:
    a = pm.Normal("a", shape=2)
    pm.Potential("near", -2 * (a[0] - a[1]) ** 2)
    pm.Normal("y", a, 1, observed=np.array([0.5, 1.0]))


@case("pm.Potential of bounded parameters", exact_prior=False)
def potential_of_a_scale() -> None:
    b = pm.HalfNormal("b", 1)
    p = pm.Beta("p", 2, 3)
    pm.Potential("small", -(b**2) - 3 * p)
    pm.Normal("y", p, b, observed=POINTS)


def _shifted_noise(
    rng: np.random.Generator, mu: np.ndarray, size: tuple[int, ...] | None
) -> np.ndarray:
    return rng.normal(mu, 1, size=size)


@case(
    "pm.Potential beside a simulator",
    exact_prior=False,
    vectorized=False,
    likelihood=False,
)
def potential_of_a_simulator() -> None:
    a = pm.Normal("a")
    pm.Potential("positive", pt.switch(a > 0, 0.0, -np.inf))
    pm.Simulator("y", _shifted_noise, a, observed=POINTS)


@case("pm.Potential of data", refused="'weighted'")
def potential_of_data() -> None:
    a = pm.Normal("a")
    y = pm.Normal("y", a, 1, observed=POINTS)
    pm.Potential("weighted", -((y - a) ** 2).sum())


@case("pm.Minibatch", refused="'y' uses pm.Minibatch")
def minibatch() -> None:
    a = pm.Normal("a")
    pm.Normal("y", a, 1, observed=pm.Minibatch(POINTS, batch_size=2), total_size=6)


@case("missing data", refused="'y' is partially observed")
def missing_values() -> None:
    """Of a vector: the density of what is seen is not at hand."""
    a = pm.Normal("a")
    with np.errstate(all="ignore"):
        gaps = np.ma.masked_invalid([1.0, np.nan, 2.0])
        pm.MvNormal("y", [a, a, a], np.eye(3), observed=gaps)


@case("random shape", refused="'y'|'x'")
def random_shape() -> None:
    n = pm.Poisson("n", 3)
    x = pm.Normal("x", shape=n + 1)
    pm.Normal("y", x.sum(), 1, observed=POINTS)


@case("pytensor.scan", vectorized=None)
def scanned_deterministic() -> None:
    rate = pm.HalfNormal("rate", 1)
    levels = pytensor.scan(
        lambda x, r: x * pt.exp(-r),
        outputs_info=pt.constant(1.0, dtype="float64"),
        non_sequences=rate,
        n_steps=6,
        return_updates=False,
    )
    pm.Normal("y", levels, 0.1, observed=POINTS)


@case("pm.Deterministic of everything")
def deterministics() -> None:
    a = pm.Normal("a", shape=(2, 3))
    pm.Deterministic("total", a.sum())
    pm.Deterministic("column", a.mean(axis=0))
    pm.Deterministic("largest", pt.max(a))
    pm.Normal("y", a, 1, observed=np.zeros((2, 3)))


@case("pm.gp.Latent")
def latent_gp() -> None:
    scale = pm.Gamma("scale", 3, 3)
    gp = pm.gp.Latent(cov_func=pm.gp.cov.ExpQuad(1, ls=scale))
    f = gp.prior("f", X=POINTS[:, None], jitter=1e-4)
    pm.Normal("y", f, 0.3, observed=POINTS)


@case("pm.gp.Marginal")
def marginal_gp() -> None:
    scale = pm.Gamma("scale", 3, 3)
    height = pm.HalfNormal("height", 1)
    gp = pm.gp.Marginal(cov_func=height**2 * pm.gp.cov.Matern52(1, ls=scale))
    gp.marginal_likelihood("y", X=POINTS[:, None], y=POINTS, sigma=0.5)


@case("pm.gp.HSGP")
def hilbert_space_gp() -> None:
    scale = pm.Gamma("scale", 3, 3)
    gp = pm.gp.HSGP(m=[5], c=1.5, cov_func=pm.gp.cov.ExpQuad(1, ls=scale))
    f = gp.prior("f", X=POINTS[:, None])
    pm.Normal("y", f, 0.3, observed=POINTS)


@case("random variables in matrices")
def linear_algebra() -> None:
    a = pm.Normal("a", shape=(3, 3))
    sym = a @ a.T + 2 * pt.eye(3)
    pm.Deterministic("log_det", pt.linalg.slogdet(sym)[1])
    pm.MvNormal("y", pt.zeros(3), cov=sym, observed=np.zeros((2, 3)))


@case("50 groups", coords={"group": range(50)})
def fifty_groups() -> None:
    mu = pm.Normal("mu", 0, 2)
    tau = pm.HalfNormal("tau", 1)
    theta = pm.Normal("theta", mu, tau, dims="group")
    pm.Normal("y", theta, 1.0, observed=np.linspace(-2, 2, 50), dims="group")

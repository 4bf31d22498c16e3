"""Small models of many kinds, which most tests look at."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.transforms import ordered

from models._case import REGISTRY, case

__all__ = ["CASES", "CENTERS", "YEARS"]

YEARS = np.linspace(-1.5, 1.5, 12)


@case(coords={"obs": range(12)})
def linear_regression() -> None:
    """A line with unknown noise, over a covariate in a container."""
    x = pm.Data("x", YEARS, dims="obs")
    b0 = pm.Normal("b0", 1, 2)
    b1 = pm.Normal("b1", 0, 1.5)
    sigma = pm.HalfNormal("sigma", 1.5)
    pm.Normal("y", b0 + b1 * x, sigma, observed=1 + 0.5 * YEARS, dims="obs")


@case(coords={"obs": range(12)})
def known_noise() -> None:
    """Conjugate: a line with noise of standard deviation 0.7."""
    x = pm.Data("x", YEARS, dims="obs")
    b0 = pm.Normal("b0", 1, 2)
    b1 = pm.Normal("b1", 0, 1.5)
    pm.Normal("y", b0 + b1 * x, 0.7, observed=1 + 0.5 * YEARS, dims="obs")


@case()
def one_parameter() -> None:
    """Conjugate: the rate of ten counts."""
    rate = pm.Gamma("rate", 2, 0.5)
    pm.Poisson("y", rate, observed=np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3]))


@case()
def beta_binomial() -> None:
    """Conjugate: a proportion."""
    p = pm.Beta("p", 2, 3)
    pm.Binomial("y", n=10, p=p, observed=np.array([3, 5, 4]))


@case(coords={"group": list("abcdefgh")})
def hierarchical() -> None:
    """Eight groups, non-centred."""
    mu = pm.Normal("mu", 0, 2)
    tau = pm.HalfNormal("tau", 1)
    z = pm.Normal("z", dims="group")
    theta = pm.Deterministic("theta", mu + tau * z, dims="group")
    pm.Normal("y", theta, 1.0, observed=np.linspace(-1, 1, 8), dims="group")


@case()
def random_bounds() -> None:
    """Support that depends on another variable."""
    low = pm.Normal("low")
    u = pm.Uniform("u", low, low + 2, shape=2)
    pm.Normal("y", u.sum(), 0.5, observed=np.zeros(4))


@case(coords={"kind": list("abc")})
def dirichlet_multinomial() -> None:
    """Counts of three kinds with unknown shares."""
    share = pm.Dirichlet("share", np.array([1.0, 2.0, 3.0]), dims="kind")
    pm.Multinomial("y", n=20, p=share, observed=np.array([[4, 6, 10], [3, 7, 10]]))


@case()
def logistic_regression() -> None:
    """Binary outcomes over two covariates."""
    x = pm.Data("x", np.column_stack([YEARS, YEARS**2]))
    b = pm.Normal("b", 0, 1, shape=2)
    pm.Bernoulli("y", logit_p=x @ b, observed=(YEARS > 0).astype(int))


@case()
def lkj() -> None:
    """An unknown covariance matrix in two dimensions."""
    sd = pm.HalfNormal.dist(1.0, size=2)
    chol, *_ = pm.LKJCholeskyCov("chol", n=2, eta=2.0, sd_dist=sd)
    pm.MvNormal("y", np.zeros(2), chol=chol, observed=np.zeros((5, 2)))


@case(sort=frozenset({"mu"}), exact_prior=False)
def ordered_means() -> None:
    """Ordered components, whose prior PyMC's forward sampler does not follow."""
    mu = pm.Normal("mu", 0, 2, shape=2, transform=ordered, initval=np.array([-1.0, 1.0]))
    pm.NormalMixture("y", w=np.array([0.3, 0.7]), mu=mu, sigma=0.5, observed=np.linspace(-2, 2, 6))


@case()
def mixture() -> None:
    """Two normal components with unknown weights and means, marginalized."""
    w = pm.Dirichlet("w", np.ones(2))
    mu = pm.Normal("mu", np.array([-2.0, 2.0]), 1.0)
    pm.NormalMixture("y", w=w, mu=mu, sigma=0.5, observed=np.linspace(-2, 2, 8))


@case()
def random_walk() -> None:
    """A latent random walk."""
    sigma = pm.HalfNormal("sigma")
    init = pm.Normal.dist(0, 1)
    walk = pm.GaussianRandomWalk("walk", sigma=sigma, init_dist=init, shape=6)
    pm.Normal("y", walk, 0.5, observed=np.zeros(6))


@case()
def mv() -> None:
    """A correlated prior."""
    cov = np.array([[1.0, 0.8], [0.8, 2.0]])
    mu = pm.MvNormal("mu", np.zeros(2), cov=cov)
    pm.MvNormal("y", mu, cov=np.eye(2), observed=np.zeros((3, 2)))


@case()
def student_t() -> None:
    """Heavy tails."""
    mu = pm.StudentT("mu", nu=3, mu=0, sigma=1)
    scale = pm.HalfCauchy("scale", 1)
    pm.StudentT("y", nu=3, mu=mu, sigma=scale, observed=np.zeros(5))


@case()
def two_observed() -> None:
    """Two observed variables, of which one counts."""
    a = pm.Normal("a", 0, 0.5)
    pm.Normal("y", a, 1, observed=np.zeros(4))
    pm.Poisson("count", pt.exp(a), observed=pm.Data("counts", np.array([1, 0, 2])))


@case(vectorized=None)
def observed_ar() -> None:
    """A series in which each value depends on the one before."""
    rho = pm.Uniform("rho", -0.9, 0.9)
    sigma = pm.HalfNormal("sigma")
    pm.AR("y", rho=rho[None], sigma=sigma, init_dist=pm.Normal.dist(0, 1), observed=np.zeros(6))


@case(vectorized=None)
def hurdle() -> None:
    """Zeros, or counts that PyMC draws by rejection in a loop of its own."""
    mu = pm.Uniform("mu", 0.5, 3)
    p = pm.Beta("p", 2, 2)
    pm.HurdlePoisson("y", psi=p, mu=mu, observed=np.array([0, 1, 2, 0]))


@case(coords={"obs": range(5)})
def deterministic_of_observed() -> None:
    """A deterministic of the simulated data."""
    a = pm.Normal("a")
    y = pm.Normal("y", a, 1, observed=np.zeros(5), dims="obs")
    pm.Deterministic("residual", y - a, dims="obs")
    pm.Deterministic("mean", y.mean())


def _around_mean(
    center: np.ndarray, rng: np.random.Generator | None = None, size: tuple[int, ...] | None = None
) -> np.ndarray:
    # the mean over its input is right for one draw and silently wrong for a batch of them
    return np.mean(center) + rng.normal(0, 0.1, size=size)


@case(vectorized=False, likelihood=False)
def custom_random() -> None:
    """A user's own random function, which takes a mean over its input."""
    a = pm.Normal("a", 0, 1, shape=3)
    pm.CustomDist("y", a, random=_around_mean, observed=np.zeros(3))


def _simulate(
    rng: np.random.Generator, center: np.ndarray, scale: np.ndarray, size: tuple[int, ...] | None
) -> np.ndarray:
    return rng.normal(np.mean(center), scale, size=size)


@case(vectorized=False, likelihood=False)
def simulator() -> None:
    """A black box without a likelihood."""
    a = pm.Normal("a")
    scale = pm.HalfNormal("scale", 1)
    pm.Simulator("y", _simulate, a, scale, observed=np.zeros(4))


@case(coords={"year": range(8)}, discrete=True)
def change_point() -> None:
    """A series of counts whose rate falls from 4 to 1.5 at an unknown time."""
    tau = pm.DiscreteUniform("tau", 1, 7)
    rate = pm.Deterministic("rate", pt.where(np.arange(8) < tau, 4.0, 1.5), dims="year")
    pm.Poisson("y", rate, observed=np.array([5, 3, 2, 4, 3, 1, 2, 0]), dims="year")


CENTERS = np.array([-1.0, 0.0, 1.5])


@case(discrete=True)
def mixture_assignment() -> None:
    """Values around a level, each moved by the component that it belongs to."""
    mu = pm.Normal("mu", 0, 1)
    z = pm.Categorical("z", np.array([0.5, 0.3, 0.2]), shape=2)
    pm.Normal("y", mu + pt.as_tensor(CENTERS)[z], 0.7, observed=np.array([-0.5, 1.2]))


@case(discrete=True)
def latent_counts() -> None:
    """How many there are, and how many of these were seen."""
    n = pm.Poisson("n", 3)
    seen = pm.Binomial("seen", n, 0.6)
    pm.Normal("y", seen, 1.5, observed=np.array([2.5, 3.0]))


CASES = dict(REGISTRY)

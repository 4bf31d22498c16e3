"""Distributions made of others: mixtures, hurdles, censored, truncated and custom ones."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from models._case import case

COUNTS = np.array([0, 1, 3, 0, 6])
POSITIVE = np.array([0.0, 1.0, 2.0, 0.0, 4.0])
REAL = np.array([-1.0, 0.0, 0.5, 3.0])


@case("NormalMixture")
def normal_mixture() -> None:
    w = pm.Dirichlet("w", np.ones(3))
    sigma = pm.HalfNormal("sigma", 1, shape=3)
    pm.NormalMixture("y", w=w, mu=np.array([-3.0, 0.0, 3.0]), sigma=sigma, observed=REAL)


@case("Mixture of two families")
def mixture_of_families() -> None:
    x = pm.Normal("x")
    w = pm.Beta("w", 2, 2)
    parts = [pm.Normal.dist(x, 1), pm.StudentT.dist(nu=4, mu=x, sigma=3)]
    pm.Mixture("y", pt.stack([w, 1 - w]), parts, observed=REAL)


@case("Mixture")
def mixture_of_poissons() -> None:
    w = pm.Dirichlet("w", np.ones(2))
    rate = pm.Gamma("rate", 2, 1, shape=2)
    pm.Mixture("y", w, pm.Poisson.dist(rate), observed=COUNTS)


@case("Mixture of vectors")
def mixture_of_vectors() -> None:
    x = pm.Normal("x", shape=2)
    parts = [pm.MvNormal.dist(x, np.eye(2)), pm.MvNormal.dist(-x, 4 * np.eye(2))]
    pm.Mixture("y", [0.4, 0.6], parts, observed=np.zeros((3, 2)))


@case("Mixture as a parameter")
def mixture_prior() -> None:
    x = pm.NormalMixture("x", [0.5, 0.5], [-2, 2], [0.5, 0.5], shape=2)
    pm.Normal("y", x.sum(), 1, observed=REAL)


@case("ZeroInflatedPoisson")
def zero_inflated_poisson() -> None:
    psi, mu = pm.Beta("psi", 2, 2), pm.Gamma("mu", 2, 1)
    pm.ZeroInflatedPoisson("y", psi=psi, mu=mu, observed=COUNTS)


@case("ZeroInflatedBinomial")
def zero_inflated_binomial() -> None:
    psi, p = pm.Beta("psi", 2, 2), pm.Beta("p", 2, 2)
    pm.ZeroInflatedBinomial("y", psi=psi, n=8, p=p, observed=COUNTS)


@case("ZeroInflatedNegativeBinomial")
def zero_inflated_negative_binomial() -> None:
    psi, mu = pm.Beta("psi", 2, 2), pm.Gamma("mu", 2, 1)
    pm.ZeroInflatedNegativeBinomial("y", psi=psi, mu=mu, alpha=2, observed=COUNTS)


@case("HurdlePoisson", vectorized=None)
def hurdle_poisson() -> None:
    psi, mu = pm.Beta("psi", 2, 2), pm.Uniform("mu", 0.5, 3)
    pm.HurdlePoisson("y", psi=psi, mu=mu, observed=COUNTS)


@case("HurdleNegativeBinomial", vectorized=None)
def hurdle_negative_binomial() -> None:
    psi, mu = pm.Beta("psi", 2, 2), pm.Uniform("mu", 0.5, 3)
    pm.HurdleNegativeBinomial("y", psi=psi, mu=mu, alpha=2, observed=COUNTS)


@case("HurdleGamma", vectorized=None)
def hurdle_gamma() -> None:
    psi, alpha = pm.Beta("psi", 2, 2), pm.Uniform("alpha", 0.5, 3)
    pm.HurdleGamma("y", psi=psi, alpha=alpha, beta=1, observed=POSITIVE)


@case("HurdleLogNormal", vectorized=None)
def hurdle_log_normal() -> None:
    psi, mu = pm.Beta("psi", 2, 2), pm.Normal("mu")
    pm.HurdleLogNormal("y", psi=psi, mu=mu, sigma=0.5, observed=POSITIVE)


@case("Censored")
def censored() -> None:
    mu, sigma = pm.Normal("mu"), pm.HalfNormal("sigma", 1)
    pm.Censored(
        "y", pm.Normal.dist(mu, sigma), lower=-1, upper=2, observed=np.array([-1, 0, 1, 2.0])
    )


@case("Censored with limits of its own")
def censored_survival() -> None:
    scale = pm.HalfNormal("scale", 2)
    limits = pm.Data("limits", np.array([1.0, 2.0, 3.0]))
    pm.Censored(
        "y",
        pm.Weibull.dist(1.5, scale),
        lower=None,
        upper=limits,
        observed=np.array([0.5, 2.0, 1.5]),
    )


@case("Truncated", vectorized=None)
def truncated() -> None:
    mu = pm.Normal("mu")
    pm.Truncated("y", pm.Normal.dist(mu, 1), lower=-1, upper=4, observed=REAL)


@case("Truncated by rejection", vectorized=None)
def truncated_by_rejection() -> None:
    a = pm.Uniform("a", 1, 3)
    pm.Truncated("y", pm.Gamma.dist(a, 1), lower=0.5, observed=np.array([0.7, 1.0, 3.0]))


@case("Truncated as a parameter", vectorized=None)
def truncated_prior() -> None:
    x = pm.Truncated("x", pm.Normal.dist(1, 2), lower=0)
    pm.Normal("y", x, 1, observed=REAL)


def _sum_of_two(mu: pt.TensorVariable, size: pt.TensorVariable) -> pt.TensorVariable:
    return pm.Normal.dist(mu, 1, size=size) + pm.Exponential.dist(1, size=size)


def _shifted(mu: pt.TensorVariable, size: pt.TensorVariable) -> pt.TensorVariable:
    return mu + pt.exp(pm.Normal.dist(0, 0.5, size=size))


@case("CustomDist(dist=)")
def custom_dist() -> None:
    mu = pm.Normal("mu")
    pm.CustomDist("y", mu, dist=_shifted, observed=np.array([4.0, 5.0, 6.0]))


@case("CustomDist(dist=) without a density", likelihood=False)
def custom_dist_without_density() -> None:
    mu = pm.Normal("mu")
    pm.CustomDist("y", mu, dist=_sum_of_two, observed=np.array([0.0, 1.0, 2.0]))


def _clustered(size: pt.TensorVariable) -> pt.TensorVariable:
    return pm.Normal.dist(0, 2) + pm.Exponential.dist(1, size=size)


@case("CustomDist(dist=) of elements that share a draw", likelihood=False)
def custom_dist_of_shared_draws() -> None:
    level = pm.CustomDist("level", dist=_clustered, shape=3)
    pm.Exponential("y", scale=pt.exp(level), observed=np.array([1.0, 2.0, 0.5]))


def _noise(
    mu: np.ndarray, rng: np.random.Generator | None = None, size: tuple[int, ...] | None = None
) -> np.ndarray:
    return rng.normal(mu, 1, size=size)


def _log_density(value: pt.TensorVariable, mu: pt.TensorVariable) -> pt.TensorVariable:
    return -0.5 * (value - mu) ** 2 - 0.5 * np.log(2 * np.pi)


@case("CustomDist(random=, logp=)", "DensityDist", vectorized=False)
def custom_density() -> None:
    mu = pm.Normal("mu")
    pm.CustomDist("y", mu, random=_noise, logp=_log_density, observed=REAL)


@case("CustomDist(logp=)", refused="'y' cannot be simulated")
def custom_without_sampler() -> None:
    mu = pm.Normal("mu")
    pm.CustomDist("y", mu, logp=_log_density, observed=REAL)


def _tukey(
    rng: np.random.Generator, location: np.ndarray, skew: np.ndarray, size: tuple[int, ...] | None
) -> np.ndarray:
    return location + np.expm1(skew * rng.normal(size=size)) / skew


@case("Simulator", vectorized=False, likelihood=False)
def skewed_simulator() -> None:
    location = pm.Normal("location", 0, 2)
    skew = pm.Uniform("skew", 0.1, 0.8)
    pm.Simulator("y", _tukey, location, skew, observed=np.linspace(-1, 2, 5))

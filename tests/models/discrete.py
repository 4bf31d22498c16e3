"""Discrete univariate distributions of PyMC, each as a parameter and as data."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from models._case import case

COUNTS = np.array([0, 1, 3, 6])
BITS = np.array([0, 1, 1, 0])


@case("Bernoulli", discrete=True)
def bernoulli() -> None:
    z = pm.Bernoulli("z", 0.3, shape=2)
    pm.Bernoulli("y", 0.2 + 0.3 * z.sum(), observed=BITS)


@case("Binomial", discrete=True)
def binomial() -> None:
    z = pm.Binomial("z", 5, 0.4)
    pm.Binomial("y", 8, (1 + z) / 8, observed=COUNTS)


@case("BetaBinomial", discrete=True)
def beta_binomial_counts() -> None:
    z = pm.BetaBinomial("z", alpha=2, beta=3, n=6)
    pm.BetaBinomial("y", alpha=1 + z, beta=3, n=8, observed=COUNTS)


@case("Poisson", discrete=True)
def poisson() -> None:
    z = pm.Poisson("z", 2)
    pm.Poisson("y", 1 + z, observed=COUNTS)


@case("NegativeBinomial", discrete=True)
def negative_binomial() -> None:
    z = pm.NegativeBinomial("z", mu=3, alpha=2)
    pm.NegativeBinomial("y", mu=1 + z, alpha=1.5, observed=COUNTS)


@case("Geometric", discrete=True)
def geometric() -> None:
    z = pm.Geometric("z", 0.4)
    pm.Geometric("y", 1 / (1 + z), observed=1 + COUNTS)


@case("HyperGeometric", discrete=True)
def hyper_geometric() -> None:
    z = pm.HyperGeometric("z", N=20, k=8, n=6)
    pm.HyperGeometric("y", N=30, k=10 + z, n=8, observed=COUNTS)


@case("DiscreteUniform", discrete=True)
def discrete_uniform() -> None:
    z = pm.DiscreteUniform("z", 1, 5)
    pm.DiscreteUniform("y", 0, 6 + z, observed=COUNTS)


@case("DiscreteWeibull", discrete=True)
def discrete_weibull() -> None:
    z = pm.DiscreteWeibull("z", q=0.7, beta=1.2)
    pm.DiscreteWeibull("y", q=0.9 - 0.3 / (1 + z), beta=1, observed=COUNTS)


@case("Categorical", discrete=True)
def categorical() -> None:
    z = pm.Categorical("z", np.array([0.2, 0.5, 0.3]))
    shares = pt.as_tensor([[0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1], [0.1, 0.1, 0.2, 0.6]])
    pm.Categorical("y", shares[z], observed=np.array([0, 1, 1, 3]))


@case("DiracDelta")
def dirac_delta() -> None:
    x = pm.Normal("x")
    pm.Mixture(
        "y",
        [0.3, 0.7],
        [pm.DiracDelta.dist(0), pm.Poisson.dist(pt.exp(x))],
        observed=COUNTS,
    )


@case("OrderedLogistic")
def ordered_logistic() -> None:
    x = pm.Normal("x")
    pm.OrderedLogistic("y", eta=x, cutpoints=np.array([-1.0, 0.5, 1.5]), observed=BITS)


@case("OrderedProbit")
def ordered_probit() -> None:
    x = pm.Normal("x", shape=4)
    pm.OrderedProbit("y", eta=x, cutpoints=np.array([-1.0, 0.5, 1.5]), observed=BITS)

"""Models of public benchmarks, each as a PyMC user would write it.

The first four are of sbibm (Lueckmann, Boelts, Greenberg, Gonçalves and Macke 2021, Benchmarking
simulation-based inference, AISTATS), the others of posteriordb (Magnusson et al. 2024,
arXiv:2407.04967).
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt


def two_moons(x: np.ndarray) -> pm.Model:
    """Two crescents; a density and a forward sampler that share no formula."""

    def centre(t):
        return pt.stack([0.25 - abs(t[0] + t[1]) / np.sqrt(2), (t[1] - t[0]) / np.sqrt(2)])

    def draw(t, size):
        angle, radius = pm.Uniform.dist(-np.pi / 2, np.pi / 2), pm.Normal.dist(0.1, 0.01)
        return centre(t) + radius * pt.stack([pt.cos(angle), pt.sin(angle)])

    def logp(x, t):
        across, up = x[0] - centre(t)[0], x[1] - centre(t)[1]
        radius = pt.sqrt(across**2 + up**2)
        density = pm.logp(pm.Normal.dist(0.1, 0.01), radius) - pt.log(np.pi * radius)
        return pt.where(across > 0, density, -np.inf)

    with pm.Model() as model:
        theta = pm.Uniform("theta", -1, 1, shape=2)
        pm.CustomDist("y", theta, dist=draw, logp=logp, signature="(p)->(p)", observed=x)
    return model


def gaussian_linear(x: np.ndarray) -> pm.Model:
    """Ten means, each seen once."""
    with pm.Model() as model:
        theta = pm.Normal("theta", 0, np.sqrt(0.1), shape=10)
        pm.Normal("y", theta, np.sqrt(0.1), observed=x)
    return model


def slcp(x: np.ndarray) -> pm.Model:
    """Four points from a normal in the plane: a simple likelihood, a complex posterior."""
    with pm.Model() as model:
        theta = pm.Uniform("theta", -3, 3, shape=5)
        sd, correlation = theta[2:4] ** 2, pt.tanh(theta[4])
        below = pt.stack([correlation * sd[1], sd[1] * pt.sqrt(1 - correlation**2)])
        chol = pt.stack([pt.stack([sd[0], 0.0]), below])
        pm.MvNormal("y", theta[:2], chol=chol, observed=x.reshape(4, 2))
    return model


def bernoulli_glm(y: np.ndarray, design: np.ndarray) -> pm.Model:
    """A hundred binary responses, a smooth prior on nine of ten coefficients."""
    differences = np.eye(9) - np.eye(9, k=-1)
    smooth = differences @ differences + np.diag(np.sqrt(np.arange(9) / 9))
    precision = np.zeros((10, 10))
    precision[0, 0], precision[1:, 1:] = 0.5, smooth.T @ smooth
    with pm.Model() as model:
        theta = pm.MvNormal("theta", np.zeros(10), tau=precision)
        pm.Bernoulli("y", logit_p=design @ theta, observed=y.astype(int))
    return model


def eight_schools(y: np.ndarray, sigma: np.ndarray) -> pm.Model:
    """Eight effects around a common one."""
    with pm.Model() as model:
        mu, tau = pm.Normal("mu", 0, 5), pm.HalfCauchy("tau", 5)
        theta = pm.Deterministic("theta", mu + tau * pm.Normal("z", shape=8))
        pm.Normal("y", theta, sigma, observed=y.astype(float))
    return model


def linear_regression(y: np.ndarray, design: np.ndarray) -> pm.Model:
    """Five coefficients under a prior a thousand times as wide as the posterior (blr)."""
    with pm.Model() as model:
        beta = pm.Normal("beta", 0, 10, shape=5)
        pm.Normal("y", design @ beta, pm.HalfNormal("sigma", 10), observed=y)
    return model


def gaussian_mixture(y: np.ndarray) -> pm.Model:
    """A thousand points from two normals (low_dim_gauss_mix)."""
    with pm.Model() as model:
        mu = pm.Normal(
            "mu", 0, 2, shape=2, transform=pm.distributions.transforms.ordered, initval=[-1, 1]
        )
        sigma, theta = pm.HalfNormal("sigma", 2, shape=2), pm.Beta("theta", 5, 5)
        pm.NormalMixture("y", pt.stack([theta, 1 - theta]), mu, sigma, observed=y)
    return model


def gaussian_process(y: np.ndarray, x: np.ndarray) -> pm.Model:
    """A Gaussian process at eleven points; sigma is a variance (gp_regr)."""
    with pm.Model() as model:
        rho, alpha = pm.Gamma("rho", 25, 4), pm.HalfNormal("alpha", 2)
        sigma = pm.HalfNormal("sigma", 1)
        squares = np.subtract.outer(x, x).astype(float) ** 2
        covariance = alpha**2 * pt.exp(-squares / (2 * rho**2)) + sigma * np.eye(len(x))
        pm.MvNormal("y", np.zeros(len(x)), covariance, observed=y)
    return model

"""Models of public benchmarks, each as a PyMC user would write it.

The first five are of sbibm (Lueckmann, Boelts, Greenberg, Gonçalves and Macke 2021, Benchmarking
simulation-based inference, AISTATS), the next four of posteriordb (Magnusson et al. 2024,
arXiv:2407.04967), the last three of what PyMC is used for.
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


def gaussian_linear_uniform(x: np.ndarray) -> pm.Model:
    """Ten means under a prior with edges, each seen once."""
    with pm.Model() as model:
        theta = pm.Uniform("theta", -1, 1, shape=10)
        pm.Normal("y", theta, np.sqrt(0.1), observed=x)
    return model


def slcp(x: np.ndarray) -> pm.Model:
    """Four points from a normal in the plane: a simple likelihood, a complex posterior."""
    with pm.Model() as model:
        theta = pm.Uniform("theta", -3, 3, shape=5)
        _four_points(theta, x)
    return model


def slcp_folded(x: np.ndarray) -> pm.Model:
    """Of `slcp`, the one of four modes with positive roots of the standard deviations."""
    with pm.Model() as model:
        lower = np.array([-3.0, -3.0, 0.0, 0.0, -3.0])
        _four_points(pm.Uniform("theta", lower, 3, shape=5), x)
    return model


def _four_points(theta: pt.TensorVariable, x: np.ndarray) -> None:
    sd, correlation = theta[2:4] ** 2, pt.tanh(theta[4])
    below = pt.stack([correlation * sd[1], sd[1] * pt.sqrt(1 - correlation**2)])
    chol = pt.stack([pt.stack([sd[0], 0.0]), below])
    pm.MvNormal("y", theta[:2], chol=chol, observed=x.reshape(4, 2))


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


def hierarchical_regression(y: np.ndarray) -> pm.Model:
    """Eight groups of six, each with its own line: twenty parameters and the noise."""
    x = np.linspace(-1, 1, 6)
    with pm.Model(coords={"line": ["intercept", "slope"], "group": range(8), "obs": range(6)}) as m:
        mu = pm.Normal("mu", 0, 2, dims="line")
        tau = pm.HalfNormal("tau", 1, dims="line")
        sigma = pm.HalfNormal("sigma", 1)
        z = pm.Normal("z", dims=("group", "line"))
        lines = mu + tau * z
        mean = lines[:, 0, None] + lines[:, 1, None] * x
        pm.Normal("y", mean, sigma, observed=y, dims=("group", "obs"))
    return m


def psychometric(correct: np.ndarray) -> pm.Model:
    """Correct answers of 40 at eight intensities, with a guess rate of one half and lapses."""
    intensity = np.linspace(-2, 2, 8)
    with pm.Model(coords={"intensity": intensity}) as model:
        threshold, slope = pm.Normal("threshold", 0, 1), pm.LogNormal("slope", 0.7, 0.5)
        lapse = pm.Beta("lapse", 2, 20)
        seen = pm.math.invlogit(slope * (intensity - threshold))
        pm.Binomial("y", 40, 0.5 + (0.5 - lapse) * seen, observed=correct, dims="intensity")
    return model


def _first_passage(
    rng: np.random.Generator, drift: np.ndarray, bound: np.ndarray, delay: np.ndarray, size=None
) -> np.ndarray:
    return delay + rng.wald(bound / drift, bound**2, size)


def diffusion(times: np.ndarray) -> pm.Model:
    """Reaction times of a hundred trials: a simulator of what a Wald distribution describes."""
    with pm.Model(coords={"trial": range(len(times))}) as model:
        drift, bound, delay = _diffusion_prior()
        pm.Simulator("y", _first_passage, drift, bound, delay, observed=times, dims="trial")
    return model


def diffusion_by_density(times: np.ndarray) -> pm.Model:
    """What `diffusion` simulates, with its likelihood."""
    with pm.Model() as model:
        drift, bound, delay = _diffusion_prior()
        pm.Wald("y", mu=bound / drift, lam=bound**2, alpha=delay, observed=times)
    return model


def _diffusion_prior() -> tuple[pt.TensorVariable, ...]:
    drift, bound = pm.LogNormal("drift", 0.8, 0.4), pm.LogNormal("bound", 0, 0.3)
    return drift, bound, pm.LogNormal("delay", -1.5, 0.4)

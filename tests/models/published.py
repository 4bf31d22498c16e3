"""Models of the kinds that people publish, small."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from models._case import case

X = np.linspace(-1.5, 1.5, 12)
DESIGN = np.column_stack([np.ones(12), X, X**2])
GROUP = np.repeat(np.arange(4), 3)
BITS = (X > 0).astype(int)
COUNTS = np.array([0, 1, 0, 2, 1, 3, 2, 4, 3, 6, 5, 9])


@case("varying intercepts, centred", coords={"county": range(4), "obs": range(12)})
def radon_centred() -> None:
    mu = pm.Normal("mu", 0, 1)
    tau = pm.HalfNormal("tau", 1)
    a = pm.Normal("a", mu, tau, dims="county")
    b = pm.Normal("b", 0, 1)
    sigma = pm.Exponential("sigma", 1)
    pm.Normal("y", a[GROUP] + b * X, sigma, observed=X, dims="obs")


@case("varying slopes with correlation")
def varying_slopes() -> None:
    sd = pm.Exponential.dist(1.0, size=2)
    chol, *_ = pm.LKJCholeskyCov("chol", n=2, eta=2.0, sd_dist=sd)
    z = pm.Normal("z", shape=(2, 4))
    effects = pm.Deterministic("effects", (chol @ z).T)
    mean = effects[GROUP, 0] + effects[GROUP, 1] * X
    pm.Normal("y", mean, 0.5, observed=X)


@case("GLM: Poisson with an offset")
def poisson_offset() -> None:
    exposure = pm.Data("exposure", np.linspace(1, 3, 12))
    b = pm.Normal("b", 0, 0.5, shape=3)
    pm.Poisson("y", exposure * pt.exp(DESIGN @ b), observed=COUNTS)


@case("GLM: negative binomial")
def negative_binomial_glm() -> None:
    b = pm.Normal("b", 0, 0.5, shape=3)
    alpha = pm.Exponential("alpha", 1)
    pm.NegativeBinomial("y", mu=pt.exp(DESIGN @ b), alpha=0.1 + alpha, observed=COUNTS)


@case("GLM: probit")
def probit_glm() -> None:
    b = pm.Normal("b", 0, 1, shape=3)
    pm.Bernoulli("y", pm.math.invprobit(DESIGN @ b), observed=BITS)


@case("GLM: complementary log-log")
def cloglog_glm() -> None:
    b = pm.Normal("b", 0, 0.7, shape=3)
    pm.Bernoulli("y", 1 - pt.exp(-pt.exp(DESIGN @ b)), observed=BITS)


@case("GLM: gamma with a log link")
def gamma_glm() -> None:
    b = pm.Normal("b", 0, 0.5, shape=3)
    shape = pm.Exponential("shape", 0.5)
    mean = pt.exp(DESIGN @ b)
    pm.Gamma("y", 0.5 + shape, (0.5 + shape) / mean, observed=np.exp(X))


@case("GLM: beta regression")
def beta_glm() -> None:
    b = pm.Normal("b", 0, 0.5, shape=3)
    nu = pm.Gamma("nu", 5, 0.5)
    pm.Beta("y", mu=pm.math.invlogit(DESIGN @ b), nu=2 + nu, observed=(X + 2) / 4)


@case("GLM: binomial, logit")
def binomial_glm() -> None:
    b = pm.Normal("b", 0, 1, shape=3)
    pm.Binomial("y", n=10, logit_p=DESIGN @ b, observed=COUNTS)


@case("GLM: categorical, softmax")
def softmax_glm() -> None:
    b = pm.Normal("b", 0, 1, shape=(3, 2))
    logits = pt.concatenate([pt.zeros((12, 1)), DESIGN @ b], axis=1)
    pm.Categorical("y", p=pm.math.softmax(logits, axis=1), observed=COUNTS % 3)


@case("GLM: ordinal")
def ordinal_glm() -> None:
    b = pm.Normal("b", 0, 1)
    gap = pm.HalfNormal("gap", 1)
    pm.OrderedLogistic("y", eta=b * X, cutpoints=pt.stack([-gap, gap]), observed=COUNTS % 3)


@case("robust regression")
def robust_regression() -> None:
    b = pm.Normal("b", 0, 1, shape=3)
    nu = pm.Gamma("nu", 2, 0.1)
    sigma = pm.HalfNormal("sigma", 1)
    pm.StudentT("y", nu=1 + nu, mu=DESIGN @ b, sigma=sigma, observed=X)


@case("regularized horseshoe")
def horseshoe() -> None:
    tau = pm.HalfStudentT("tau", nu=3, sigma=0.2)
    local = pm.HalfStudentT("local", nu=3, sigma=1, shape=3)
    z = pm.Normal("z", shape=3)
    b = pm.Deterministic("b", z * tau * local)
    pm.Normal("y", DESIGN @ b, 0.5, observed=X)


@case("survival: Weibull with censoring")
def weibull_survival() -> None:
    b = pm.Normal("b", 0, 0.5)
    k = pm.Gamma("k", 4, 3)
    latent = pm.Weibull.dist(alpha=k, beta=pt.exp(b * X))
    pm.Censored("y", latent, lower=None, upper=2.0, observed=np.linspace(0.2, 2, 12))


@case("survival: piecewise exponential")
def piecewise_exponential() -> None:
    hazard = pm.Gamma("hazard", 2, 2, shape=4)
    pm.Poisson("y", hazard * np.array([5.0, 4.0, 3.0, 1.0]), observed=np.array([2, 1, 1, 0]))


@case("item response: two parameters")
def item_response() -> None:
    ability = pm.Normal("ability", shape=6)
    difficulty = pm.Normal("difficulty", shape=4)
    discrimination = pm.LogNormal("discrimination", 0, 0.3, shape=4)
    eta = discrimination * (ability[:, None] - difficulty)
    pm.Bernoulli("y", logit_p=eta, observed=np.arange(24).reshape(6, 4) % 2)


@case("psychometric function")
def psychometric() -> None:
    threshold = pm.Normal("threshold")
    width = pm.LogNormal("width", 0, 0.5)
    lapse = pm.Beta("lapse", 2, 20)
    p = lapse / 2 + (1 - lapse) * pm.math.invprobit((X - threshold) / width)
    pm.Binomial("y", n=20, p=p, observed=2 * COUNTS)


@case("capture-recapture", discrete=True)
def capture_recapture() -> None:
    n = pm.DiscreteUniform("n", 30, 100)
    p = pm.Beta("p", 2, 2, shape=3)
    pm.Binomial("y", n=n, p=p, observed=np.array([12, 15, 10]))


@case("occupancy", discrete=True)
def occupancy() -> None:
    psi = pm.Beta("psi", 2, 2)
    z = pm.Bernoulli("z", psi, shape=4)
    p = pm.Beta("p", 2, 2)
    pm.Binomial("y", n=5, p=z * p, observed=np.array([0, 2, 3, 0]))


@case("switch point of a series", discrete=True)
def coal_disasters() -> None:
    tau = pm.DiscreteUniform("tau", 0, 11)
    early, late = pm.Exponential("early", 0.5), pm.Exponential("late", 0.5)
    pm.Poisson("y", pt.switch(tau >= np.arange(12), early, late), observed=COUNTS[::-1].copy())


@case("stochastic volatility")
def stochastic_volatility() -> None:
    step = pm.Exponential("step", 5)
    volatility = pm.GaussianRandomWalk(
        "volatility", sigma=step, init_dist=pm.Normal.dist(0, 1), shape=12
    )
    nu = pm.Exponential("nu", 0.1)
    pm.StudentT("y", nu=2 + nu, sigma=pt.exp(volatility), observed=X)


@case("stochastic volatility of 200 days")
def long_stochastic_volatility() -> None:
    step = pm.Exponential("step", 5)
    volatility = pm.GaussianRandomWalk(
        "volatility", sigma=step, init_dist=pm.Normal.dist(0, 1), shape=200
    )
    pm.Normal("y", 0, pt.exp(volatility), observed=np.sin(np.arange(200)))


@case("structural time series", "ZeroSumNormal")
def local_level() -> None:
    level_sd, noise_sd = pm.HalfNormal("level_sd", 0.5), pm.HalfNormal("noise_sd", 0.5)
    steps = pm.Normal("steps", shape=12)
    level = pm.Deterministic("level", pt.cumsum(steps) * level_sd)
    season = pm.ZeroSumNormal("season", 0.5, shape=4)
    pm.Normal("y", level + season[np.arange(12) % 4], noise_sd, observed=X)


@case("ODE: logistic growth by Euler steps")
def logistic_growth() -> None:
    r, k = pm.LogNormal("r", 0, 0.3), pm.LogNormal("k", 1, 0.3)
    n = pt.as_tensor(0.2)
    path = []
    for _ in range(8):
        n = n + 0.5 * r * n * (1 - n / k)
        path.append(n)
    sigma = pm.HalfNormal("sigma", 0.2)
    pm.LogNormal("y", pt.log(pt.stack(path)), sigma, observed=np.linspace(0.3, 2.5, 8))


def _decay(state: list, time: float, rate: list) -> list:
    return [-rate[0] * state[0]]


@case("ODE: pm.ode.DifferentialEquation")
def decay_by_a_solver() -> None:
    rate = pm.LogNormal("rate", 0, 0.3)
    solver = pm.ode.DifferentialEquation(
        func=_decay, times=np.linspace(0.1, 2, 5), n_states=1, n_theta=1, t0=0
    )
    path = solver(y0=[1.0], theta=[rate])
    sigma = pm.HalfNormal("sigma", 0.2)
    pm.Normal("y", path[:, 0], sigma, observed=np.exp(-np.linspace(0.1, 2, 5)))


@case("Gaussian process regression")
def gp_regression() -> None:
    scale = pm.InverseGamma("scale", 5, 5)
    height = pm.HalfNormal("height", 1)
    sigma = pm.HalfNormal("sigma", 0.5)
    squared = (X[:, None] - X) ** 2
    cov = height**2 * pt.exp(-0.5 * squared / scale**2)
    pm.MvNormal("y", pt.zeros(12), cov=cov + (sigma**2 + 1e-6) * pt.eye(12), observed=X)


@case("multilevel meta-analysis", coords={"study": range(8)})
def meta_analysis() -> None:
    se = pm.Data("se", np.array([15.0, 10, 16, 11, 9, 11, 10, 18]), dims="study")
    mu, tau = pm.Normal("mu", 0, 5), pm.HalfCauchy("tau", 5)
    theta = pm.Normal("theta", mu, tau, dims="study")
    pm.Normal("y", theta, se, observed=np.array([28.0, 8, -3, 7, -1, 1, 18, 12]), dims="study")


@case("errors in variables")
def errors_in_variables() -> None:
    x = pm.Normal("x", 0, 1, shape=12)
    b = pm.Normal("b", 0, 1)
    pm.Normal("seen", x, 0.3, observed=X)
    pm.Normal("y", b * x, 0.5, observed=X)


@case("factor analysis")
def factor_analysis() -> None:
    loadings = pm.HalfNormal("loadings", 1, shape=3)
    scores = pm.Normal("scores", shape=(4, 1))
    pm.Normal("y", scores * loadings, 0.5, observed=np.zeros((4, 3)))

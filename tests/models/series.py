"""Time series and random walks of PyMC."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from models._case import case


@case("GaussianRandomWalk")
def gaussian_random_walk() -> None:
    sigma = pm.HalfNormal("sigma", 1)
    drift = pm.Normal("drift", 0, 0.5)
    pm.GaussianRandomWalk(
        "y", mu=drift, sigma=sigma, init_dist=pm.Normal.dist(0, 1), observed=np.zeros(6)
    )


@case("RandomWalk")
def random_walk_of_steps() -> None:
    b = pm.HalfNormal("b", 1)
    walk = pm.RandomWalk(
        "walk", init_dist=pm.Normal.dist(0, 1), innovation_dist=pm.Laplace.dist(0, b), steps=5
    )
    pm.Normal("y", walk, 0.5, observed=np.zeros(6))


@case("MvGaussianRandomWalk")
def mv_gaussian_random_walk() -> None:
    scale = pm.HalfNormal("scale", 1)
    walk = pm.MvGaussianRandomWalk(
        "walk",
        mu=np.zeros(2),
        chol=(0.2 + scale) * np.array([[1.0, 0.0], [0.5, 1.0]]),
        init_dist=pm.MvNormal.dist(np.zeros(2), np.eye(2)),
        steps=3,
    )
    pm.Normal("y", walk, 0.5, observed=np.zeros((4, 2)))


@case("MvStudentTRandomWalk")
def mv_student_t_random_walk() -> None:
    walk = pm.MvStudentTRandomWalk(
        "walk",
        nu=5,
        mu=np.zeros(2),
        scale=np.eye(2),
        init_dist=pm.MvNormal.dist(np.zeros(2), np.eye(2)),
        steps=3,
    )
    pm.Normal("y", walk, 0.5, observed=np.zeros((4, 2)))


@case("AR", vectorized=None)
def latent_ar() -> None:
    rho = pm.Uniform("rho", -0.9, 0.9, shape=2)
    x = pm.AR("x", rho=rho / 2, sigma=0.5, init_dist=pm.Normal.dist(0, 1, shape=2), steps=4)
    pm.Normal("y", x, 0.5, observed=np.zeros(6))


@case("AR with fixed coefficients")
def root_ar() -> None:
    x = pm.AR("x", rho=[0.5], sigma=0.5, init_dist=pm.Normal.dist(0, 1), steps=5)
    pm.Normal("y", x, 0.5, observed=np.zeros(6))


@case("GARCH11", vectorized=None)
def garch() -> None:
    omega = pm.HalfNormal("omega", 1)
    alpha = pm.Uniform("alpha", 0, 0.5)
    pm.GARCH11("y", omega=omega, alpha_1=alpha, beta_1=0.3, initial_vol=1.0, observed=np.zeros(6))


def _pull(x: pt.TensorVariable, rate: pt.TensorVariable, noise: float) -> tuple:
    return -rate * x, noise


@case("EulerMaruyama", vectorized=None)
def euler_maruyama() -> None:
    rate = pm.HalfNormal("rate", 1)
    x = pm.EulerMaruyama(
        "x", dt=0.1, sde_fn=_pull, sde_pars=(rate, 0.5), init_dist=pm.Normal.dist(0, 1), shape=6
    )
    pm.Normal("y", x, 0.5, observed=np.zeros(6))

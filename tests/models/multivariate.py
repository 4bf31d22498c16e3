"""Multivariate distributions of PyMC, each as a parameter and as data."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from models._case import PYMC, case

COVARIANCE = np.array([[1.0, 0.6, 0.2], [0.6, 2.0, -0.3], [0.2, -0.3, 0.5]])
ADJACENCY = np.array([[0.0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]])
ROWS = np.linspace(-1, 2, 6).reshape(2, 3)
SHARES = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])


@case("MvNormal")
def mv_normal() -> None:
    x = pm.MvNormal("x", np.zeros(3), cov=COVARIANCE)
    scale = pm.HalfNormal("scale", 1)
    pm.MvNormal("y", x, cov=(0.1 + scale) * COVARIANCE, observed=ROWS)


@case("MvStudentT")
def mv_student_t() -> None:
    x = pm.MvStudentT("x", nu=5, mu=np.zeros(3), scale=COVARIANCE)
    pm.MvStudentT("y", nu=4, mu=x, scale=np.eye(3), observed=ROWS)


@case("MatrixNormal")
def matrix_normal() -> None:
    x = pm.MatrixNormal("x", np.zeros((2, 3)), rowcov=COVARIANCE[:2, :2], colcov=COVARIANCE)
    pm.MatrixNormal("y", x, rowcov=np.eye(2), colcov=np.eye(3), observed=ROWS)


@case("KroneckerNormal")
def kronecker_normal() -> None:
    covs = [COVARIANCE[:2, :2], COVARIANCE]
    x = pm.KroneckerNormal("x", np.zeros(6), covs=covs)
    pm.KroneckerNormal("y", x, covs=covs, sigma=0.5, observed=ROWS.ravel())


@case("CAR")
def car() -> None:
    x = pm.CAR("x", np.zeros(4), ADJACENCY, alpha=0.5, tau=1.0)
    pm.CAR("y", x, ADJACENCY, alpha=0.3, tau=2.0, observed=np.zeros(4))


@case("ICAR", refused="'x' cannot be simulated: its distribution icar has no forward sampler")
def icar() -> None:
    x = pm.ICAR("x", W=ADJACENCY)
    pm.Normal("y", x, 1, observed=np.zeros(4))


@case("Dirichlet")
def dirichlet() -> None:
    x = pm.Dirichlet("x", np.array([1.0, 2.0, 3.0]))
    pm.Dirichlet("y", 1 + 3 * x, observed=SHARES)


@case("StickBreakingWeights")
def stick_breaking_weights() -> None:
    x = pm.StickBreakingWeights("x", alpha=2.0, K=3)
    pm.Categorical("y", x, observed=np.array([0, 1, 3, 0]))


@case("Multinomial")
def multinomial() -> None:
    x = pm.Dirichlet("x", np.ones(3))
    n = pm.Data("n", np.array([10, 20]))
    pm.Multinomial("y", n=n, p=x, observed=np.array([[2, 3, 5], [12, 6, 2]]))


@case("DirichletMultinomial")
def dirichlet_multinomial_concentration() -> None:
    x = pm.Gamma("x", 2, 1, shape=3)
    pm.DirichletMultinomial("y", n=20, a=x, observed=np.array([[4, 6, 10], [12, 6, 2]]))


@case("OrderedMultinomial")
def ordered_multinomial() -> None:
    x = pm.Normal("x")
    pm.OrderedMultinomial(
        "y", eta=x, cutpoints=np.array([-1.0, 1.0]), n=10, observed=np.array([2, 5, 3])
    )


@case("Multinomial as a parameter", refused="'z' is free, discrete and multivariate")
def latent_multinomial() -> None:
    z = pm.Multinomial("z", n=5, p=np.ones(3) / 3)
    pm.Normal("y", z, 1, observed=np.zeros(3))


@case("LKJCholeskyCov")
def lkj_cholesky() -> None:
    sd = pm.Exponential.dist(1.0, size=3)
    chol, _, sigma = pm.LKJCholeskyCov("chol", n=3, eta=1.5, sd_dist=sd)
    pm.Deterministic("total", sigma.sum())
    pm.MvNormal("y", np.zeros(3), chol=chol, observed=ROWS)


@case("LKJCorr")
def lkj_corr() -> None:
    if PYMC > 5:  # a Cholesky factor
        correlation = {"chol": pm.LKJCorr("corr", n=3, eta=2.0)}
    else:
        correlation = {"cov": pm.LKJCorr("corr", n=3, eta=2.0, return_matrix=True)}
    pm.MvNormal("y", np.zeros(3), **correlation, observed=ROWS)


@case("Wishart", refused="'x' is degenerate" if PYMC == 5 else "")
def wishart() -> None:
    x = pm.Wishart("x", nu=5, V=np.eye(2))
    pm.MvNormal("y", np.zeros(2), tau=x, observed=ROWS[:, :2])


@case("Wishart as data", vectorized=None)
def observed_wishart() -> None:
    x = pm.HalfNormal("x", 1)
    pm.Wishart("y", nu=5, V=(0.5 + x) * np.eye(2), observed=np.array([[2.0, 0.5], [0.5, 1.0]]))


@case("WishartBartlett")
def wishart_bartlett() -> None:
    x = pm.WishartBartlett("x", np.eye(2), nu=5)
    pm.MvNormal("y", np.zeros(2), tau=x, observed=ROWS[:, :2])


@case("ZeroSumNormal")
def zero_sum_normal() -> None:
    x = pm.ZeroSumNormal("x", 1.5, shape=4)
    pm.Normal("y", x, 0.5, observed=np.zeros(4))


@case("ZeroSumNormal", "ZeroSumNormal of two axes")
def zero_sum_table() -> None:
    x = pm.ZeroSumNormal("x", 1.5, n_zerosum_axes=2, shape=(3, 2))
    sigma = pm.HalfNormal("sigma", 1)
    pm.Normal("y", x, pt.sqrt(0.1 + sigma), observed=np.zeros((3, 2)))

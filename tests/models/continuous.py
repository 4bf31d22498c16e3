"""Continuous univariate distributions of PyMC, each as a parameter and as data."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from models._case import case

POSITIVE = np.array([0.5, 1.0, 2.0, 4.0])
UNIT = np.array([0.2, 0.5, 0.6, 0.9])
REAL = np.array([-1.0, 0.0, 0.5, 3.0])
GRID = np.linspace(-3, 5, 60)


@case("Normal")
def normal() -> None:
    x = pm.Normal("x", 1, 2, shape=2)
    pm.Normal("y", x.sum(), pt.exp(x[0] / 4), observed=REAL)


@case("HalfNormal")
def half_normal() -> None:
    x = pm.HalfNormal("x", 1.5, shape=2)
    pm.HalfNormal("y", x.sum(), observed=POSITIVE)


@case("TruncatedNormal")
def truncated_normal() -> None:
    x = pm.TruncatedNormal("x", 0, 2, lower=-1, upper=3, shape=2)
    pm.TruncatedNormal("y", x[0], 1, lower=x[1] - 4, observed=POSITIVE)


@case("SkewNormal")
def skew_normal() -> None:
    x = pm.SkewNormal("x", mu=0, sigma=1.5, alpha=3, shape=2)
    pm.SkewNormal("y", mu=x[0], sigma=1, alpha=x[1], observed=REAL)


@case("LogNormal", "Lognormal")
def log_normal() -> None:
    x = pm.LogNormal("x", 0.2, 0.5, shape=2)
    pm.LogNormal("y", pt.log(x[0]), x[1], observed=POSITIVE)


@case("LogitNormal")
def logit_normal() -> None:
    x = pm.LogitNormal("x", 0.3, 0.8)
    pm.LogitNormal("y", x, 1 + x, observed=UNIT)


@case("Uniform")
def uniform() -> None:
    x = pm.Uniform("x", -1, 2)
    pm.Uniform("y", x - 3, x + 5, observed=REAL)


@case("Triangular")
def triangular() -> None:
    x = pm.Triangular("x", -1, 3, c=0.5)
    pm.Triangular("y", x - 5, x + 8, c=x, observed=REAL)


@case("Beta")
def beta() -> None:
    x = pm.Beta("x", 2, 3)
    pm.Beta("y", 1 + x, 3 - x, observed=UNIT)


@case("Kumaraswamy")
def kumaraswamy() -> None:
    x = pm.Kumaraswamy("x", 2, 3)
    pm.Kumaraswamy("y", 1 + x, 3, observed=UNIT)


@case("Exponential")
def exponential() -> None:
    x = pm.Exponential("x", 0.7, shape=2)
    pm.Exponential("y", x.sum(), observed=POSITIVE)


@case("Laplace")
def laplace() -> None:
    x = pm.Laplace("x", 0, 1)
    pm.Laplace("y", x, pt.exp(x / 4), observed=REAL)


@case("AsymmetricLaplace")
def asymmetric_laplace() -> None:
    x = pm.AsymmetricLaplace("x", kappa=1.3, mu=0, b=2)
    pm.AsymmetricLaplace("y", kappa=0.7, mu=x, b=1, observed=REAL)


@case("StudentT")
def student_t_scale() -> None:
    x = pm.StudentT("x", nu=5, mu=0, sigma=1)
    pm.StudentT("y", nu=4, mu=x, sigma=pt.exp(x / 4), observed=REAL)


@case("HalfStudentT")
def half_student_t() -> None:
    x = pm.HalfStudentT("x", nu=5, sigma=1.5)
    pm.HalfStudentT("y", nu=4, sigma=x, observed=POSITIVE)


@case("SkewStudentT")
def skew_student_t() -> None:
    x = pm.SkewStudentT("x", a=3, b=5, mu=0, sigma=1)
    pm.SkewStudentT("y", a=4, b=6, mu=x, sigma=1, observed=REAL)


@case("Cauchy")
def cauchy() -> None:
    x = pm.Cauchy("x", 0, 1)
    pm.Cauchy("y", x, 1, observed=REAL)


@case("HalfCauchy")
def half_cauchy() -> None:
    x = pm.HalfCauchy("x", 1)
    pm.HalfCauchy("y", x, observed=POSITIVE)


@case("Gamma")
def gamma() -> None:
    x = pm.Gamma("x", 2, 1, shape=2)
    pm.Gamma("y", mu=x[0], sigma=x[1], observed=POSITIVE)


@case("InverseGamma")
def inverse_gamma() -> None:
    x = pm.InverseGamma("x", 3, 2)
    pm.InverseGamma("y", 3, x, observed=POSITIVE)


@case("ChiSquared")
def chi_squared() -> None:
    x = pm.ChiSquared("x", 3)
    pm.ChiSquared("y", 1 + x, observed=POSITIVE)


@case("Weibull")
def weibull() -> None:
    x = pm.Weibull("x", 2, 1.5)
    pm.Weibull("y", 1.5, x, observed=POSITIVE)


@case("Pareto")
def pareto() -> None:
    x = pm.Pareto("x", alpha=4, m=1)
    pm.Pareto("y", alpha=x, m=0.4, observed=POSITIVE)


@case("Gumbel")
def gumbel() -> None:
    x = pm.Gumbel("x", 0, 1)
    pm.Gumbel("y", x, pt.exp(x / 4), observed=REAL)


@case("Logistic")
def logistic() -> None:
    x = pm.Logistic("x", 0, 1)
    pm.Logistic("y", x, 1, observed=REAL)


@case("ExGaussian")
def ex_gaussian() -> None:
    x = pm.ExGaussian("x", mu=0, sigma=1, nu=1.5)
    pm.ExGaussian("y", mu=x, sigma=1, nu=1, observed=REAL)


@case("VonMises")
def von_mises() -> None:
    x = pm.VonMises("x", 0.5, 2)
    pm.VonMises("y", x, 3, observed=REAL)


@case("Wald")
def wald() -> None:
    x = pm.Wald("x", mu=2, lam=3)
    pm.Wald("y", mu=x, lam=2, alpha=0.1, observed=POSITIVE)


@case("Rice")
def rice() -> None:
    x = pm.Rice("x", nu=1, sigma=1)
    pm.Rice("y", nu=x, sigma=1, observed=POSITIVE)


@case("Moyal")
def moyal() -> None:
    x = pm.Moyal("x", 0, 1)
    pm.Moyal("y", x, 1, observed=REAL)


@case("Interpolated")
def interpolated() -> None:
    x = pm.Interpolated("x", GRID, np.exp(-0.5 * (GRID - 1) ** 2) * (4 + GRID))
    pm.Interpolated("y", GRID, np.exp(-np.abs(GRID)), observed=REAL)
    pm.Normal("z", x, 1, observed=REAL)


@case("PolyaGamma")
def polya_gamma() -> None:
    x = pm.PolyaGamma("x", 2, 0.5)
    pm.Normal("y", 0, 1 / pt.sqrt(x), observed=REAL)


@case("Flat", refused="'x' cannot be simulated: its distribution flat has no forward sampler")
def flat() -> None:
    pm.Normal("y", pm.Flat("x"), 1, observed=REAL)


@case("HalfFlat", refused="'x' cannot be simulated: its distribution half_flat has no forward")
def half_flat() -> None:
    pm.Normal("y", 0, pm.HalfFlat("x"), observed=REAL)

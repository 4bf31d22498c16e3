"""Data of every shape: lengths, designs, gaps, order, groups and priors that change.

``python benchmarks/data_shapes.py [FOLDER]``, where FOLDER, if there is one, holds
``posteriordb/eight_schools.npz`` (``data_y``, ``data_sigma``, ``draws_*``).
"""

import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pymc as pm
from _report import Figure, at_most, report, shown, within
from scipy import special, stats

import pymc_amortized as pma
from pymc_amortized.inference_data import group

MAX_SECONDS = 180
QUIET = {"progressbar": False}
HELD_OUT = 100
LENGTHS = (5, 20, 100, 200)
SERIES = 20
A, B, SCALE = 3.0, 2.0, 2.0
"""Of the noise's inverse gamma prior, and of coefficients relative to the noise."""


def trained(
    name: str, model: pm.Model, *, max_seconds: float = MAX_SECONDS, **options
) -> tuple[pma.AmortizedPosterior, Figure]:
    start = time.perf_counter()
    amortized = pma.fit(model, max_seconds=max_seconds, random_seed=1, **options)
    return amortized, at_most(f"{name}: seconds of fit", time.perf_counter() - start, 300)


def columns(idata, names: list[str]) -> np.ndarray:
    """Draws of scalars, (draws, datasets, parameters)."""
    posterior = group(idata)
    draws = [np.asarray(posterior[n]).reshape(-1, posterior.sizes["dataset"]) for n in names]
    return np.stack(draws, axis=-1)


def against(name: str, draws: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> list[Figure]:
    """Mean error in posterior sd, and mean ratio of sds: draws (n, datasets, parameters)."""
    error = np.abs(draws.mean(axis=0) - mean) / sd
    ratio = draws.std(axis=0) / sd
    return [
        at_most(f"{name}: mean error, posterior sd", error.mean(), 0.1),
        within(f"{name}: mean ratio of sds", ratio.mean(), 0.95, 1.05),
        shown(f"{name}: largest error, posterior sd", error.max()),
    ]


# Conjugate regression: coefficients and variance of the noise


def regression() -> pm.Model:
    with pm.Model(coords={"obs": range(5)}) as model:
        x = pm.Data("x", np.zeros(5), dims="obs")
        variance = pm.InverseGamma("variance", A, B)
        sd = pm.math.sqrt(variance)
        a, b = pm.Normal("a", 0, SCALE * sd), pm.Normal("b", 0, SCALE * sd)
        pm.Normal("y", a + b * x, sd, observed=np.zeros(5), dims="obs")
    return model


def exact_regression(data: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Means and sds of (a, b, variance) given what is seen (normal-inverse-gamma)."""
    seen = np.isfinite(data["y"])
    design = np.column_stack([np.ones(seen.sum()), data["x"][seen]])
    precision = design.T @ design + np.eye(2) / SCALE**2
    mean = np.linalg.solve(precision, design.T @ data["y"][seen])
    shape = A + seen.sum() / 2
    scale = B + (data["y"][seen] @ data["y"][seen] - mean @ precision @ mean) / 2
    spread = np.sqrt(scale / (shape - 1) * np.diag(np.linalg.inv(precision)))
    variance = stats.invgamma(shape, scale=scale)
    return np.append(mean, variance.mean()), np.append(spread, variance.std())


def of_length(length: int, missing: float) -> list[dict[str, np.ndarray]]:
    """Datasets that the prior makes."""
    rng = np.random.default_rng(length)
    found = []
    for _ in range(HELD_OUT):
        variance = stats.invgamma(A, scale=B).rvs(random_state=rng)
        a, b = rng.normal(0, SCALE * variance**0.5, 2)
        x = rng.normal(size=length)
        y = a + b * x + rng.normal(0, variance**0.5, length)
        y[rng.random(length) < missing] = np.nan
        found.append({"x": x, "y": y})
    return found


def regressions(missing: float) -> list[Figure]:
    name = f"regression, {missing:.0%} missing" if missing else "regression"
    vary = {"x": pm.Normal.dist(0, 1), "obs": pm.DiscreteUniform.dist(LENGTHS[0], LENGTHS[-1])}
    options = {"missing": {"y": missing}} if missing else {}
    amortized, seconds = trained(name, regression(), vary=vary, **options)
    figures = [seconds]
    for length in LENGTHS:
        datasets = of_length(length, missing)
        mean, sd = (np.stack(part) for part in zip(*map(exact_regression, datasets), strict=True))
        for how, refine in (("refined", "psis"), ("network alone", None)):
            idata = amortized.sample(datasets, refine=refine, random_seed=2, **QUIET)
            draws = columns(idata, ["a", "b", "variance"])
            found = against(f"{name}, N = {length}, {how}", draws, mean, sd)
            figures += found if refine else [shown(f.what, f.value) for f in found]
    return figures


# Invariance


def gaussian() -> pm.Model:
    with pm.Model() as model:
        mean, sd = pm.Normal("mean", 0, 3), pm.HalfNormal("sd", 2)
        pm.Normal("y", mean, sd, observed=np.zeros(100))
    return model


def invariance() -> list[Figure]:
    amortized = pma.fit(gaussian(), max_seconds=20, random_seed=1, **QUIET)
    rng = np.random.default_rng(3)
    y = rng.normal(rng.normal(0, 3, (20, 1)), 1, (20, 100))
    one, other = (
        columns(amortized.sample({"y": v}, random_seed=4, **QUIET), ["mean", "sd"])
        for v in (y, rng.permuted(y, axis=1))
    )
    largest = np.max(np.abs(one - other) / np.abs(one))
    return [at_most("permuted data: largest relative change of a draw", largest, 1e-6)]


# AR(1)


def autoregression() -> pm.Model:
    with pm.Model(coords={"time": range(50)}) as model:
        rho, sd = pm.Uniform("rho", -1, 1), pm.HalfNormal("sd", 1)
        start = pm.Normal.dist(0, 1)
        pm.AR("y", [rho], sd, init_dist=start, observed=np.zeros(50), dims="time")
    return model


def moments_on_grid(log_density, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, ...]:
    """Means and sds of two parameters by quadrature on a grid."""
    table = log_density(first[:, None], second[None])
    weight = np.exp(table - special.logsumexp(table))
    values = np.meshgrid(first, second, indexing="ij")
    mean = np.array([np.sum(weight * v) for v in values])
    spread = np.array([np.sum(weight * (v - m) ** 2) for v, m in zip(values, mean, strict=True)])
    return mean, np.sqrt(spread)


def exact_autoregression(y: np.ndarray) -> tuple[np.ndarray, ...]:
    now, before = y[1:], y[:-1]

    def log_density(rho, sd):
        squares = now @ now - 2 * rho * (now @ before) + rho**2 * (before @ before)
        return -len(now) * np.log(sd) - squares / (2 * sd**2) - sd**2 / 2

    rho, sd = np.linspace(-0.999, 0.999, 1500), np.linspace(0.002, 5, 2500)
    return moments_on_grid(log_density, rho, sd)


def autoregressions() -> list[Figure]:
    vary = {"time": pm.DiscreteUniform.dist(50, 200)}
    amortized, seconds = trained("AR(1)", autoregression(), vary=vary)
    simulated = pma.simulate(autoregression(), vary=vary, draws=SERIES, random_seed=5, **QUIET)
    y = group(simulated, "prior_predictive")["y"].to_numpy()[0]
    exact = [exact_autoregression(row[np.isfinite(row)]) for row in y]
    mean, sd = (np.stack(part) for part in zip(*exact, strict=True))
    figures = [seconds]
    for how, refine in (("refined", "psis"), ("network alone", None)):
        draws = columns(amortized.sample({"y": y}, refine=refine, random_seed=6), ["rho", "sd"])
        error = np.abs(draws.mean(axis=0) - mean) / sd
        what = f"AR(1), {how}: mean error of {SERIES} series, posterior sd"
        figures.append(at_most(what, error.mean(), 0.15) if refine else shown(what, error.mean()))
    return figures


# Eight schools whose standard errors vary


def schools(y: np.ndarray, sigma: np.ndarray) -> pm.Model:
    with pm.Model(coords={"school": range(8)}) as model:
        errors = pm.Data("sigma", sigma.astype(float), dims="school")
        mu, tau = pm.Normal("mu", 0, 5), pm.HalfCauchy("tau", 5)
        z = pm.Normal("z", dims="school")
        theta = pm.Deterministic("theta", mu + tau * z, dims="school")
        pm.Normal("y", theta, errors, observed=y.astype(float), dims="school")
    return model


def eight_schools(folder: Path) -> list[Figure]:
    data = dict(np.load(folder / "posteriordb" / "eight_schools.npz"))
    model = schools(data["data_y"], data["data_sigma"])
    amortized, seconds = trained("eight schools", model, vary={"sigma": pm.Uniform.dist(5, 25)})
    figures = [seconds]
    for how, refine in (("refined", "psis"), ("network alone", None)):
        posterior = group(amortized.sample(draws=2500, refine=refine, random_seed=9, **QUIET))
        errors = []
        for name in ("mu", "tau", "theta"):
            reference = data[f"draws_{name}"].reshape(-1, *data[f"draws_{name}"].shape[2:])
            mean = posterior[name].mean(("chain", "draw")).to_numpy()
            errors.append(np.ravel(np.abs(mean - reference.mean(axis=0)) / reference.std(axis=0)))
        what = f"eight schools, sigma varied, {how}: largest error of ten, reference sd"
        largest = np.concatenate(errors).max()
        figures.append(at_most(what, largest, 0.1) if refine else shown(what, largest))
    return figures


# One training for many priors


def doses(scale: float, deaths: np.ndarray) -> pm.Model:
    dose = np.array([-0.86, -0.3, -0.05, 0.73])
    with pm.Model() as model:
        width = pm.Data("width", scale)
        a, b = pm.Normal("a", 0, width), pm.Normal("b", 0, width)
        pm.Binomial("deaths", 5, logit_p=a + b * dose, observed=deaths)
    return model


def prior_sensitivity() -> list[Figure]:
    deaths, scales = np.array([0, 1, 3, 5]), np.array([0.5, 1.0, 2.0, 4.0, 8.0])
    vary = {"width": pm.LogNormal.dist(0.5, 1)}
    amortized, seconds = trained("prior sensitivity", doses(2.0, deaths), vary=vary)
    observed = {"deaths": deaths, "width": scales}
    draws = columns(amortized.sample(observed, random_seed=10, **QUIET), ["a", "b"])
    errors, ratios = [], []
    for k, scale in enumerate(scales):
        with doses(scale, deaths):
            nuts = group(pm.sample(5000, chains=4, cores=1, random_seed=11, **QUIET))
        for p, name in enumerate(("a", "b")):
            reference = nuts[name].to_numpy().ravel()
            errors.append(abs(draws[:, k, p].mean() - reference.mean()) / reference.std())
            ratios.append(draws[:, k, p].std() / reference.std())
    return [
        seconds,
        at_most("five priors against five runs of NUTS: largest error, sd", max(errors), 0.1),
        within("five priors: smallest ratio of sds", min(ratios), 0.95, 1.05),
        within("five priors: largest ratio of sds", max(ratios), 0.95, 1.05),
    ]


def main(folder: Path | None, names: list[str]) -> None:
    parts = {
        "regression": partial(regressions, 0.0),
        "missing": partial(regressions, 0.3),
        "invariance": invariance,
        "series": autoregressions,
        "priors": prior_sensitivity,
    }
    if folder:
        parts["schools"] = partial(eight_schools, folder)
    for done, name in enumerate(names or parts):
        report("data_shapes", parts[name](), "seeds 1 to 11", part=bool(names or done))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None, sys.argv[2:])

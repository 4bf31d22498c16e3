"""Posteriors that others have published, sbibm's and posteriordb's, against refined draws.

``python benchmarks/published.py FOLDER [names ...]``, where FOLDER holds ``sbibm/NAME.npz`` (arrays
``observation`` and ``reference``, for the GLM ``design_matrix``) and ``posteriordb/NAME.npz``
(``data_*`` and ``draws_*``).
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import _models
import numpy as np
import pymc as pm
from _c2st import c2st
from _report import Figure, at_most, report, within

import pymc_amortized as pma

Arrays = dict[str, np.ndarray]

MAX_SECONDS = 280
"""Of training; what comes before and after it fits into five minutes."""

DRAWS = {"draws": 2500, "chains": 4, "random_seed": 2}

C2ST = {
    "two_moons": (0.52, lambda d, x: _models.two_moons(x)),
    "gaussian_linear": (0.51, lambda d, x: _models.gaussian_linear(x)),
    "slcp": (0.56, lambda d, x: _models.slcp(x)),
    "bernoulli_glm": (0.52, lambda d, x: _models.bernoulli_glm(x, d["design_matrix"])),
}
MOMENTS = {
    "eight_schools": lambda d: _models.eight_schools(d["data_y"], d["data_sigma"]),
    "gp_regr": lambda d: _models.gaussian_process(d["data_y"], d["data_x"]),
    "low_dim_gauss_mix": lambda d: _models.gaussian_mixture(d["data_y"]),
    "blr": lambda d: _models.linear_regression(d["data_y"], d["data_X"]),
}


def trained(name: str, model: pm.Model) -> tuple[pma.AmortizedPosterior, Figure]:
    """Train by the defaults, compilation and first simulations included in the time."""
    start = time.perf_counter()
    amortized = pma.fit(model, max_seconds=MAX_SECONDS, random_seed=1)
    return amortized, at_most(f"{name}: seconds of fit", time.perf_counter() - start, 300)


def by_classifier(name: str, folder: Path) -> list[Figure]:
    """Mean C2ST of the observations, all of one training."""
    bar, build = C2ST[name]
    data = dict(np.load(folder / "sbibm" / f"{name}.npz"))
    model = build(data, data["observation"][0])
    amortized, seconds = trained(name, model)
    (observed,) = model.observed_RVs
    shape = (len(data["observation"]), *observed.shape.eval())
    y = data["observation"].reshape(shape).astype(observed.dtype)
    idata = amortized.sample({observed.name: y}, **DRAWS)
    draws = np.moveaxis(idata.posterior["theta"].to_numpy(), 2, 0)
    draws = draws.reshape(len(y), -1, draws.shape[-1])
    accuracy = [c2st(*pair) for pair in zip(data["reference"], draws, strict=True)]
    print(name, "C2ST of each observation:", np.round(accuracy, 3))
    return [
        seconds,
        at_most(f"{name}: C2ST, mean of {len(y)} observations", np.mean(accuracy), bar),
        at_most(f"{name}: largest Pareto k", float(idata.amortized["pareto_k"].max()), 0.7),
    ]


def by_moments(name: str, folder: Path) -> list[Figure]:
    """Largest difference of means and extreme ratios of sds over all parameters."""
    data = dict(np.load(folder / "posteriordb" / f"{name}.npz"))
    amortized, seconds = trained(name, MOMENTS[name](data))
    idata = amortized.sample(refine="auto", **DRAWS)
    differences, ratios = [], []
    for key in (key for key in data if key.startswith("draws_")):
        reference = data[key].reshape(-1, *data[key].shape[2:])
        draws = idata.posterior[key.removeprefix("draws_")].to_numpy()
        draws = draws.reshape(-1, *draws.shape[2:])
        differences.append(np.ravel((draws.mean(0) - reference.mean(0)) / reference.std(0)))
        ratios.append(np.ravel(draws.std(0) / reference.std(0)))
    by = str(idata.amortized["refined_by"].item())
    ratio = np.concatenate(ratios)
    return [
        seconds,
        at_most(
            f"{name} ({by}): largest difference of means, reference sd",
            np.abs(np.concatenate(differences)).max(),
            0.05,
        ),
        within(f"{name} ({by}): smallest sd ratio", ratio.min(), 0.95, 1.05),
        within(f"{name} ({by}): largest sd ratio", ratio.max(), 0.95, 1.05),
    ]


def main(folder: Path, names: list[str]) -> None:
    ways: dict[str, Callable[[str, Path], list[Figure]]] = dict.fromkeys(C2ST, by_classifier)
    ways |= dict.fromkeys(MOMENTS, by_moments)
    for done, name in enumerate(names or ways):
        report("published", ways[name](name, folder), "seeds 1 and 2", part=bool(names or done))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        print(__doc__)
    else:
        main(Path(sys.argv[1]), sys.argv[2:])

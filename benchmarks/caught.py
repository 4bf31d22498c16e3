"""Whether a wrong network is caught: trained for two seconds, or asked about data unlike any.

A dataset is caught if its ``pareto_k`` is above 0.7 or its ``surprise`` below 0.01. After two
seconds of training many posteriors are repaired by their weights, and nothing is to be caught
there. Besides the plain share the file therefore counts the datasets whose *refined* mean is off
by more than 0.3 posterior sd in some parameter, and which part of these is caught. The reference is
importance sampling from a network trained to the end, of the same model and data, where it has k
below 0.5 and more than 2000 effective draws; datasets without one are left out and counted.

Changed data lie far outside if one value at least is more than 5 prior predictive sds from the
middle: scaling leaves data near the middle where they were. Of those that are not caught some are
held against NUTS.

``python benchmarks/caught.py [folder]`` keeps the networks in the folder, and takes them from there
if it has them.
"""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pymc as pm
import xarray as xr
from _kinds import MODELS
from _report import Figure, at_least, at_most, report, shown, within

import pymc_amortized as pma
from pymc_amortized.inference_data import group
from pymc_amortized.structure import has_likelihood

SHORT_SEEDS = (11, 12)
DATASETS, CHANGED, FAMILIAR = 100, 50, 10_000
OFF = 0.3
FAR = 5
AGAINST_NUTS = 3
BUDGET = {"simulator": 4000}  # simulations of what cannot be simulated in one batch
NUTS = {"cores": 1, "chains": 2, "random_seed": 5, "progressbar": False}
QUIET = {"progressbar": False, "random_seed": 2}

Change = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def simulated(model: pm.Model, number: int, seed: int) -> np.ndarray:
    draws = pma.simulate(model, draws=number, random_seed=seed, progressbar=False)
    return group(draws, "prior_predictive")["y"].to_numpy()[0]


def outlier(y: np.ndarray, middle: np.ndarray, sd: np.ndarray) -> np.ndarray:
    first = np.zeros(y.shape[1:], bool)
    first.flat[0] = True
    return np.where(first, middle + 10 * sd, y)


def alternating(y: np.ndarray, middle: np.ndarray, sd: np.ndarray) -> np.ndarray:
    signs = np.where(np.arange(y[0].size) % 2, -1, 1).reshape(y.shape[1:])
    return middle + signs * (np.abs(y - middle) + 3 * sd)


def heavy(y: np.ndarray, middle: np.ndarray, sd: np.ndarray) -> np.ndarray:
    return middle + 3 * sd * np.random.default_rng(4).standard_cauchy(y.shape)


CHANGES: dict[str, Change] = {
    "shifted by 10 prior predictive sds": lambda y, middle, sd: y + 10 * sd,
    "scaled by 10 about the middle": lambda y, middle, sd: middle + 10 * (y - middle),
    "one value 10 sds away": outlier,
    "constant, 10 sds away": lambda y, middle, sd: np.full_like(y, (middle + 10 * sd).mean()),
    "signs alternate, 3 sds and more away": alternating,
    "independent Cauchy noise of 3 sds": heavy,
}


def changed(y: np.ndarray, change: Change) -> tuple[np.ndarray, np.ndarray]:
    """Moved data, and which of them lie far outside: counts stay counts."""
    middle, sd = np.median(y, axis=0), y.std(axis=0)
    found = change(y[:CHANGED].astype(float), middle, sd)
    if np.issubdtype(y.dtype, np.integer):
        found = np.clip(np.rint(found), 0, 1e9).astype(y.dtype)
    distance = np.abs(found - middle) / sd
    return found, distance.reshape(len(found), -1).max(axis=1) > FAR


def caught(diagnosis: xr.Dataset) -> np.ndarray:
    strange = diagnosis["surprise"].to_numpy() < 0.01
    if "pareto_k" not in diagnosis:
        return strange
    return strange | (diagnosis["pareto_k"].to_numpy() > 0.7)


def sampled(amortized: pma.AmortizedPosterior, y: np.ndarray, draws: int) -> dict[str, xr.Dataset]:
    idata = amortized.sample({"y": y}, draws=draws, **QUIET)
    return {name: group(idata, name) for name in ("posterior", "amortized")}


def moments(posterior: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Means and sds of each scalar parameter: (datasets, parameters)."""
    stacked = [
        values.stack(every=("chain", "draw")).transpose("every", "dataset", ...).to_numpy()
        for values in posterior.values()
    ]
    draws = np.concatenate([each.reshape(*each.shape[:2], -1) for each in stacked], axis=2)
    return draws.mean(axis=0), draws.std(axis=0)


def two_seconds(
    name: str, trained: pma.AmortizedPosterior, short: list[pma.AmortizedPosterior]
) -> list[Figure]:
    y = simulated(trained.model, DATASETS, 21)
    reference = sampled(trained, y, 1000)
    mean, sd = moments(reference["posterior"])
    known = (reference["amortized"]["pareto_k"] < 0.5).to_numpy()
    known &= (reference["amortized"]["importance_ess"] > 2000).to_numpy()
    flags, errors = [], []
    for network in short:
        found = sampled(network, y, 1000)
        flags.append(caught(found["amortized"])[known])
        errors.append((np.abs(moments(found["posterior"])[0] - mean) / sd).max(axis=1)[known])
    flag, off = np.concatenate(flags), np.concatenate(errors) > OFF
    of = f"{name}, trained for 2 s"
    figures = [
        shown(f"{of}: part of the datasets that have a reference", known.mean()),
        shown(f"{of}: caught, of all {len(flag)}", flag.mean()),
        shown(f"{of}: refined mean off, of all {len(flag)}", off.mean()),
    ]
    if off.any():
        figures.append(at_least(f"{of}: caught, of the {off.sum()} off", flag[off].mean(), 0.95))
    return figures


def far_away(name: str, trained: pma.AmortizedPosterior) -> list[Figure]:
    y = simulated(trained.model, 5000, 22)
    figures = []
    for what, change in CHANGES.items():
        data, far = changed(y, change)
        found = sampled(trained, data, 250)
        flag = caught(found["amortized"])
        of = f"{name}, {what}: caught, of the"
        figures.append(at_least(f"{of} {far.sum()} far outside", flag[far].mean(), 0.95))
        if not far.all():
            figures.append(shown(f"{of} {(~far).sum()} others", flag[~far].mean()))
        missed = np.flatnonzero(~flag)[:AGAINST_NUTS]
        if missed.size and has_likelihood(trained.model):
            errors = [error_by_nuts(name, data, found, one) for one in missed]
            of = f"{name}, {what}: of {missed.size} not caught, part off by NUTS"
            figures.append(at_most(of, np.mean(np.array(errors) > OFF), 0))
    return figures


def error_by_nuts(name: str, data: np.ndarray, found: dict[str, xr.Dataset], number: int) -> float:
    """Largest difference of means, in posterior sds."""
    with MODELS[name](data[number]):
        posterior = group(pm.sample(**NUTS))
    mean, sd = moments(posterior.expand_dims("dataset"))
    ours = moments(found["posterior"].isel(dataset=[number]))[0]
    return float((np.abs(ours - mean) / sd).max())


def familiar(name: str, networks: list[pma.AmortizedPosterior]) -> list[Figure]:
    """How often simulated data are called strange, and the common error of finite calibration."""
    y = simulated(networks[0].model, FAMILIAR, 23)
    options = {"draws": 1, "chains": 1, "refine": None, **QUIET}
    rows = [group(n.sample({"y": y}, **options), "amortized")["surprise"] for n in networks]
    figures = []
    for nominal in (0.01, 0.05):
        part = 1 / FAMILIAR + np.mean([1 / len(n._familiarity.distances) for n in networks])
        error = 3 * np.sqrt(nominal * (1 - nominal) * part)
        for k, row in enumerate(rows):
            rate = float((row < nominal).mean())
            what = f"{name}, training {k}: simulated data with surprise below {nominal}"
            figures.append(within(what, rate, nominal - error, nominal + error))
    return figures


def network(name: str, folder: Path | None, seed: int, max_seconds: int | None = None):
    file = folder / f"{name}-{seed}.safetensors" if folder else None
    model = MODELS[name]()
    if file and file.exists():
        return pma.load(file, model)
    options = {"simulations": BUDGET.get(name), "max_seconds": max_seconds}
    amortized = pma.fit(model, random_seed=seed, progressbar=False, **options)
    if file:
        folder.mkdir(parents=True, exist_ok=True)
        amortized.save(file)
    return amortized


def of_model(name: str, folder: Path | None) -> list[Figure]:
    trained = network(name, folder, 1)
    short = [network(name, folder, seed, max_seconds=2) for seed in SHORT_SEEDS]
    figures = [*far_away(name, trained), *familiar(name, [trained, *short])]
    return figures + (two_seconds(name, trained, short) if has_likelihood(trained.model) else [])


def main(folder: Path | None) -> None:
    warnings.simplefilter("ignore", UserWarning)  # what they say is what is counted
    figures = [figure for name in MODELS for figure in of_model(name, folder)]
    report("caught", figures, "seeds 2, 4, 5, 11 and 12")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)

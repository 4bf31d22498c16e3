"""What refinement costs: importance weights of a thousand datasets, and NUTS for those it fails."""

import logging
import time
import warnings
from collections.abc import Callable
from statistics import median

import _models
import numpy as np
import pymc as pm
from _report import Figure, at_least, at_most, report, shown

import pymc_amortized as pma
from pymc_amortized import nuts
from pymc_amortized.generation import convergence
from pymc_amortized.inference_data import group
from pymc_amortized.nuts import nuts_sampler
from pymc_amortized.rescue import PROPOSALS, Rescued, launch, rescued

DATASETS, DRAWS = 1000, 1000
RESCUED = 8
QUIET = {"random_seed": 1, "progressbar": False}
YEARS = (np.arange(1952, 2008, 5) - 1979.5) / 10


def growth(y: np.ndarray) -> pm.Model:
    """The demo's model."""
    with pm.Model() as model:
        b0, b1 = pm.Normal("b0", 60, 15), pm.Normal("b1", 0, 5)
        sigma = pm.HalfNormal("sigma", 5)
        pm.Normal("y", b0 + b1 * YEARS, sigma, observed=y)
    return model


def schools(y: np.ndarray) -> pm.Model:
    return _models.eight_schools(y, np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]))


def mixture(y: np.ndarray) -> pm.Model:
    return _models.gaussian_mixture(y)


MODELS = {"growth": (growth, 12), "eight schools": (schools, 8), "mixture": (mixture, 1000)}


def simulated(model: pm.Model, number: int) -> np.ndarray:
    prior = pma.simulate(model, draws=number, random_seed=3, progressbar=False)
    return group(prior, "prior_predictive")["y"].to_numpy()[0]


def weights(amortized: pma.AmortizedPosterior) -> list[Figure]:
    """All of `sample`, warm, with and without weights."""
    y = simulated(amortized.model, DATASETS)
    seconds = {}
    for refine in ("psis", None):
        options = {"draws": DRAWS // 4, "refine": refine, "progressbar": False}
        amortized.sample({"y": y}, random_seed=1, **options)
        spent = []
        for seed in range(3):
            start = time.perf_counter()
            amortized.sample({"y": y}, random_seed=seed, **options)
            spent.append(time.perf_counter() - start)
        seconds[refine] = median(spent)
    what = f"{DATASETS} datasets x {DRAWS} draws"
    return [
        at_most(f"{what}, refined, seconds", seconds["psis"], 5),
        at_most(f"{what}, the network alone, seconds", seconds[None], 5),
    ]


def scratch(name: str, y: np.ndarray, sampler: str) -> tuple[float, float]:
    """Median time of ``pm.sample`` for a dataset, by its own clock, and its largest R-hat."""
    build, spent, r_hats = MODELS[name][0], [], []
    for row in y:
        with build(row):
            fit = pm.sample(chains=4, random_seed=1, nuts_sampler=sampler, progressbar=False)
        posterior = group(fit)
        spent.append(float(posterior.attrs["sampling_time"]))  # without compilation
        draws = [v.to_numpy().reshape(*v.shape[:2], -1) for v in posterior.values()]
        r_hats.append(convergence(np.concatenate(draws, axis=-1))[0])
    return median(spent), max(r_hats)


def rescue(name: str, choose: Callable[[str], None]) -> list[Figure]:
    """NUTS from a bad network's draws, by both samplers, against ``pm.sample`` from scratch."""
    build, size = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of training cut short
        amortized = pma.fit(
            build(np.linspace(-1, 1, size)), simulations=500, max_seconds=2, **QUIET
        )
    y = simulated(amortized.model, RESCUED)
    figures, default = [], {}
    for sampler in ("pymc", "nutpie"):
        choose(sampler)
        each, r_hat = warm_start(amortized, y)
        default[sampler], of_default = scratch(name, y, sampler)
        what = f"{name}, {sampler}"
        figures += [
            at_least(f"{what}: times faster a dataset than pm.sample", default["pymc"] / each, 2),
            shown(f"{what}: times faster than pm.sample by {sampler}", default[sampler] / each),
            shown(f"{what}: seconds a dataset", each),
            at_most(f"{what}: largest R-hat", r_hat, 1.01),
            shown(f"{what}: largest R-hat of pm.sample", of_default),
        ]
    return figures


def warm_start(amortized: pma.AmortizedPosterior, y: np.ndarray) -> tuple[float, float]:
    """Seconds a dataset, compiled before, and the largest R-hat."""
    sample = nuts_sampler(amortized.model, amortized._parameters.shapes)
    sampler, rng = amortized._parts.sampler, np.random.default_rng(1)

    def run() -> dict[int, Rescued]:
        given = [{"y": row} for row in y]
        proposed = [sampler.proposals({"y": row[None]}, PROPOSALS, rng) for row in y]
        launches = [launch(*found[:2], 4, rng) for found in proposed]
        return dict(rescued(sample, given, launches, DRAWS, rng))

    run()
    start = time.perf_counter()
    found = run()
    each = (time.perf_counter() - start) / RESCUED
    return each, max(f.r_hat for f in found.values())


def main() -> None:
    logging.getLogger("pymc").setLevel(logging.ERROR)
    known = nuts.find_spec

    def choose(sampler: str) -> None:
        nuts.find_spec = known if sampler == "nutpie" else lambda _: None

    figures = weights(pma.fit(growth(np.full(12, 60.0)), random_seed=1))
    for name in MODELS:
        figures += rescue(name, choose)
    report("refinement", figures, "seeds 0 to 3")


if __name__ == "__main__":
    main()

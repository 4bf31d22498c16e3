"""Accuracy of the default network on ten tasks, for so many simulations and for so many seconds.

``python benchmarks/accuracy.py [--budgets BUDGET ...] [names ...]``, after ``tasks.py``. Of five
datasets each: C2ST of the network's own draws and of weighted ones against the reference (means),
the largest Pareto k, the smallest efficiency of weights (effective draws a draw), and the largest
error of coverage of central intervals of any parameter, over 1000 simulated datasets.
"""

import time
from argparse import ArgumentParser

import numpy as np
import pymc as pm
from _c2st import mean_c2st
from _references import columns
from _tables import add
from tasks import TASKS, references

import pymc_amortized as pma
from pymc_amortized.calibration import LOG_DENSITIES
from pymc_amortized.inference_data import group
from pymc_amortized.structure import has_likelihood

BUDGETS = {
    "1e3 simulations": {"simulations": 1_000},
    "1e4 simulations": {"simulations": 10_000},
    "1e5 simulations": {"simulations": 100_000},
    "60 s": {"max_seconds": 56},
    "300 s": {"max_seconds": 290},
}
"""Of time less than said, for what `fit` does before and after training."""

BARS = {
    ("two_moons", "60 s"): 0.54,
    ("gaussian_linear", "60 s"): 0.51,
    ("slcp", "300 s"): 0.68,
    ("bernoulli_glm", "300 s"): 0.55,
}
DRAWS = {"draws": 2500, "chains": 4, "random_seed": 2, "progressbar": False}
SEED = 1


def measured(name: str, budget: str) -> dict[str, object]:
    """One training: its row of the table."""
    y, reference = references(name)
    model = TASKS[name].build(y[0])
    start = time.perf_counter()
    amortized = pma.fit(model, random_seed=SEED, progressbar=False, **BUDGETS[budget])
    seconds = time.perf_counter() - start
    idata = amortized.sample({"y": y}, refine=None, **DRAWS)
    raw = c2st_of(idata, model, reference)
    bar = BARS.get((name, budget), np.nan)
    return {
        "task": name,
        "budget": budget,
        "seed": SEED,
        "seconds": round(seconds, 1),
        "seen": int(amortized.history["simulations"][-1]),
        "C2ST raw": raw,
        "bar": bar,
        "reached": "" if np.isnan(bar) else ["no", "yes"][raw <= bar],
        **of_weights(group(idata, "amortized")),
        "C2ST refined": refined(amortized, model, y, reference),
        "coverage error": coverage_error(amortized),
    }


def c2st_of(idata, model: pm.Model, reference: np.ndarray) -> float:
    """Mean over the datasets."""
    names = [variable.name for variable in model.free_RVs]
    draws = [columns(idata, names, dataset) for dataset in range(len(reference))]
    return mean_c2st(zip(reference, draws, strict=True))


def of_weights(found) -> dict[str, float]:
    """The worst of the datasets; nothing where the model has no likelihood."""
    if "pareto_k" not in found:
        return {"Pareto k": np.nan, "efficiency": np.nan}
    draws = DRAWS["draws"] * DRAWS["chains"]
    return {
        "Pareto k": float(found["pareto_k"].max()),
        "efficiency": float(found["importance_ess"].min()) / draws,
    }


def refined(
    amortized: pma.AmortizedPosterior, model: pm.Model, y: np.ndarray, reference: np.ndarray
) -> float:
    if not has_likelihood(model):
        return np.nan
    return c2st_of(amortized.sample({"y": y}, **DRAWS), model, reference)


def coverage_error(amortized: pma.AmortizedPosterior) -> float:
    """Largest of all parameters and levels."""
    found = group(amortized.calibrate(random_seed=3, progressbar=False), "calibration")
    of_parameters = ~found["quantity"].isin(LOG_DENSITIES)
    return float(abs(found["coverage"] - found["level"]).sel(quantity=of_parameters).max())


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(TASKS))
    parser.add_argument("--budgets", nargs="*", metavar="BUDGET", choices=BUDGETS)
    options = parser.parse_args()
    for name in options.names or TASKS:
        for budget in options.budgets or BUDGETS:
            add("accuracy", measured(name, budget), ["task", "budget", "seed"])


if __name__ == "__main__":
    main()

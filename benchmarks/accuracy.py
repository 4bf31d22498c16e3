"""Accuracy of the default network on ten tasks, for so many simulations and for so many seconds.

``python benchmarks/accuracy.py [--budgets BUDGET ...] [--datasets NUMBER] [names ...]``, after
``tasks.py``. Each training has a process of its own, where nothing is warm. Of so many datasets
each: C2ST of the network's own draws and of weighted ones against the reference (means), the
largest Pareto k, the smallest efficiency of weights (effective draws a draw); the mean -log density
of the parameters that 10,000 other datasets were made with, and the largest error of coverage of
central intervals of any parameter, over 1000 others.
"""

import time
from argparse import ArgumentParser
from functools import partial
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from _c2st import mean_c2st
from _engine import alone
from _references import of_datasets
from _tables import add
from tasks import DATASETS, TASKS, references

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

TESTED, AT_A_TIME = 10_000, 2_000
"""Simulated datasets of the mean -log density, and how many of them are evaluated at a time."""


def measured(name: str, budget: str, datasets: int) -> dict[str, Any]:
    """One training: its row of the table."""
    y, reference = (found[:datasets] for found in references(name))
    model = TASKS[name].build(y[0])
    start = time.perf_counter()
    amortized = pma.fit(model, random_seed=SEED, progressbar=False, **BUDGETS[budget])
    seconds = time.perf_counter() - start
    idata = amortized.sample({"y": y}, refine=None, **DRAWS)
    raw = mean_c2st(reference, of_datasets(idata, model))
    bar = BARS.get((name, budget), np.nan)
    return {
        "task": name,
        "budget": budget,
        "seed": SEED,
        "seconds": round(seconds, 1),
        "seen": int(amortized.history["simulations"][-1]),
        "test loss": test_loss(amortized, model),
        "coverage error": coverage_error(amortized),
        "datasets": datasets,
        "C2ST raw": raw,
        "bar": bar,
        "reached": "" if np.isnan(bar) else ["no", "yes"][raw <= bar],
        **of_weights(group(idata, "amortized")),
        "C2ST refined": refined(amortized, model, y, reference),
    }


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
    return mean_c2st(reference, of_datasets(amortized.sample({"y": y}, **DRAWS), model))


def test_loss(amortized: pma.AmortizedPosterior, model: pm.Model) -> float:
    """Mean -log density of parameters given their data, simulated anew."""
    drawn = pma.simulate(model, draws=TESTED, random_seed=4, progressbar=False)
    truth, data = (one_to_each(group(drawn, name)) for name in ("prior", "prior_predictive"))
    starts = range(0, TESTED, AT_A_TIME)
    parts = [{"dataset": slice(start, start + AT_A_TIME)} for start in starts]
    log_densities = [amortized.log_prob(truth.isel(p), data.isel(p)) for p in parts]
    return -float(np.mean(log_densities))


def one_to_each(drawn: xr.Dataset) -> xr.Dataset:
    """Draws as datasets, or as the draws that belong to them."""
    return drawn.isel(chain=0, drop=True).rename(draw="dataset").drop_vars("dataset")


def coverage_error(amortized: pma.AmortizedPosterior) -> float:
    """Largest of all parameters and levels."""
    found = group(amortized.calibrate(random_seed=3, progressbar=False), "calibration")
    of_parameters = ~found["quantity"].isin(LOG_DENSITIES)
    return float(abs(found["coverage"] - found["level"]).sel(quantity=of_parameters).max())


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(TASKS))
    parser.add_argument("--budgets", nargs="*", metavar="BUDGET", choices=BUDGETS)
    parser.add_argument("--datasets", type=int, default=DATASETS, metavar="NUMBER")
    options = parser.parse_args()
    for name in options.names or TASKS:
        for budget in options.budgets or BUDGETS:
            row = alone(partial(measured, name, budget, options.datasets))
            add("accuracy", row, "seeds 1 to 4", ["task", "budget", "seed", "datasets"])


if __name__ == "__main__":
    main()

"""How long training by default settings takes to reach an accuracy, in a new process."""

import time
from functools import partial

import numpy as np
from _c2st import mean_c2st
from _engine import QUIET, alone
from _references import of_datasets
from _report import Figure, shown
from tasks import TASKS, references

import pymc_amortized as pma

ACCURACIES = {"two_moons": (0.6, 0.55), "gaussian_linear": (0.52,), "slcp": (0.7, 0.6)}
"""C2ST of raw draws that is asked for, from the worst to the best."""

DATASETS = 2
BUDGETS = (10, 15, 22, 33, 50, 75, 110, 165, 250)
"""Seconds of training, each half as many again. The shortest that will do is known afterwards."""


def reaching() -> list[Figure]:
    """Fits of more and more seconds, each in a process of its own, until C2ST is reached."""
    return [
        figure for name, accuracies in ACCURACIES.items() for figure in of_task(name, accuracies)
    ]


def of_task(name: str, accuracies: tuple[float, ...]) -> list[Figure]:
    seconds: dict[float, float] = {}
    for budget in BUDGETS:
        found = alone(partial(attempt, name, budget))
        passed = [bar for bar in accuracies if found["C2ST"] <= bar]
        seconds = dict.fromkeys(passed, found["seconds"]) | seconds
        if len(seconds) == len(accuracies):
            break
    return [
        shown(f"{name}: seconds to a C2ST of {bar}", seconds.get(bar, np.inf)) for bar in accuracies
    ]


def attempt(name: str, max_seconds: int) -> dict[str, float]:
    """One fit of fresh simulations, and the mean C2ST of its draws."""
    y, reference = (found[:DATASETS] for found in references(name))
    model = TASKS[name].build(y[0])
    start = time.perf_counter()
    amortized = pma.fit(model, max_seconds=max_seconds, random_seed=1, **QUIET)
    seconds = time.perf_counter() - start
    options = {"draws": 2500, "refine": None, "random_seed": 2, **QUIET}
    draws = of_datasets(amortized.sample({"y": y}, **options), model)
    return {"seconds": seconds, "C2ST": mean_c2st(reference, draws)}

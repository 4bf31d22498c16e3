"""How fast networks train and draw, and how that grows; each model in a process of its own."""

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import _models
import numpy as np
import pymc as pm
from _report import Figure, at_least, at_most, shown

import pymc_amortized as pma
from pymc_amortized.sources import BATCH

PARAMETERS = (1, 2, 10, 50, 200)
LENGTHS = (10, 100, 1000)
DRAWS = 1_000_000
REPEATS = 5
QUIET = {"progressbar": False}
TRAINING = {"simulations": 20_000, "max_seconds": 90, "random_seed": 1, **QUIET}


def means(number: int, length: int = 1) -> pm.Model:
    """So many means, each seen so often."""
    with pm.Model() as model:
        theta = pm.Normal("theta", shape=number)
        pm.Normal("y", theta[:, None], 1.0, observed=np.zeros((number, length)))
    return model


def alone(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a call returns in a new process, where nothing is warm, and the gigabytes that took."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_with_memory, call).result()


def _with_memory(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    return call() | {"GB": _peak()}


def _peak() -> float:
    """Gigabytes that this process took at most; `resource` would count its parent's too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e6


def training(number: int, length: int = 1) -> dict[str, float]:
    """Seconds of the first round beyond those of a later one, and milliseconds of a step."""
    amortized = pma.fit(means(number, length), **TRAINING)
    history = amortized.history
    rounds = np.diff(history["seconds"], prepend=0.0)
    steps = history["simulations"].to_numpy()[0] / BATCH
    later = median(rounds[1:])
    amortized.sample(draws=100, random_seed=1, **QUIET)
    return {"compile": rounds[0] - later, "step": 1e3 * later / steps}


def growing() -> list[Figure]:
    """By parameters and by observations."""
    by_size = {number: alone(partial(training, number)) for number in PARAMETERS}
    figures = [_of_parameters(number, found) for number, found in by_size.items()]
    first, last = PARAMETERS[-2:]
    ratio = by_size[last]["step"] / by_size[first]["step"]
    what = f"step of {last} parameters, times that of {first}"
    figures.append([at_most(what, ratio, last / first)])
    for length in LENGTHS:
        found = alone(partial(training, 2, length))
        figures.append(_rows(f"2 parameters, {length} observations of each", found))
    return [figure for some in figures for figure in some]


def _of_parameters(number: int, found: dict[str, float]) -> list[Figure]:
    rows = _rows(f"{number} parameters", found)
    if number <= 10:
        rows[0] = at_most(rows[0].what, found["compile"], 10)
    if number == 200:
        rows[2] = at_most(rows[2].what, found["GB"], 6)
    return rows


def _rows(name: str, found: dict[str, float]) -> list[Figure]:
    return [
        shown(f"{name}: seconds to compile", found["compile"]),
        shown(f"{name}: milliseconds a step", found["step"]),
        shown(f"{name}: GB at most", found["GB"]),
    ]


def drawing() -> list[Figure]:
    """Draws a second, and one call as a user makes it, all after a first call."""
    amortized = pma.fit(_models.two_moons(np.zeros(2)), **TRAINING)
    rng = np.random.default_rng(1)
    figures = []
    for datasets in (1, 100, 10_000):
        y = rng.uniform(-0.5, 0.5, (datasets, 2))
        draws = DRAWS // datasets // 4
        seconds = warm(partial(amortized.sample, {"y": y}, draws=draws, refine=None, **QUIET))
        what = f"draws a second, raw, {datasets} datasets"
        rate = DRAWS / seconds
        figures.append(at_least(what, rate, 1e6) if datasets == 1 else shown(what, rate))
    for refine, bar in ((None, 30), ("psis", 60)):
        seconds = warm(partial(amortized.sample, draws=1000, refine=refine, **QUIET))
        figures.append(at_most(f"one call, refine={refine!r}, milliseconds", 1e3 * seconds, bar))
    return figures


def warm(call: Callable[[], object]) -> float:
    """Median seconds of calls after the first."""
    call()
    return median(timed(call) for _ in range(REPEATS))


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def second_fit() -> list[Figure]:
    """Of a model of the same shapes in one process."""
    first, second = (training(10) for _ in range(2))
    return [
        shown("10 parameters, first fit: seconds to compile", first["compile"]),
        shown("10 parameters, second fit: seconds to compile", second["compile"]),
    ]

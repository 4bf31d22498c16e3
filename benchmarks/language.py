"""The whole registry of models: drawn, transformed, weighed and trained, against PyMC itself.

``python benchmarks/language.py [--without-fits] [model ...]`` writes
``results/language_models-pymc<major>.csv``, one row a model, and the figures that have a bar; with
names it only prints their rows. ``make coverage`` runs it and makes ``docs/coverage.md`` of the
files of both stacks. Most of the time goes to the compilers of PyMC and TensorFlow; a quarter of it
without the fits. A run that was interrupted goes on where it was. PyMC's C and numba code is
compiled anew, and shared by all models of the run; so are the imports that first calls cause, by
those of a worker process, of which each takes some models: TensorFlow gives back no memory.
"""

import csv
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing import current_process, get_context
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from time import perf_counter

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if current_process().name == "MainProcess":  # nothing compiled by former runs; workers inherit it
    os.environ["PYTENSOR_FLAGS"] = f"base_compiledir={mkdtemp()}"
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
import pymc as pm
from _report import Figure, at_least, at_most, report, shown
from _tables import RESULTS
from checks import check_short_fit, densities, pymc_draws, round_trip
from models import PYMC, REGISTRY, Case

import pymc_amortized as pma
from pymc_amortized.agreement import TOLERANCE, differences
from pymc_amortized.forward import forward_sampler
from pymc_amortized.named_dims import plain_model
from pymc_amortized.parameters import parameters
from pymc_amortized.refusals import check_model, check_prior
from pymc_amortized.structure import sorted_names

DRAWS = 10_000
COMPARED = {True: (10_000, 4000), False: (2000, 2000)}
"""Draws, and PyMC's, that are compared, by whether they are batched."""

MODELS_A_WORKER = 20

COLUMNS = (
    "model",
    "shows",
    "how",
    "reason",
    "draws_per_second",
    "first_seconds",
    "seconds",
    "pymc_first_seconds",
    "pymc_seconds",
    "joint",
    "round_trip",
    "density",
    "fit_seconds",
    "error",
)
Row = dict[str, object]


def seconds(function: Callable[[], object]) -> float:
    start = perf_counter()
    function()
    return perf_counter() - start


def of_pymc(case: Case) -> tuple[float, float]:
    """Seconds of PyMC's own prior predictive: the whole first call, and draws alone."""
    first, one, many = (prior_predictive(case, number) for number in (DRAWS, 1, DRAWS))
    return first, max(many - one, 1e-6)


def prior_predictive(case: Case, number: int) -> float:
    with case.build():
        return seconds(lambda: pm.sample_prior_predictive(number, random_seed=1))


def drawn(case: Case) -> Row:
    """How it draws, how fast, and how far the joint distribution is from PyMC's."""
    model = plain_model(case.build())
    start = perf_counter()
    sampler = forward_sampler(model, sort=sorted_names(model))
    number = DRAWS if sampler.vectorized else DRAWS // 10
    sampler.draw(number, 0)
    first = perf_counter() - start
    warm = min(seconds(lambda: sampler.draw(number, 1)) for _ in range(3))
    whole, alone = of_pymc(case)
    row = {
        "how": "batched" if sampler.vectorized else "looped",
        "reason": sampler.reason,
        "draws_per_second": number / warm,
        "first_seconds": first,
        "seconds": warm,
        "pymc_first_seconds": whole,
        "pymc_seconds": alone,
    }
    if case.exact_prior:
        mine, theirs = COMPARED[sampler.vectorized]
        apart = differences(sampler.draw(mine, 2), pymc_draws(case, theirs))
        row["joint"] = max(part.max() for part in apart)
    return row


def weighed(case: Case) -> Row:
    if not case.likelihood:
        return {}
    found, exact = densities(case)
    known = np.isfinite(exact)
    same = np.array_equal(found[~known], exact[~known])
    return {"density": np.max(np.abs(found / exact - 1)[known]) if same else np.inf}


def of_case(case: Case, fits: bool) -> Row:
    """All that is asked of one model; the first error ends it."""
    row: Row = {"model": case.name, "shows": "; ".join(case.shows)}
    model = case.build()
    try:
        plain = plain_model(model)
        check_model(plain)
        sort = sorted_names(plain)
        of_model = parameters(plain, forward_sampler(plain, sort=sort).draw(2, 0))
        check_prior(plain, sort, of_model)
    except pma.UnsupportedModelError as error:
        return row | {"how": "refused", "reason": str(error)}
    try:
        row |= drawn(case)
        row["round_trip"] = round_trip(case)
        row |= weighed(case)
        if fits:
            row["fit_seconds"] = seconds(lambda: check_short_fit(case, model))
    except Exception as error:  # noqa: BLE001  one model must not lose the others
        row["error"] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return row


def figures(rows: list[Row]) -> list[Figure]:
    batched = [row for row in rows if row["how"] == "batched"]
    drawable = [row for row in rows if row["how"] != "refused"]
    refused = {name for name, case in REGISTRY.items() if case.refused}
    joint = [row["joint"] for row in drawable if "joint" in row]
    density = [row["density"] for row in drawable if "density" in row]
    with_compiling = [row["pymc_first_seconds"] / row["first_seconds"] for row in batched]
    without = [row["pymc_seconds"] / row["seconds"] for row in batched]
    return [
        shown("models", len(rows)),
        shown("refused by name", len(rows) - len(drawable)),
        at_most(
            "refused, but not expected to be, or the other way round",
            sum((row["how"] == "refused") != (row["model"] in refused) for row in rows),
            0,
        ),
        at_least("part of the others that is batched", len(batched) / len(drawable), 0.85),
        at_most("models with an error on the way", sum("error" in row for row in rows), 0),
        at_most(
            "largest difference of joint distributions, standard errors", max(joint), TOLERANCE
        ),
        at_most("largest error of a round trip", max(row["round_trip"] for row in drawable), 1e-9),
        at_most("largest relative error of a log joint", max(density), 1e-8),
        at_least("batched: median speed-up, compiling included", median(with_compiling), 20),
        at_least("batched: median speed-up, without compiling", median(without), 100),
        *fitted([row["fit_seconds"] for row in drawable if "fit_seconds" in row]),
    ]


def fitted(times: list[float]) -> list[Figure]:
    if not times:
        return []
    return [shown("models trained", len(times)), shown("seconds each, median", median(times))]


def measured(name: str, fits: bool) -> Row:
    """One row, in silence, as it is written."""
    warnings.simplefilter("ignore")
    with (
        Path(os.devnull).open("w") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
    ):
        row = of_case(REGISTRY[name], fits)
    return {key: f"{v:.4g}" if isinstance(v, float) else v for key, v in row.items()}


def read(path: Path) -> list[Row]:
    """Rows of a former run, without what was not measured."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{k: v for k, v in row.items() if v} for row in csv.DictReader(file)]


def numbers(row: Row) -> Row:
    texts = {"model", "shows", "how", "reason", "error"}
    return {k: v if k in texts else float(v) for k, v in row.items()}


def write(rows: list[Row], path: Path) -> None:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def in_workers(names: Sequence[str], fits: bool) -> Iterator[Row]:
    """The row of each model; `max_tasks_per_child` of the pool would wait for ever (gh-115634)."""
    for start in range(0, len(names), MODELS_A_WORKER):
        some = names[start : start + MODELS_A_WORKER]
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            yield from pool.map(measured, some, [fits] * len(some))


def main(arguments: list[str]) -> None:
    names = [argument for argument in arguments if argument != "--without-fits"]
    fits = names == arguments
    part = RESULTS / f"language_models-pymc{PYMC}.part.csv"
    rows = [] if names else read(part)
    left = [name for name in names or REGISTRY if name not in {row["model"] for row in rows}]
    for row in in_workers(left, fits):
        rows.append(row)
        print({key: value for key, value in row.items() if key != "shows"}, flush=True)
        if not names:
            write(rows, part)
    if not names:
        order = {name: place for place, name in enumerate(REGISTRY)}
        rows.sort(key=lambda row: order[row["model"]])
        write(rows, RESULTS / f"language_models-pymc{PYMC}.csv")
        part.unlink()
        report("language", figures([numbers(row) for row in rows]), "seeds 0 to 2")


if __name__ == "__main__":
    main(sys.argv[1:])

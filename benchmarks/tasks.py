"""Ten tasks, five datasets of each that its prior makes, and 10,000 reference draws given each.

``python benchmarks/tasks.py [--against FOLDER] [names ...]`` writes ``references/NAME.npz``, which
other benchmarks read; with a FOLDER of ``sbibm/NAME.npz``, references are held against these.
"""

import time
from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import _dynamics
import _models
import _references
import numpy as np
import pymc as pm
from _c2st import c2st
from _references import Referee, Reference, by_nuts
from _report import Figure, at_least, at_most, report, shown, within

from pymc_amortized.inference_data import group

DATASETS = 5
SEED = 20_000
"""Of datasets and references; training has others."""

FOLDER = Path(__file__).parent / "references"


class Task(NamedTuple):
    """A model of data of a shape, and who draws from its posterior."""

    build: Callable[[np.ndarray], pm.Model]
    empty: np.ndarray
    referee: Referee


def _design() -> np.ndarray:
    """An intercept, and nine lags of white noise."""
    noise = np.random.default_rng(SEED).normal(size=108)
    lags = np.lib.stride_tricks.sliding_window_view(noise, 9)
    return np.column_stack([np.ones(100), lags])


_glm = partial(_models.bernoulli_glm, design=_design())

TASKS = {
    "two_moons": Task(_models.two_moons, np.zeros(2), _references.two_moons),
    "slcp": Task(_models.slcp, np.zeros((4, 2)), _references.slcp(_models.slcp_folded)),
    "gaussian_linear": Task(_models.gaussian_linear, np.zeros(10), _references.gaussian_linear),
    "gaussian_linear_uniform": Task(
        _models.gaussian_linear_uniform, np.zeros(10), _references.gaussian_linear_uniform
    ),
    "bernoulli_glm": Task(_glm, np.zeros(100, int), by_nuts(_glm)),
    "sir": Task(_dynamics.sir, np.zeros(10, int), by_nuts(_dynamics.sir, thin=4, likeliest=True)),
    "lotka_volterra": Task(
        _dynamics.lotka_volterra,
        np.ones((10, 2)),
        by_nuts(_dynamics.lotka_volterra, thin=2, likeliest=True),
    ),
    "hierarchical_regression": Task(
        _models.hierarchical_regression, np.zeros((8, 6)), by_nuts(_models.hierarchical_regression)
    ),
    "psychometric": Task(_models.psychometric, np.zeros(8, int), by_nuts(_models.psychometric)),
    "diffusion": Task(_models.diffusion, np.ones(100), by_nuts(_models.diffusion_by_density)),
}


def datasets(task: Task) -> np.ndarray:
    """Drawn by PyMC, (datasets, *shape)."""
    with task.build(task.empty):
        drawn = pm.sample_prior_predictive(DATASETS, random_seed=SEED)
    return group(drawn, "prior_predictive")["y"].to_numpy()[0]


def references(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Datasets (datasets, *shape) and draws (datasets, draws, parameters), made if need be."""
    path = FOLDER / f"{name}.npz"
    if not path.exists():
        make(name)
    stored = np.load(path)
    return stored["y"], stored["draws"]


def make(name: str) -> list[Reference]:
    """Write datasets and their references to a file."""
    y = datasets(TASKS[name])
    found = [TASKS[name].referee(row, SEED + k) for k, row in enumerate(y)]
    FOLDER.mkdir(exist_ok=True)
    np.savez_compressed(FOLDER / f"{name}.npz", y=y, draws=np.stack([f.draws for f in found]))
    return found


def figures(name: str, against: Path | None) -> list[Figure]:
    start = time.perf_counter()
    found = make(name)
    seconds = (time.perf_counter() - start) / DATASETS
    held = against / "sbibm" / f"{name}.npz" if against else None
    return [
        shown(f"{name}: seconds for a reference", seconds),
        at_most(f"{name}: largest R-hat", max(f.r_hat for f in found), 1.005),
        at_least(f"{name}: smallest ESS", min(f.ess for f in found), 5000),
        *(other(name, held) if held and held.exists() else []),
    ]


def other(name: str, path: Path) -> list[Figure]:
    """Our references against another's, of its own datasets."""
    stored = dict(np.load(path))
    referee = TASKS[name].referee
    if "design_matrix" in stored:
        referee = by_nuts(partial(_models.bernoulli_glm, design=stored["design_matrix"]))
    pairs = zip(stored["observation"], stored["reference"], strict=True)
    accuracy = [c2st(theirs, referee(x, SEED).draws) for x, theirs in pairs]
    return [within(f"{name}: C2ST of references, mean", np.mean(accuracy), 0.49, 0.51)]


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(TASKS))
    parser.add_argument("--against", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    for done, name in enumerate(options.names or TASKS):
        part = bool(options.names or done)
        report("tasks", figures(name, options.against), f"seeds {SEED} and on", part=part)


if __name__ == "__main__":
    main()

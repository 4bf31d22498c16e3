"""Whether calibration calls wrong posteriors wrong and right ones right, and how long it takes."""

import sys
import time
from pathlib import Path

import numpy as np
from _report import Figure, at_least, at_most, report

import pymc_amortized as pma
from pymc_amortized.calibration import SIGNIFICANT
from pymc_amortized.ranks import scaled_ranks, uniformity

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from gapminder import growth, life_expectancy

RUNS, SIMULATIONS, DRAWS, QUANTITIES = 400, 1000, 200, 3
AT_ONCE = 20
"""Runs that are held against the same simulated ranks."""

WRONG = {"sd x 0.9": {"scale": 0.9}, "sd x 1.1": {"scale": 1.1}, "mean + 0.2 sd": {"shift": 0.2}}


def ranks(rng: np.random.Generator, scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
    """Of conjugate normal means, each given one observation, from posteriors wrong by so much."""
    truth = rng.normal(size=(SIMULATIONS, QUANTITIES))
    y = truth + rng.normal(size=truth.shape)
    noise = rng.normal(size=(SIMULATIONS, DRAWS, QUANTITIES))
    return scaled_ranks(truth, y[:, None] / 2 + np.sqrt(0.5) * (shift + scale * noise), rng)


def failed(name: str, **wrong: float) -> dict[str, float]:
    """Parts of the runs in which the first, or any of several quantities, is called wrong."""
    rng = np.random.default_rng(1)
    p_value = np.concatenate(
        [
            uniformity(np.hstack([ranks(rng, **wrong) for _ in range(AT_ONCE)]), rng).p_value
            for _ in range(RUNS // AT_ONCE)
        ]
    ).reshape(RUNS, QUANTITIES)
    called = p_value < SIGNIFICANT
    return {
        f"{name}: called wrong, one quantity": called[:, 0].mean(),
        f"{name}: called wrong, of {called.size} verdicts, {QUANTITIES} quantities a run": (
            called.mean()
        ),
        f"{name}: any of {QUANTITIES} called wrong at {SIGNIFICANT} / {QUANTITIES}": (
            (p_value < SIGNIFICANT / QUANTITIES).any(axis=1).mean()
        ),
    }


def seconds(call: str) -> list[Figure]:
    """Of the demo's model, the first call with what it compiles and a second one."""
    y = life_expectancy()
    amortized = pma.fit(growth(y[0]), random_seed=1)
    given = {"prior": None, "posterior": {"y": y.sel(country="Poland")}}
    figures = []
    for name, observed in given.items():
        for which, bar in (("first", 30), ("second", 10)):
            start = time.perf_counter()
            amortized.calibrate(observed, random_seed=2)
            spent = time.perf_counter() - start
            figures.append(at_most(f"{name} SBC, {call}, {which} call, seconds", spent, bar))
    return figures


def main() -> None:
    right = [at_most(what, part, 0.07) for what, part in failed("right").items()]
    wrong = [
        at_least(what, part, 0.95)
        for name, how in WRONG.items()
        for what, part in failed(name, **how).items()
    ]
    measured = [*right, *wrong, *seconds(f"{SIMULATIONS} x {DRAWS} draws")]
    report("calibration", measured, "seeds 1 and 2")


if __name__ == "__main__":
    main()

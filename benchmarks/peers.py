"""sbi and BayesFlow on the same simulations, and NUTS dataset by dataset.

``python benchmarks/peers.py [speed | nuts]``, after ``tasks.py``. How accurate they are, is in
``peers_accuracy.py``.
"""

import sys
import time
from collections.abc import Sequence
from functools import partial
from statistics import median

import numpy as np
import pymc as pm
from _engine import alone
from _kinds import demo
from _peers import EPOCHS, SIMULATIONS, Found, as_vectors, run
from _report import Figure, at_least, report, shown
from tasks import TASKS, references

import pymc_amortized as pma
from pymc_amortized import flows
from pymc_amortized.inference_data import group
from pymc_amortized.layout import Inputs, flat_inputs
from pymc_amortized.networks import Network
from pymc_amortized.trainer import borrowed

BATCH = 200
SEEDS = "seeds 1 to 4"
RATES = (10_000, 1_000_000)
"""Draws of a call whose speed is measured."""

NSF = {"couplings": 5, "width": 50, "blocks": 4, "bins": 10}
"""As sbi's: its two residual blocks have two layers each."""

EVERY_EPOCH = {"max_num_epochs": EPOCHS - 1, "stop_after_epochs": EPOCHS}
SPLINE = {
    "depth": 3,
    "transform": "spline",
    "transform_kwargs": {"bins": 10},
    "subnet_kwargs": {"widths": [50, 50], "dropout": 0.0},
}
SIX = {"couplings": 6, "width": 50, "blocks": 1, "bins": 10}
"""As those of BayesFlow: each layer of its depth is two couplings."""


class Unchanged:
    """A summary that is the data."""

    trainable_variables = ()

    def __init__(self, inputs: Inputs, rng: np.random.Generator) -> None:
        pass

    def __call__(self, features):
        """Map (datasets, inputs) to themselves."""
        return features


def ours(arrays: Found, sizes: dict[str, int], held_out: float) -> dict[str, float]:
    """Seconds of all epochs, and milliseconds of a step after the first, which compiles.

    So large a part of the simulations is held out and looked at after each epoch.
    """
    theta, y = (arrays[n].astype(np.float32) for n in ("theta", "y"))
    theta, y = ((a - a.mean(axis=0)) / a.std(axis=0) for a in (theta, y))
    start = time.perf_counter()
    flow = flows.spline_coupling(**sizes)
    network = Network(Unchanged, flow, flat_inputs(y.shape[1]), theta.shape[1], seed=1)
    kept = round(held_out * len(theta))
    rng, steps = np.random.default_rng(1), (len(theta) - kept) // BATCH
    rates = np.full(steps, 5e-4, np.float32)
    ends = []
    with borrowed(network, steps, BATCH) as trainer:
        evaluate = trainer.evaluation((theta[:kept], y[:kept]))
        for _ in range(EPOCHS):
            order = kept + rng.permutation(len(theta) - kept)
            trainer.round(theta[order], y[order], rates)
            if kept:
                evaluate(trainer.weights())
            ends.append(time.perf_counter() - start)
    later = (ends[-1] - ends[0]) / (EPOCHS - 1)
    return {"seconds": ends[-1], "step": 1e3 * later / steps}


def speed(name: str) -> list[Figure]:
    """Same couplings, layers, width, bins, simulations and batch, compiling included.

    sbi, and ours beside it, trains on nine tenths of the simulations and looks at the rest after
    each epoch; BayesFlow, and ours beside it, trains on all.
    """
    arrays = as_vectors(name)
    as_sbi, lean, as_bayesflow = (
        alone(partial(ours, arrays, sizes, held_out))
        for sizes, held_out in ((NSF, 0.1), (NSF | {"blocks": 1}, 0.1), (SIX, 0.0))
    )
    nsf = run("sbi", arrays, flow="nsf", train=EVERY_EPOCH, rates=RATES)
    flow = run("bayesflow", arrays, network=SPLINE, epochs=EPOCHS, batch=BATCH, rates=RATES)
    step = 1e3 * nsf["seconds"] / nsf["steps"]
    number = f"{arrays['theta'].shape[1]} parameters"
    return [
        shown(f"{number}, ours: milliseconds a step", as_sbi["step"]),
        shown(f"{number}, ours with one layer a coupling: milliseconds a step", lean["step"]),
        shown(f"{number}, ours: seconds of 100 epochs", as_sbi["seconds"]),
        shown(f"{number}, sbi NSF: milliseconds a step", step),
        shown(f"{number}, sbi NSF: seconds of 100 epochs", nsf["seconds"]),
        shown(f"{number}, ours as BayesFlow: seconds of 100 epochs", as_bayesflow["seconds"]),
        shown(f"{number}, BayesFlow: seconds of 100 epochs", flow["seconds"]),
        at_least(f"{number}: sbi's time a step, times ours", step / as_sbi["step"], 20),
        shown(f"{number}: sbi's time a step, times ours with one layer", step / lean["step"]),
        at_least(f"{number}: sbi's 100 epochs, times ours", nsf["seconds"] / as_sbi["seconds"], 8),
        at_least(
            f"{number}: BayesFlow's 100 epochs, times ours",
            flow["seconds"] / as_bayesflow["seconds"],
            3,
        ),
        *_of_draws(number, drawing(name), nsf["rates"], flow["rates"]),
    ]


def _of_draws(number: str, *rates: Sequence[float]) -> list[Figure]:
    figures = []
    for draws, own, sbi, bayesflow in zip(RATES, *rates, strict=True):
        what = f"{number}, {draws:,} draws in a call"
        figures += [
            shown(f"{what}, ours: draws a second", own),
            at_least(f"{what}: draws a second, times sbi's", own / sbi, 5),
            at_least(f"{what}: draws a second, times BayesFlow's", own / bayesflow, 5),
        ]
    return figures


def drawing(name: str) -> list[float]:
    """Draws a second of the default network, its result included, after a first such call."""
    model = TASKS[name].build(references(name)[0][0])
    amortized = pma.fit(
        model, simulations=SIMULATIONS, max_seconds=60, random_seed=1, progressbar=False
    )
    return [rate(amortized, number) for number in RATES]


def rate(amortized: pma.AmortizedPosterior, number: int) -> float:
    options = {"draws": number, "chains": 1, "refine": None, "progressbar": False}
    amortized.sample(**options)
    start = time.perf_counter()
    amortized.sample(**options)
    return number / (time.perf_counter() - start)


CLASSICAL = {"pm.sample": ("pymc", 1000), "nutpie": ("nutpie", 100)}
"""Samplers, and how many times less time than theirs is ours for each of a thousand datasets."""


def nuts() -> list[Figure]:
    """Seconds a dataset, of the demo's model as users call it, and after how many training pays."""
    start = time.perf_counter()
    amortized = pma.fit(demo(), random_seed=1, progressbar=False)
    training = time.perf_counter() - start
    figures = [shown("seconds of training", training)]
    simulated = pma.simulate(demo(), draws=1000, random_seed=2, progressbar=False)
    y = group(simulated, "prior_predictive")["y"].to_numpy()[0]
    own = {}
    for number in (1, 100, 1000):
        start = time.perf_counter()
        amortized.sample({"y": y[:number]}, random_seed=3, progressbar=False)
        own[number] = (time.perf_counter() - start) / number
        figures.append(shown(f"ours: seconds a dataset, of {number}", own[number]))
    for name, (sampler, times) in CLASSICAL.items():
        seconds = median(by_nuts(sampler, row) for row in y[:5])
        ratio, even = seconds / own[1000], (training + own[1]) / (seconds - own[1000])
        figures += [
            shown(f"{name}: seconds a dataset", seconds),
            at_least(f"{name}: seconds a dataset, times ours of 1000", ratio, times),
            shown(f"{name}: datasets after which training has paid", np.ceil(even)),
        ]
    return figures


def by_nuts(sampler: str, y: np.ndarray) -> float:
    """Of a new model, compiling included, with the draws that ours has."""
    start = time.perf_counter()
    with demo(y):
        pm.sample(nuts_sampler=sampler, chains=4, cores=2, random_seed=4, progressbar=False)
    return time.perf_counter() - start


def main(part: str | None) -> None:
    for name in ("two_moons", "gaussian_linear") if part in (None, "speed") else ():
        report("peers", speed(name), SEEDS, part=True)
    if part in (None, "nuts"):
        report("peers", nuts(), SEEDS, part=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)

"""Where the simulations come from that are trained on."""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pymc as pm
import xarray as xr

from pymc_amortized.inference_data import group, read
from pymc_amortized.progress import progress_bar
from pymc_amortized.simulation import Simulations, Simulator
from pymc_amortized.structure import constant_data, observed_names, shapes

__all__ = ["FEWEST_SIMULATIONS", "Source", "simulation_source"]

BATCH = 256
"""Simulations in an optimizer step."""

STEPS = 250
"""Optimizer steps in a round: one compiled call, one look at the held-out loss."""

FEWEST_STEPS = 20
"""Steps in a round with few simulations, which are then seen more than once in it."""

FIRST_SIMULATIONS = 20_000
"""Simulations that standardization is fitted to where fresh ones are drawn throughout."""

HELD_OUT = {"fresh": 0.3, "fixed": 0.1}
"""Part of the first, or of a fixed number of simulations that only tells when to stop."""

FEWEST_SIMULATIONS = 100
"""A fixed budget has at least so many."""


class Draw(Protocol):
    """How simulations of a round are asked for."""

    def __call__(self, seed: int, advance: Callable[..., None] = ...) -> Simulations:
        """Of a seed; `advance` is told what has been simulated, and may raise."""


class Source(NamedTuple):
    """Simulations to train on and to stop by.

    Attributes
    ----------
    training, held_out : Simulations
        Some that standardization may be fitted to, and some that are never trained on.
    fresh : bool
        Whether every round has new simulations, or those of `training` again and again.
    dropped : int
        Simulations that were not finite, so far.
    steps, batch : int
        Optimizer steps in a round, simulations in a step.
    draw : callable
        Takes a seed, returns a round's simulations, steps * batch of them. Rounds of a fixed number
        go on where the last one ended. Takes a function, too, that is called while simulating.
    seconds : float, default 0
        That simulating a round may take, where they are fresh.
    """

    training: Simulations
    held_out: Simulations
    fresh: bool
    dropped: int
    steps: int
    batch: int
    draw: Draw
    seconds: float = 0.0

    @property
    def epoch(self) -> float | None:
        """Steps in which simulations are seen once; None where none is seen again."""
        return None if self.fresh else len(self.training) / self.batch


def simulation_source(
    model: pm.Model, simulator: Simulator, simulations: Any, seed: int, progressbar: bool
) -> Source:
    """Find out what to train on.

    Parameters
    ----------
    model : pm.Model
        The model.
    simulator : Simulator
        Of the same model.
    simulations : int, InferenceData, DataTree, str, Path or None
        The argument of :func:`pymc_amortized.fit`.
    seed : int
        Of the first simulations and of what is held out.
    progressbar : bool
        Show the progress.

    Raises
    ------
    ValueError
        If given simulations are too few or not the model's.
    """
    start = time.perf_counter()
    first, fresh = _first_simulations(model, simulator, simulations, seed, progressbar)
    each = (time.perf_counter() - start) / len(first)
    order = np.random.default_rng(seed).permutation(len(first))
    number = max(1, round(HELD_OUT["fresh" if fresh else "fixed"] * len(first)))
    training, held_out = first.take(order[number:]), first.take(order[:number])
    rounds = _fresh(simulator) if fresh else _epochs(training)
    seconds = each * STEPS * BATCH if fresh else 0.0
    return Source(training, held_out, fresh, first.dropped, *rounds, seconds)


def _fresh(simulator: Simulator) -> tuple[int, int, Draw]:
    """New simulations for every round."""
    return STEPS, BATCH, partial(simulator.draw, STEPS * BATCH)


def _epochs(pairs: Simulations) -> tuple[int, int, Draw]:
    """The same simulations again and again, shuffled each time through."""
    batch = min(BATCH, len(pairs))
    steps = min(STEPS, max(FEWEST_STEPS, len(pairs) // batch))
    left = np.empty(0, int)  # of an order that the last round did not come to the end of

    def shuffled(seed: int, advance: Callable[..., None] = lambda _: None) -> Simulations:
        nonlocal left
        rng, number = np.random.default_rng(seed), steps * batch
        times = -(-(number - len(left)) // len(pairs))
        order = np.concatenate([left, *(rng.permutation(len(pairs)) for _ in range(times))])
        left = order[number:]
        return pairs.take(order[:number])

    return steps, batch, shuffled


def _first_simulations(
    model: pm.Model, simulator: Simulator, simulations: Any, seed: int, progressbar: bool
) -> tuple[Simulations, bool]:
    """Simulations to look at before training, and whether training draws fresh ones."""
    if simulations is None or isinstance(simulations, int | np.integer):
        number = FIRST_SIMULATIONS if simulations is None else int(simulations)
        with progress_bar("Simulating", number, disable=not progressbar) as advance:
            return simulator.draw(number, seed, advance), simulations is None
    draws = _given_draws(model, simulator.parameters.names, _given(simulations))
    masked = any(np.isnan(draws[name]).any() for name in simulator.missing.draw)
    found = simulator.keep_finite(draws, np.random.default_rng(seed), masked=masked)
    if len(found) < FEWEST_SIMULATIONS:
        raise ValueError(
            f"simulations: expected at least {FEWEST_SIMULATIONS} draws, got {len(found)}. Draw "
            "more with pma.simulate(draws=...)."
        )
    return found, False


def _given(simulations: Any) -> dict[str, xr.Dataset]:
    """The groups of what `pma.simulate` returned."""
    if isinstance(simulations, str | PathLike):
        if not Path(simulations).is_file():
            raise FileNotFoundError(f"simulations: expected a file, got none at {simulations}.")
        simulations = read(simulations)
    try:
        groups = {name: group(simulations, name) for name in ("prior", "prior_predictive")}
    except (KeyError, TypeError) as error:
        raise type(error)(
            "simulations: expected an int, or what pma.simulate(model) returned, with the groups "
            f"'prior' and 'prior_predictive', got {type(simulations).__name__}. {error.args[0]}"
        ) from None
    with suppress(KeyError):
        groups["constant_data"] = group(simulations, "constant_data")
    return groups


def _given_draws(
    model: pm.Model, free: list[str], given: dict[str, xr.Dataset]
) -> dict[str, np.ndarray]:
    """Draws of some free and all observed variables, of shape (n, *shape), from `pma.simulate`."""
    _check_constants(model, given)
    expected = shapes(model)
    names = {"prior": free, "prior_predictive": observed_names(model)}
    draws = {}
    _check_varied(model, given)
    for name, variables in names.items():
        dataset = given[name]
        for variable in variables:
            if variable not in dataset:
                raise ValueError(
                    f"simulations: expected {variable!r} in the group {name!r}, got "
                    f"{', '.join(map(str, dataset.data_vars))}. Pass what pma.simulate(model) "
                    "returned for this very model."
                )
            values = dataset[variable].transpose("chain", "draw", ...).to_numpy()
            if values.shape[2:] != expected[variable]:
                raise ValueError(
                    f"simulations: expected {variable!r} of shape {expected[variable]}, got "
                    f"{values.shape[2:]}. Pass what pma.simulate(model) returned for this very "
                    "model."
                )
            draws[variable] = values.reshape(-1, *values.shape[2:])
    return draws


def _check_varied(model: pm.Model, given: dict[str, xr.Dataset]) -> None:
    for data in model.data_vars:
        if data.name in given["prior_predictive"]:
            raise ValueError(
                f"simulations: expected the data {data.name!r} at the model's own values, got "
                f"others in every simulation. Pass vary={{{data.name!r}: ...}}, as they were made."
            )


def _check_constants(model: pm.Model, given: dict[str, xr.Dataset]) -> None:
    found = given.get("constant_data", {})
    for name, value in constant_data(model).items():
        if name in found and not np.array_equal(np.squeeze(found[name]), np.squeeze(value)):
            raise ValueError(
                f"simulations: expected the data {name!r} of this model, got others. Simulate anew "
                "with pma.simulate(model), or set the data back with pm.set_data."
            )

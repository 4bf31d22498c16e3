"""From a PyMC model to an amortized posterior."""

import time
import warnings
from collections.abc import Callable
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pymc as pm

from pymc_amortized.forward import forward_sampler
from pymc_amortized.inference_data import group, read
from pymc_amortized.parameters import parameters
from pymc_amortized.posterior import AmortizedPosterior
from pymc_amortized.preconditioning import Preconditioner, fit_preconditioner
from pymc_amortized.progress import progress_bar
from pymc_amortized.simulation import Simulations, Simulator, ahead
from pymc_amortized.structure import (
    check_model,
    free_names,
    observed_names,
    shapes,
    sorted_names,
)

if TYPE_CHECKING:
    from pymc_amortized.networks import Network
    from pymc_amortized.training import History

__all__ = ["fit"]

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

Factory = Callable[..., Any]


class Source(NamedTuple):
    """Where a round's simulations come from.

    Attributes
    ----------
    steps, batch : int
        Optimizer steps in a round, simulations in a step.
    draw : callable
        Takes a seed, returns steps * batch simulations.
    """

    steps: int
    batch: int
    draw: Callable[[int], Simulations]


def fit(
    model: pm.Model | None = None,
    *,
    simulations: Any = None,
    max_seconds: float | None = None,
    summary: Factory | None = None,
    flow: Factory | None = None,
    random_seed: Any = None,
    progressbar: bool = True,
) -> AmortizedPosterior:
    """Train a model's amortized posterior.

    Simulates parameters and data from the model and trains a conditional normalizing flow to give
    the distribution of the parameters that made given data, until the loss on held-out
    simulations stops improving.

    Parameters
    ----------
    model : pm.Model, optional
        By default the model of the context. Its observed variables are what changes from dataset
        to dataset; everything else stays as it is.
    simulations : int, InferenceData, DataTree, str or Path, optional
        By default fresh simulations are drawn throughout, the next while the present ones train.
        An int, at least 100, is a fixed budget for a costly simulator. What
        :func:`pymc_amortized.simulate` returned, or a netCDF file of it, is trained on as it is.
        Of a fixed number a tenth is held out.
    max_seconds : float, optional
        Time for training in seconds, by default without limit. A warning says if it ran out
        before the held-out loss stopped improving.
    summary : callable, optional
        From a factory of :mod:`pymc_amortized.summaries`; ``residual_mlp()`` by default.
    flow : callable, optional
        From a factory of :mod:`pymc_amortized.flows`; ``spline_coupling()`` by default.
    random_seed : int, sequence of int or numpy.random.Generator, optional
        The same seed on the same machine trains the same posterior, `max_seconds` aside.
    progressbar : bool, default True
        Show the progress.

    Returns
    -------
    AmortizedPosterior
        The posterior of any dataset like the model's own.

    Raises
    ------
    ValueError
        If the model has no free or no observed variable, a transform that simulations do not
        follow, or more than half of its simulations are NaN or infinite.
    NotImplementedError
        If a variable cannot be simulated (``pm.Flat``), or stands for something that simulations
        leave out (``pm.Potential``, ``pm.Minibatch``).

    References
    ----------
    Papamakarios and Murray (2016), Fast epsilon-free inference of simulation models with Bayesian
    conditional density estimation, NeurIPS. Cranmer, Brehmer and Louppe (2020), The frontier of
    simulation-based inference, PNAS 117.

    Examples
    --------
    >>> import pymc as pm, pymc_amortized as pma
    >>> with pm.Model():
    ...     rate = pm.Gamma("rate", 2, 1)
    ...     _ = pm.Poisson("y", rate, observed=[3, 1, 2])
    ...     amortized = pma.fit(simulations=1000, random_seed=1, progressbar=False)
    >>> amortized
    AmortizedPosterior(rate | y)
    """
    model = pm.modelcontext(model)
    check_model(model)
    _check_options(simulations, max_seconds)
    start = time.perf_counter()
    seeds = np.random.default_rng(random_seed).integers(2**31, size=4).tolist()
    simulator = _simulator(model, seeds[0])
    first, fresh = _first_simulations(model, simulator, simulations, seeds[0], progressbar)
    training, held_out = _split(first, HELD_OUT["fresh" if fresh else "fixed"], seeds[1])
    preconditioner = fit_preconditioner(training.vector, training.data)
    network = _network(summary, flow, preconditioner, seeds[2])
    source = _fresh(simulator) if fresh else _epochs(training)
    history = _train(network, preconditioner, source, held_out, seeds[3], max_seconds, progressbar)
    simulator.warn_of_dropped()
    if not history.converged:
        _warn_of_cut(max_seconds)
    return AmortizedPosterior(
        model,
        simulator.parameters,
        preconditioner,
        network,
        settings={
            "simulations": history.rounds[-1].simulations + len(first) if fresh else len(first),
            "dropped_simulations": simulator.dropped,
            "vectorized": simulator.sampler.vectorized,
            "training_seconds": time.perf_counter() - start,
            "converged": history.converged,
            "rounds": [list(r) for r in history.rounds],
        },
    )


def _check_options(simulations: Any, max_seconds: float | None) -> None:
    if isinstance(simulations, int | np.integer) and (
        isinstance(simulations, bool) or simulations < FEWEST_SIMULATIONS
    ):
        raise ValueError(
            f"simulations: expected at least {FEWEST_SIMULATIONS}, got {simulations!r}. Leave it "
            "out to draw fresh simulations throughout."
        )
    if max_seconds is not None and not max_seconds > 0:
        raise ValueError(f"max_seconds: expected a positive number, got {max_seconds!r}.")


def _first_simulations(
    model: pm.Model, simulator: Simulator, simulations: Any, seed: int, progressbar: bool
) -> tuple[Simulations, bool]:
    """Simulations to look at before training, and whether training draws fresh ones."""
    if simulations is None or isinstance(simulations, int | np.integer):
        number = FIRST_SIMULATIONS if simulations is None else int(simulations)
        with progress_bar("Simulating", number, disable=not progressbar) as advance:
            return simulator.draw(number, seed, advance), simulations is None
    given = read(simulations) if isinstance(simulations, str | PathLike) else simulations
    draws = _given_draws(model, given)
    found = simulator.keep_finite(draws)
    if len(found) < FEWEST_SIMULATIONS:
        raise ValueError(
            f"simulations: expected at least {FEWEST_SIMULATIONS} draws, got {len(found)}. Draw "
            "more with pma.simulate(draws=...)."
        )
    return found, False


def _given_draws(model: pm.Model, given: Any) -> dict[str, np.ndarray]:
    """Draws of the free and observed variables, of shape (n, *shape), from `pma.simulate`."""
    expected = shapes(model)
    names = {"prior": free_names(model), "prior_predictive": observed_names(model)}
    draws = {}
    for name, variables in names.items():
        dataset = group(given, name)
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


def _simulator(model: pm.Model, seed: int) -> Simulator:
    sampler = forward_sampler(model, sort=sorted_names(model))
    example = sampler.draw(2, seed)
    return Simulator(sampler, parameters(model, example), observed_names(model))


def _split(pairs: Simulations, part: float, seed: int) -> tuple[Simulations, Simulations]:
    """Hold a part out at random: (training, held out)."""
    order = np.random.default_rng(seed).permutation(len(pairs))
    number = max(1, round(part * len(pairs)))
    return pairs.take(order[number:]), pairs.take(order[:number])


def _fresh(simulator: Simulator) -> Source:
    """New simulations for every round."""
    return Source(STEPS, BATCH, lambda seed: simulator.draw(STEPS * BATCH, seed))


def _epochs(pairs: Simulations) -> Source:
    """The same simulations again and again, shuffled each time through."""
    batch = min(BATCH, len(pairs))
    steps = min(STEPS, max(FEWEST_STEPS, len(pairs) // batch))

    def shuffled(seed: int) -> Simulations:
        rng, times = np.random.default_rng(seed), -(-steps * batch // len(pairs))
        order = np.concatenate([rng.permutation(len(pairs)) for _ in range(times)])
        return pairs.take(order[: steps * batch])

    return Source(steps, batch, shuffled)


def _network(
    summary: Factory | None, flow: Factory | None, preconditioner: Preconditioner, seed: int
) -> "Network":
    from pymc_amortized import flows, summaries
    from pymc_amortized.networks import Network

    elements, size = preconditioner.slopes.shape
    return Network(
        summary or summaries.residual_mlp(), flow or flows.spline_coupling(), elements, size, seed
    )


def _train(
    network: "Network",
    preconditioner: Preconditioner,
    source: Source,
    held_out: Simulations,
    seed: int,
    max_seconds: float | None,
    progressbar: bool,
) -> "History":
    from pymc_amortized.training import train

    def prepared(pairs: Simulations) -> tuple[np.ndarray, np.ndarray]:
        features = preconditioner.features(pairs.data)
        remainder, _ = preconditioner.remainder(pairs.vector, features)
        return remainder.astype(np.float32), features.astype(np.float32)

    bar = progress_bar("Training", unit="steps", columns={"loss": ".3f"}, disable=not progressbar)
    with bar as advance, ahead(lambda seed: prepared(source.draw(seed)), seed) as batches:
        return train(
            network,
            batches,
            prepared(held_out),
            steps=source.steps,
            batch=source.batch,
            max_seconds=max_seconds,
            advance=advance,
        )


def _warn_of_cut(max_seconds: float | None) -> None:
    warnings.warn(
        f"max_seconds={max_seconds} cut training off before the held-out loss stopped improving: "
        "the posterior may be wider than it should be. Allow more time, or look at "
        "pma.plot_training.",
        stacklevel=3,
    )

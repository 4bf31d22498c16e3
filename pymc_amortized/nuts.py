"""NUTS for many datasets of one model: compiled once, warmed up by an approximation of each."""

import pickle
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from itertools import cycle
from math import prod
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.replace import graph_replace
from pytensor.graph.traversal import graph_inputs

from pymc_amortized.density import log_joint
from pymc_amortized.gaps import completed
from pymc_amortized.graphs import outcome_variables
from pymc_amortized.inference_data import group

__all__ = ["Chains", "Launch", "Nuts", "inputs_of", "nuts_sampler", "whitened_model"]

Arrays = Mapping[str, np.ndarray]
Ended = tuple[int, np.ndarray | None, int]
Nuts = Callable[..., Iterator[tuple[int, "Chains"]]]

TARGET_ACCEPT = 0.8
"""Of the step size, as ``pm.sample`` has it."""


class Launch(NamedTuple):
    """Where the chains of a dataset start, and the posterior that is expected there.

    Attributes
    ----------
    points : ndarray of shape (chains, size)
        Unconstrained parameters.
    centre : ndarray of shape (size,)
        Their posterior mean.
    scale : ndarray of shape (size, size)
        Lower Cholesky factor of their posterior covariance.
    """

    points: np.ndarray
    centre: np.ndarray
    scale: np.ndarray


class Chains(NamedTuple):
    """Draws for one dataset.

    Attributes
    ----------
    vector : ndarray of shape (chains, draws, size)
        Unconstrained parameters.
    divergences : int
        Draws whose trajectories diverged.
    """

    vector: np.ndarray
    divergences: int


class Task(NamedTuple):
    """Chains of the whitened model that are to be drawn for one dataset.

    Attributes
    ----------
    data : dict of str to ndarray
        Values of the model's inputs.
    starts : ndarray of shape (chains, size)
        Values of ``z``.
    draws, tune, seed : int
        Draws of each chain, steps of adaptation before them, seed.
    """

    data: dict[str, np.ndarray]
    starts: np.ndarray
    draws: int
    tune: int
    seed: int


def nuts_sampler(
    model: pm.Model,
    shapes: Mapping[str, tuple[int, ...]],
    fillers: Arrays = MappingProxyType({}),
) -> Nuts:
    """Compile NUTS for many datasets of a model, warmed up by a guess at each posterior.

    It is nutpie's where that is installed, else PyMC's in worker processes, which compile the
    model once each; data, starting points and metrics are inputs.

    Parameters
    ----------
    model : pm.Model
        A model with a likelihood and without discrete free variables.
    shapes : mapping of str to tuple of int
        Unconstrained shapes of its free variables, in the order of the vector.
    fillers : mapping of str to ndarray of shape (*shape)
        Valid values of the data that may have gaps; by default none may.

    Returns
    -------
    callable
        Takes observed values and launches, one of each for every dataset, the number of draws and
        of steps of adaptation before them, and a generator; yields the number and the
        :class:`Chains` of each dataset that is finished, and nothing for one of which a chain
        could not start.

    References
    ----------
    Hoffman and Gelman (2014), The No-U-Turn sampler, JMLR 15.
    """
    target = whitened_model(model, shapes, fillers)
    run = (_nutpie if find_spec("nutpie") else _pymc)(target)
    known = inputs_of(target).keys()

    def sample(
        observed: Sequence[Arrays],
        launches: Sequence[Launch],
        draws: int,
        tune: int,
        rng: np.random.Generator,
    ) -> Iterator[tuple[int, Chains]]:
        """Draw for each dataset."""
        seeds = rng.integers(2**31, size=len(launches)).tolist()
        complete = [completed(values, fillers) for values in observed]
        tasks = [
            Task(_data(values, launch, known), _whitened(launch), draws, tune, seed)
            for values, launch, seed in zip(complete, launches, seeds, strict=True)
        ]
        for number, z, divergences in run(tasks):
            launch = launches[number]
            if z is not None:
                yield number, Chains(launch.centre + z @ launch.scale.T, divergences)

    return sample


def whitened_model(
    model: pm.Model,
    shapes: Mapping[str, tuple[int, ...]],
    gaps: Collection[str] = (),
) -> pm.Model:
    """Make a model of one flat variable ``z``, of mean zero and variance one if all goes well.

    The unconstrained parameters of the given model are ``centre + scale @ z``; its log joint is a
    potential. Observed values, `centre` and `scale` are shared variables, so that neither another
    dataset nor another metric has to be compiled.

    Parameters
    ----------
    model : pm.Model
        A model of which every variable has a density.
    shapes : mapping of str to tuple of int
        Unconstrained shapes of its free variables, in the order of the vector.
    gaps : collection of str, default ()
        Names of the data that may have gaps.
    """
    free = model.free_RVs
    values, joint = log_joint(model, outcome_variables(model), gaps)
    size = sum(map(prod, shapes.values()))
    centre, scale = _held("centre", np.zeros(size)), _held("scale", np.eye(size))
    data = [
        _held(f"data_of_{v.name}", np.zeros(v.type.shape, v.type.dtype))
        for v in values[len(free) :]
    ]
    with pm.Model() as whitened:
        z = pm.Flat("z", shape=size)
        vector = centre + (scale * z).sum(axis=1)  # without BLAS faster than a product
        given = [*_pieces(vector, shapes), *data]
        given = [g.astype(v.type.dtype) for g, v in zip(given, values, strict=True)]
        pm.Potential("log_joint", graph_replace(joint, dict(zip(values, given, strict=True))))
    return whitened


def inputs_of(whitened: pm.Model) -> dict[str, SharedVariable]:
    """The data, ``centre`` and ``scale`` of a whitened model, by name."""
    inputs = graph_inputs(whitened.potentials)
    return {v.name: v for v in inputs if isinstance(v, SharedVariable) and v.name}


def _held(name: str, value: np.ndarray) -> SharedVariable:
    """An input whose shape is known, so that graphs are as lean as with a constant."""
    return pytensor.shared(value, name=name, shape=value.shape)


def _pieces(vector: Any, shapes: Mapping[str, tuple[int, ...]]) -> list[Any]:
    ends = np.cumsum([prod(shape) for shape in shapes.values()]).tolist()
    starts = [0, *ends[:-1]]
    return [
        vector[start:end].reshape(shape)
        for start, end, shape in zip(starts, ends, shapes.values(), strict=True)
    ]


def _data(observed: Arrays, launch: Launch, known: Collection[str]) -> dict[str, np.ndarray]:
    data = {f"data_of_{name}": value for name, value in observed.items()}
    data |= {"centre": launch.centre, "scale": launch.scale}
    return {name: value for name, value in data.items() if name in known}


def _whitened(launch: Launch) -> np.ndarray:
    starts = np.linalg.solve(launch.scale, (launch.points - launch.centre).T).T
    return np.ascontiguousarray(starts)


def _pymc(target: pm.Model) -> Callable[[Sequence[Task]], Iterator[Ended]]:
    import cloudpickle
    from joblib import Parallel, cpu_count, delayed

    text = cloudpickle.dumps(target)

    def run(tasks: Sequence[Task]) -> Iterator[Ended]:
        every = [(n, chain) for n, task in enumerate(tasks) for chain in range(len(task.starts))]
        workers = Parallel(min(cpu_count(), len(every)), return_as="generator_unordered")
        ended: dict[int, dict[int, tuple[np.ndarray | None, int]]] = {}
        for n, chain, draws, divergences in workers(
            delayed(_pymc_chain)(text, n, chain, tasks[n]) for n, chain in every
        ):
            mine = ended.setdefault(n, {})
            mine[chain] = draws, divergences
            if len(mine) == len(tasks[n].starts):
                chains, lost = zip(*(mine[k] for k in sorted(mine)), strict=True)
                started = all(chain is not None for chain in chains)
                yield n, np.stack(chains) if started else None, sum(lost)
                del ended[n]

    return run


def _pymc_chain(
    text: bytes, number: int, chain: int, task: Task
) -> tuple[int, int, np.ndarray | None, int]:
    """Draw a chain in a worker process; None where the log density at its start is not finite."""
    target, step = _stepper(text)
    for name, held in inputs_of(target).items():
        held.set_value(task.data[name])
    rng = np.random.default_rng([task.seed, chain])
    if hasattr(step, "setup_chain"):  # PyMC 6
        step.setup_chain(rng, task.tune, task.draws)
    else:
        step.set_rng(rng)
    step.tune, step.iter_count = True, 0
    step.reset_tuning()
    try:
        draws, divergences = _steps(step, task, chain)
    except pm.exceptions.SamplingError:
        return number, chain, None, 0
    return number, chain, draws, divergences


def _steps(step: pm.NUTS, task: Task, chain: int) -> tuple[np.ndarray, int]:
    point, draws, divergences = {"z": task.starts[chain]}, [], 0
    for k in range(task.tune + task.draws):
        if k == task.tune:
            step.stop_tuning()
        point, (stats,) = step.step(point)
        if k >= task.tune:
            draws.append(point["z"])
            divergences += bool(stats["diverging"])
    return np.stack(draws), divergences


@lru_cache(maxsize=1)
def _stepper(text: bytes) -> tuple[pm.Model, pm.NUTS]:
    """Compile a model, once in each worker process."""
    target = pickle.loads(text)
    return target, pm.NUTS(model=target, target_accept=TARGET_ACCEPT)


def _nutpie(target: pm.Model) -> Callable[[Sequence[Task]], Iterator[Ended]]:
    import nutpie
    from joblib import cpu_count

    compiled = nutpie.compile_pymc_model(target, jitter_rvs=set())

    def run(tasks: Sequence[Task]) -> Iterator[Ended]:
        for n, task in enumerate(tasks):
            starts = cycle(task.starts)  # nutpie asks for one for each chain, or once more
            given = compiled.with_data(**task.data)
            running = nutpie.sample(
                replace(given, initial_point_func=lambda _, s=starts: next(s)),
                draws=task.draws,
                tune=task.tune,
                chains=len(task.starts),
                cores=cpu_count(),
                seed=task.seed,
                target_accept=TARGET_ACCEPT,
                save_warmup=False,
                progress_bar=False,
                blocking=False,
            )
            try:
                fit = running.wait()
            except KeyboardInterrupt:
                running.cancel()
                raise
            except RuntimeError:  # no log density at any start is finite
                yield n, None, 0
                continue
            diverging = group(fit, "sample_stats")["diverging"]
            yield n, group(fit)["z"].to_numpy(), int(diverging.sum())

    return run

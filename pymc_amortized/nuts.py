"""NUTS for many datasets of one model: compiled once, warmed up by an approximation of each."""

import pickle
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, reduce
from importlib.util import find_spec
from math import prod
from operator import add
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.graph.replace import graph_replace

from pymc_amortized.density import log_density_terms
from pymc_amortized.graphs import observed_variables
from pymc_amortized.inference_data import group

__all__ = ["Chain", "Chains", "Start", "nuts_sampler", "whitened_model"]

Arrays = Mapping[str, np.ndarray]
Ended = tuple[int, np.ndarray, int]
Run = Callable[[Sequence["Task"]], Iterator[Ended]]
Chains = Callable[..., Iterator[tuple[int, "Chain"]]]

TARGET_ACCEPT = 0.9
"""Of the step size: between PyMC's 0.8 and what its users are advised to try after divergences."""


class Start(NamedTuple):
    """Where a chain starts, and the scale that its posterior is thought to have.

    Attributes
    ----------
    point : ndarray of shape (size,)
        Unconstrained parameters.
    scale : ndarray of shape (size, size)
        Lower Cholesky factor of their covariance.
    """

    point: np.ndarray
    scale: np.ndarray


class Chain(NamedTuple):
    """Draws of one chain.

    Attributes
    ----------
    vector : ndarray of shape (draws, size)
        Unconstrained parameters.
    divergences : int
        Draws whose trajectories diverged.
    """

    vector: np.ndarray
    divergences: int


class Task(NamedTuple):
    """A chain that is to be drawn: the data of the whitened model, and how much of what."""

    data: dict[str, np.ndarray]
    draws: int
    tune: int
    seed: int


def nuts_sampler(model: pm.Model, shapes: Mapping[str, tuple[int, ...]]) -> Chains:
    """Compile a sampler of chains, each for a dataset and from a start of its own.

    It is nutpie's where that is installed, else PyMC's in worker processes, which compile the
    model once each; data, starting points and metrics are inputs.

    Parameters
    ----------
    model : pm.Model
        A model with a likelihood and without discrete free variables.
    shapes : mapping of str to tuple of int
        Unconstrained shapes of its free variables, in the order of the vector.

    Returns
    -------
    callable
        Takes observed values and starts, one of each for every chain, the number of draws and of
        steps of adaptation before them, and a generator; yields the number and the
        :class:`Chain` of each chain that has ended.

    References
    ----------
    Hoffman and Gelman (2014), The No-U-Turn sampler, JMLR 15.
    """
    target = whitened_model(model, shapes)
    run = (_nutpie if find_spec("nutpie") else _pymc)(target)

    def chains(
        observed: Sequence[Arrays],
        starts: Sequence[Start],
        draws: int,
        tune: int,
        rng: np.random.Generator,
    ) -> Iterator[tuple[int, Chain]]:
        seeds = rng.integers(2**31, size=len(starts)).tolist()
        tasks = [
            Task(_data(values, start), draws, tune, seed)
            for values, start, seed in zip(observed, starts, seeds, strict=True)
        ]
        for number, vector, divergences in run(tasks):
            point, scale = starts[number]
            yield number, Chain(point + vector @ scale.T, divergences)

    return chains


def whitened_model(model: pm.Model, shapes: Mapping[str, tuple[int, ...]]) -> pm.Model:
    """Make a model of one flat variable ``z``, of mean zero and variance one if all goes well.

    The unconstrained parameters of the given model are ``point + scale @ z``; its log joint is a
    potential. Observed values, `point` and `scale` are ``pm.Data``, so that neither another
    dataset nor another metric has to be compiled.

    Parameters
    ----------
    model : pm.Model
        A model of which every variable has a density.
    shapes : mapping of str to tuple of int
        Unconstrained shapes of its free variables, in the order of the vector.
    """
    free, observed = model.free_RVs, observed_variables(model)
    values, terms = log_density_terms(model, [*free, *observed], transformed=True)
    log_joint = reduce(add, (term.sum() for term in terms))
    size = sum(map(prod, shapes.values()))
    with pm.Model() as whitened:
        point, scale = pm.Data("point", np.zeros(size)), pm.Data("scale", np.eye(size))
        vector = point + scale @ pm.Flat("z", shape=size)
        given = _pieces(vector, shapes)
        for value in values[len(free) :]:
            empty = np.zeros(value.type.shape, value.type.dtype)
            held = pm.Data(f"data_of_{value.name}", empty)
            given.append(pt.specify_shape(held, value.type.shape))
        given = [g.astype(v.type.dtype) for g, v in zip(given, values, strict=True)]
        pm.Potential("log_joint", graph_replace(log_joint, dict(zip(values, given, strict=True))))
    return whitened


def _pieces(vector: Any, shapes: Mapping[str, tuple[int, ...]]) -> list[Any]:
    ends = np.cumsum([prod(shape) for shape in shapes.values()]).tolist()
    starts = [0, *ends[:-1]]
    return [
        vector[start:end].reshape(shape)
        for start, end, shape in zip(starts, ends, shapes.values(), strict=True)
    ]


def _data(observed: Arrays, start: Start) -> dict[str, np.ndarray]:
    return start._asdict() | {f"data_of_{name}": value for name, value in observed.items()}


def _pymc(target: pm.Model) -> Run:
    import cloudpickle
    from joblib import Parallel, cpu_count, delayed

    text = cloudpickle.dumps(target)

    def run(tasks: Sequence[Task]) -> Iterator[Ended]:
        workers = min(cpu_count(), len(tasks))
        every = Parallel(n_jobs=workers, return_as="generator_unordered")
        yield from every(delayed(_pymc_chain)(text, n, task) for n, task in enumerate(tasks))

    return run


def _pymc_chain(text: bytes, number: int, task: Task) -> Ended:
    """Draw a chain in a worker process."""
    target, step = _stepper(text)
    with target:
        pm.set_data(task.data)
    rng = np.random.default_rng(task.seed)
    if hasattr(step, "setup_chain"):  # PyMC 6
        step.setup_chain(rng, task.tune, task.draws)
    else:
        step.set_rng(rng)
    step.tune, step.iter_count = True, 0
    step.reset_tuning()
    point, draws, divergences = target.initial_point(), [], 0
    for k in range(task.tune + task.draws):
        if k == task.tune:
            step.stop_tuning()
        point, (stats,) = step.step(point)
        if k >= task.tune:
            draws.append(point["z"])
            divergences += bool(stats["diverging"])
    return number, np.stack(draws), divergences


@lru_cache(maxsize=1)
def _stepper(text: bytes) -> tuple[pm.Model, pm.NUTS]:
    """Compile a model, once in each worker process."""
    target = pickle.loads(text)  # noqa: S301  made by this very package
    return target, pm.NUTS(model=target, target_accept=TARGET_ACCEPT)


def _nutpie(target: pm.Model) -> Run:
    import nutpie
    from joblib import cpu_count

    compiled = nutpie.compile_pymc_model(target, jitter_rvs=set())

    def start(task: Task) -> Any:
        return nutpie.sample(
            compiled.with_data(**task.data),
            draws=task.draws,
            tune=task.tune,
            chains=1,
            cores=1,
            seed=task.seed,
            target_accept=TARGET_ACCEPT,
            save_warmup=False,
            progress_bar=False,
            blocking=False,
        )

    def run(tasks: Sequence[Task]) -> Iterator[Ended]:
        running: deque[tuple[int, Any]] = deque()
        waiting = deque(enumerate(tasks))
        try:
            while running or waiting:
                while waiting and len(running) < cpu_count():
                    number, task = waiting.popleft()
                    running.append((number, start(task)))
                number, sampler = running[0]
                fit = sampler.wait()
                running.popleft()
                diverging = group(fit, "sample_stats")["diverging"]
                yield number, group(fit)["z"].to_numpy()[0], int(diverging.sum())
        finally:
            for _, sampler in running:
                sampler.abort()

    return run

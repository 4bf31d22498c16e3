"""Turn a model's forward sampler into one compiled function ``(draws, seed) -> arrays``."""

from collections.abc import Callable, Collection, Mapping, Sequence
from threading import Lock
from typing import NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.tensor.variable import TensorVariable

from pymc_amortized.compilation import compiled, reseed
from pymc_amortized.graphs import ancestors_by_value, frozen, observed_variables, variables
from pymc_amortized.potentials import TRIAL_DRAWS, kept_by_weight, log_potential
from pymc_amortized.structure import shapes
from pymc_amortized.vectorization import CannotVectorize, black_box, vectorized

__all__ = ["ForwardSampler", "forward_sampler"]

Draw = Callable[[int, int], dict[str, np.ndarray]]
Graphs = Mapping[str, TensorVariable]

FIRST_DRAWS = (1, 3)
"""Numbers of draws that a batch is tried with before it is trusted."""

WEIGHT = "log weight"
"""Name of what the potentials sum up to."""

FIXED_DRAWS = 1000
"""Draws in a batch of models that cannot be drawn in batches of any size."""

BLAME_DRAWS = 1000
"""Draws of a variable in which an error must show up for the variable to be named."""


class ForwardSampler(NamedTuple):
    """A model's forward sampler.

    Attributes
    ----------
    vectorized : bool
        True if all draws are made at once, False if one by one.
    reason : str
        Why draws are made one by one, "" if they are not.
    draw : callable
        ``(draws, seed) -> {name: array of shape (draws, *shape)}`` for the free,
        observed and deterministic variables. The same seed gives the same draws.
    """

    vectorized: bool
    reason: str
    draw: Draw


def forward_sampler(model: pm.Model, *, sort: Collection[str] = ()) -> ForwardSampler:
    """Compile a model's forward sampler at its present data and dims.

    Parameters
    ----------
    model : pm.Model
        The model. It is not changed, nor are its random generators.
    sort : collection of str, default ()
        Random variables whose draws are sorted along their last axis, before
        anything else uses them.

    Returns
    -------
    ForwardSampler
        Draws in one batch where the model's graph allows, else one by one. They follow the prior
        times the potentials.

    Raises
    ------
    UnsupportedModelError
        If the potentials leave next to nothing of the prior.
    """
    named = variables(model)
    if not model.potentials:
        return _prior_sampler(model, named, sort)
    weight = {WEIGHT: log_potential(model)}
    above = ancestors_by_value(list(weight.values()))
    few = {name: variable for name, variable in named.items() if variable in above}  # not the data
    trial = _prior_sampler(model, few | weight, sort).draw(TRIAL_DRAWS, 0)[WEIGHT]
    sampler = _prior_sampler(model, named | weight, sort)
    draw = kept_by_weight(sampler.draw, WEIGHT, trial, model.potentials[0].name)
    return sampler._replace(draw=draw)


def _prior_sampler(
    model: pm.Model, named: Mapping[str, TensorVariable], sort: Collection[str]
) -> ForwardSampler:
    """Draw variables of a model, by name, potentials aside."""
    graphs = dict(zip(named, frozen(model, list(named.values()), sort=sort), strict=True))
    box = black_box(list(graphs.values()))
    if box:
        reason = f"{box} is a user's random function"
        return ForwardSampler(False, reason, _blaming(_loop(graphs), graphs))
    random_names = {rv.name for rv in (*model.free_RVs, *observed_variables(model))}
    random = [
        graph.owner.inputs[0] if name in sort else graph
        for name, graph in graphs.items()
        if name in random_names
    ]
    reasons = []
    for batch in (_batch, _fixed_batch):
        try:
            draw = batch(graphs, random)
            _try(draw, graphs, shapes(model))
        except Exception as error:  # noqa: BLE001  a broken model breaks the loop below as well
            reasons.append(_first_line(error))
        else:
            return ForwardSampler(True, "", _blaming(draw, graphs))
    draw = _blaming(_loop(graphs), graphs)
    draw(1, 0)
    return ForwardSampler(False, reasons[0], draw)


def _blaming(draw: Draw, graphs: Graphs) -> Draw:
    """Name the variable in errors that its parameters bring about, such as a negative scale."""

    def explained(draws: int, seed: int) -> dict[str, np.ndarray]:
        try:
            return draw(draws, seed)
        except ValueError as error:
            raise ValueError(
                f"model: expected values of {_culprit(graphs)} for all of the prior, got "
                f"'{_first_line(error)}'. Choose priors under which its parameters are valid, for "
                "example a positive one for a scale."
            ) from error

    return explained


def _culprit(graphs: Graphs) -> str:
    for name, graph in graphs.items():
        try:
            _loop({name: graph})(BLAME_DRAWS, 0)
        except ValueError:
            return repr(name)
    return "every variable"


def _first_line(error: Exception) -> str:
    prefix = "" if isinstance(error, CannotVectorize) else f"{type(error).__name__}: "
    return prefix + (str(error).strip().splitlines() or [""])[0]


def _batch(graphs: Graphs, random: Sequence[TensorVariable]) -> Draw:
    number = pt.lscalar("draws")
    function, generators = compiled([number], vectorized(graphs, random, number))
    return _seeded(generators, lambda draws: dict(zip(graphs, function(draws), strict=True)))


def _fixed_batch(graphs: Graphs, random: Sequence[TensorVariable]) -> Draw:
    """Always the same number of draws, of which those too many are thrown away."""
    number = pt.constant(np.int64(FIXED_DRAWS))
    function, generators = compiled([], vectorized(graphs, random, number))

    def collect(draws: int) -> dict[str, np.ndarray]:
        columns = zip(*(function() for _ in range(-(-draws // FIXED_DRAWS))), strict=True)
        pieces = zip(graphs, columns, strict=True)
        return {name: np.concatenate(column)[:draws] for name, column in pieces}

    return _seeded(generators, collect)


def _loop(graphs: Graphs) -> Draw:
    function, generators = compiled([], list(graphs.values()))

    def collect(draws: int) -> dict[str, np.ndarray]:
        columns = zip(*(function() for _ in range(draws)), strict=True)
        return {name: np.stack(column) for name, column in zip(graphs, columns, strict=True)}

    return _seeded(generators, collect)


def _seeded(
    generators: Sequence[SharedVariable], collect: Callable[[int], dict[str, np.ndarray]]
) -> Draw:
    lock = Lock()

    def draw(draws: int, seed: int) -> dict[str, np.ndarray]:
        with lock:
            reseed(generators, seed)
            return collect(draws)

    return draw


def _try(draw: Draw, graphs: Graphs, expected: Mapping[str, tuple[int, ...]]) -> None:
    for draws in FIRST_DRAWS:
        result = draw(draws, 0)
        for name, graph in graphs.items():
            shape, dtype = result[name].shape, result[name].dtype
            if shape != (draws, *expected.get(name, ())) or dtype != graph.dtype:
                raise CannotVectorize(f"{name!r} came out as {dtype} of shape {shape}")

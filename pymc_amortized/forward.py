"""Turn a model's forward sampler into one compiled function ``(draws, seed) -> arrays``."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from pymc_amortized.agreement import TOLERANCE, differences
from pymc_amortized.compilation import compiled
from pymc_amortized.graphs import (
    ancestors_by_value,
    frozen,
    observed_variables,
    variables,
    varied_variables,
)
from pymc_amortized.lengths import lengths_of
from pymc_amortized.looping import Draw, Graphs, in_pieces, looped, seeded
from pymc_amortized.potentials import TRIAL_DRAWS, kept_by_weight, log_potential
from pymc_amortized.shortening import any_length
from pymc_amortized.structure import shapes
from pymc_amortized.vectorization import CannotVectorize, black_box, vectorized

__all__ = ["ForwardSampler", "forward_sampler", "prior_sampler", "varied_sampler"]


FAULTS = (ValueError, pm.exceptions.TruncationError)
"""What random functions raise at parameters that are not valid."""

FIRST_DRAWS = (1, 3)
"""Numbers of draws that a batch is tried with before it is trusted."""

WEIGHT = "log weight"
"""Name of what the potentials sum up to."""

QUICK_DRAWS = 15_000
"""Draws in all that are worth no more than a quick compilation."""

FIXED_DRAWS = 1000
"""Draws in a batch of models that cannot be drawn in batches of any size."""

AGREEING_DRAWS = 1000
"""Draws in a batch and one by one whose joint distributions have to agree."""

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
    recipe : callable or None
        Makes `draw` in another process, where draws are made one by one.
    complete : callable or None
        Where lengths vary, draws data of the longest without an end; else as `draw`.
    coupled : bool
        Where lengths vary, whether shorter data are the first part of longer ones.
    """

    vectorized: bool
    reason: str
    draw: Draw
    recipe: Callable[[], Draw] | None = None
    complete: Draw | None = None
    coupled: bool = True

    def pieces(self, numbers: Sequence[tuple[int, int]]) -> Iterator[dict[str, np.ndarray]]:
        """Draw a number of pieces, of so many draws by such a seed each, in order.

        Those that would take long one by one are made in worker processes; the draws are the same.
        """
        return in_pieces(self.draw, self.recipe, numbers)


def forward_sampler(
    model: pm.Model, *, sort: Collection[str] = (), trusted: bool = False
) -> ForwardSampler:
    """Compile a model's forward sampler at its present data and dims.

    Parameters
    ----------
    model : pm.Model
        The model. It is not changed, nor are its random generators.
    sort : collection of str, default ()
        Random variables whose draws are sorted along their last axis, before
        anything else uses them.
    trusted : bool, default False
        Draw from users' random functions in batches too, once these agree with single draws.

    Returns
    -------
    ForwardSampler
        Draws in one batch where the model's graph allows, else one by one. They follow the prior
        times the potentials. Where lengths of dims vary, data are NaN behind their ends.

    Raises
    ------
    UnsupportedModelError
        If the potentials leave next to nothing of the prior.
    ValueError
        If a user's random function is trusted, but does not draw in batches as it draws one.
    """
    sampler = _fixed_sampler(model, sort, trusted)
    if lengths_of(model) is None:
        return sampler._replace(complete=sampler.draw)
    options = sort, trusted
    draw, coupled = any_length(
        model, sampler.draw, lambda short: _fixed_sampler(short, *options).draw
    )
    return sampler._replace(draw=draw, recipe=None, complete=sampler.draw, coupled=coupled)


def _fixed_sampler(model: pm.Model, sort: Collection[str], trusted: bool) -> ForwardSampler:
    """Draw at the present lengths."""
    named = variables(model)
    if not model.potentials:
        return _prior_sampler(model, named, sort, trusted)
    weight = {WEIGHT: log_potential(model)}
    above = ancestors_by_value(list(weight.values()))
    few = {name: variable for name, variable in named.items() if variable in above}  # not the data
    trial = _prior_sampler(model, few | weight, sort, trusted).draw(TRIAL_DRAWS, 0)[WEIGHT]
    sampler = _prior_sampler(model, named | weight, sort, trusted)
    known = {"name": WEIGHT, "trial": trial, "potential": model.potentials[0].name}
    return sampler._replace(
        draw=kept_by_weight(sampler.draw, **known),
        recipe=sampler.recipe and partial(_weighted, sampler.recipe, known),
    )


def prior_sampler(model: pm.Model, sort: Collection[str] = ()) -> ForwardSampler:
    """Compile a sampler of the free variables alone, potentials aside."""
    return _prior_sampler(model, {rv.name: rv for rv in model.free_RVs}, sort, trusted=False)


def varied_sampler(model: pm.Model) -> ForwardSampler:
    """Compile a sampler of varied data alone."""
    return _prior_sampler(model, {rv.name: rv for rv in varied_variables(model)}, (), trusted=False)


def _weighted(recipe: Callable[[], Draw], known: Mapping[str, Any]) -> Draw:
    return kept_by_weight(recipe(), **known)


def _prior_sampler(
    model: pm.Model, named: Mapping[str, TensorVariable], sort: Collection[str], trusted: bool
) -> ForwardSampler:
    """Draw variables of a model, by name, potentials aside."""
    graphs = dict(zip(named, frozen(model, list(named.values()), sort=sort), strict=True))
    box = black_box(list(graphs.values()))
    if box and not trusted:
        return _one_by_one(graphs, f"{box} is a user's random function")
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
            if box:
                _check_agreement(draw, looped(graphs), box)
            return ForwardSampler(True, "", _blaming(draw, graphs))
    sampler = _one_by_one(graphs, reasons[0])
    sampler.draw(1, 0)
    if box:
        raise _not_vectorized(box, f"{reasons[0]!r}")
    return sampler


def _one_by_one(graphs: Graphs, reason: str) -> ForwardSampler:
    recipe = partial(_blamed_loop, graphs)
    return ForwardSampler(False, reason, recipe(), recipe)


def _blamed_loop(graphs: Graphs) -> Draw:
    return _blaming(looped(graphs), graphs)


def _check_agreement(batch: Draw, loop: Draw, box: str) -> None:
    largest = max(d.max() for d in differences(batch(AGREEING_DRAWS, 1), loop(AGREEING_DRAWS, 2)))
    if largest > TOLERANCE:
        raise _not_vectorized(box, f"draws that are {largest:.0f} standard errors apart")


def _not_vectorized(box: str, got: str) -> ValueError:
    return ValueError(
        f"vectorized: expected batches of {box} that follow the distribution of its single draws, "
        f"got {got}. Treat each entry along the first axis of its parameters on its own, for "
        "example by `axis=-1`, or leave vectorized out."
    )


def _blaming(draw: Draw, graphs: Graphs) -> Draw:
    """Name the variable in errors that its parameters bring about, such as a negative scale."""

    def explained(draws: int, seed: int) -> dict[str, np.ndarray]:
        try:
            return draw(draws, seed)
        except FAULTS as error:
            raise ValueError(
                f"model: expected values of {_culprit(graphs)} for all of the prior, got "
                f"'{_first_line(error)}'. Choose priors, and distributions for `vary`, under which "
                "its parameters are valid, for example a positive one for a scale."
            ) from error

    return explained


def _culprit(graphs: Graphs) -> str:
    for name, graph in graphs.items():
        try:
            looped({name: graph})(BLAME_DRAWS, 0)
        except FAULTS:
            return repr(name)
    return "every variable"


def _first_line(error: Exception) -> str:
    prefix = "" if isinstance(error, CannotVectorize) else f"{type(error).__name__}: "
    return prefix + (str(error).strip().splitlines() or [""])[0]


def _batch(graphs: Graphs, random: Sequence[TensorVariable]) -> Draw:
    """Batches of any size, of a function compiled quickly until so many are wanted that it pays."""
    number = pt.lscalar("draws")
    many = vectorized(graphs, random, number)
    made = 0

    @cache
    def function(quick: bool) -> Draw:
        call, generators = compiled([number], many, quick=quick)
        return seeded(generators, lambda draws: dict(zip(graphs, call(draws), strict=True)))

    def draw(draws: int, seed: int) -> dict[str, np.ndarray]:
        nonlocal made
        made += draws
        return function(made <= QUICK_DRAWS)(draws, seed)

    return draw


def _fixed_batch(graphs: Graphs, random: Sequence[TensorVariable]) -> Draw:
    """Always the same number of draws, of which those too many are thrown away."""
    number = pt.constant(np.int64(FIXED_DRAWS))
    function, generators = compiled([], vectorized(graphs, random, number))

    def collect(draws: int) -> dict[str, np.ndarray]:
        columns = zip(*(function() for _ in range(-(-draws // FIXED_DRAWS))), strict=True)
        pieces = zip(graphs, columns, strict=True)
        return {name: np.concatenate(column)[:draws] for name, column in pieces}

    return seeded(generators, collect)


def _try(draw: Draw, graphs: Graphs, expected: Mapping[str, tuple[int, ...]]) -> None:
    for draws in FIRST_DRAWS:
        result = draw(draws, 0)
        for name, graph in graphs.items():
            shape, dtype = result[name].shape, result[name].dtype
            if shape != (draws, *expected.get(name, ())) or dtype != graph.dtype:
                raise CannotVectorize(f"{name!r} came out as {dtype} of shape {shape}")

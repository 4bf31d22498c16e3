"""Turn a model's forward sampler into one compiled function ``(draws, seed) -> arrays``."""

from collections.abc import Callable, Collection, Sequence
from threading import Lock
from typing import NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.tensor.variable import TensorVariable

from pymc_amortized.compilation import compiled, reseed
from pymc_amortized.graphs import frozen, observed_variables, variables
from pymc_amortized.structure import shapes
from pymc_amortized.vectorization import CannotVectorize, black_box, vectorized

__all__ = ["ForwardSampler", "forward_sampler"]

Draw = Callable[[int, int], dict[str, np.ndarray]]

TRIAL_DRAWS = (1, 3)
"""Numbers of draws that a batch is tried with before it is trusted."""

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
        Draws in one batch where the model's graph allows, else one by one.
    """
    names = list(variables(model))
    outputs = frozen(model, list(variables(model).values()), sort=sort)
    box = black_box(outputs)
    if box:
        reason = f"{box} is a user's random function"
        return ForwardSampler(False, reason, _blaming(_loop(names, outputs), names, outputs))
    try:
        draw = _batch(model, names, outputs, sort)
        _try(draw, model, names, outputs)
    except Exception as error:  # noqa: BLE001  a broken model breaks the loop below as well
        draw = _blaming(_loop(names, outputs), names, outputs)
        draw(1, 0)
        return ForwardSampler(False, _first_line(error), draw)
    return ForwardSampler(True, "", _blaming(draw, names, outputs))


def _blaming(draw: Draw, names: list[str], outputs: Sequence[TensorVariable]) -> Draw:
    """Name the variable in errors that its parameters bring about, such as a negative scale."""

    def explained(draws: int, seed: int) -> dict[str, np.ndarray]:
        try:
            return draw(draws, seed)
        except ValueError as error:
            raise ValueError(
                f"model: expected values of {_culprit(names, outputs)} for all of the prior, got "
                f"'{_first_line(error)}'. Choose priors under which its parameters are valid, for "
                "example a positive one for a scale."
            ) from error

    return explained


def _culprit(names: list[str], outputs: Sequence[TensorVariable]) -> str:
    for name, output in zip(names, outputs, strict=True):
        try:
            _loop([name], [output])(BLAME_DRAWS, 0)
        except ValueError:
            return repr(name)
    return "every variable"


def _first_line(error: Exception) -> str:
    prefix = "" if isinstance(error, CannotVectorize) else f"{type(error).__name__}: "
    return prefix + (str(error).strip().splitlines() or [""])[0]


def _batch(
    model: pm.Model, names: list[str], outputs: Sequence[TensorVariable], sort: Collection[str]
) -> Draw:
    number = pt.lscalar("draws")
    named = dict(zip(names, outputs, strict=True))
    random_names = [rv.name for rv in (*model.free_RVs, *observed_variables(model))]
    random = [named[n].owner.inputs[0] if n in sort else named[n] for n in random_names]
    function, generators = compiled([number], vectorized(named, random, number))
    return _seeded(generators, lambda draws: dict(zip(names, function(draws), strict=True)))


def _loop(names: list[str], outputs: Sequence[TensorVariable]) -> Draw:
    function, generators = compiled([], outputs)

    def collect(draws: int) -> dict[str, np.ndarray]:
        columns = zip(*(function() for _ in range(draws)), strict=True)
        return {name: np.stack(column) for name, column in zip(names, columns, strict=True)}

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


def _try(draw: Draw, model: pm.Model, names: list[str], outputs: Sequence[TensorVariable]) -> None:
    expected = shapes(model)
    for draws in TRIAL_DRAWS:
        result = draw(draws, 0)
        for name, output in zip(names, outputs, strict=True):
            shape, dtype = result[name].shape, result[name].dtype
            if shape != (draws, *expected[name]) or dtype != output.dtype:
                raise CannotVectorize(f"{name!r} came out as {dtype} of shape {shape}")

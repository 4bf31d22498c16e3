"""Models whose own data have gaps, for which PyMC made free variables of what is missing."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
from pytensor.compile.ops import ViewOp
from pytensor.graph.basic import Constant, Variable
from pytensor.tensor.random.op import RandomVariable

from pymc_amortized.graphs import (
    ancestors_by_value,
    observed_variables,
    pymc_deprecations,
    variables,
)
from pymc_amortized.translation import PASSED_ON, graphs_of, translated

__all__ = ["in_pattern", "seen_model"]

PATTERNS = PASSED_ON[0]
"""Attribute of models without what PyMC imputes."""


class Pattern(NamedTuple):
    """What is seen of an observed variable.

    Attributes
    ----------
    seen : str
        Name of what PyMC observes of it, in a row.
    mask : ndarray of bool
        True where it is seen.
    """

    seen: str
    mask: np.ndarray


def seen_model(model: pm.Model) -> pm.Model:
    """Leave out of a model what PyMC imputes, where that tells nothing of other variables.

    Each missing value of a variable of independent values enters the log joint by a term that
    integrates to one.

    Parameters
    ----------
    model : pm.Model
        A model, which is not changed.

    Returns
    -------
    pm.Model
        The same model if nothing is imputed, or all of it depends on other data. Otherwise one
        without the variables ``NAME_unobserved`` and the deterministics ``NAME``.
    """
    patterns = {name: p for name in variables(model) if (p := _pattern(model, name)) is not None}
    if not patterns:
        return model
    without = {model[f"{name}_unobserved"] for name in patterns}
    joined = {model[name] for name in patterns}
    kept = [v for v in graphs_of(model) if v not in without | joined]
    if without & ancestors_by_value(kept):
        return model
    with pymc_deprecations():
        same = {v: v for v in (*graphs_of(model), *model.data_vars)}
        new = translated(model, same, without=without | joined)
    setattr(new, PATTERNS, patterns)
    return new


def _pattern(model: pm.Model, name: str) -> Pattern | None:
    """How PyMC put a variable together of what is seen and what is not."""
    named = variables(model)
    seen, unseen = (named.get(f"{name}_{part}") for part in ("observed", "unobserved"))
    if seen is None or unseen is None or seen not in observed_variables(model):
        return None
    if not isinstance(unseen.owner.op, RandomVariable):
        return None
    node = _unwrapped(named[name]).owner
    masks = [v for v in node.inputs[2:] if isinstance(v, Constant)] if node else []
    if len(masks) != 1 or masks[0].dtype != "bool" or seen not in node.inputs:
        return None
    return Pattern(seen.name, np.asarray(masks[0].data))


def _unwrapped(variable: Variable) -> Variable:
    while variable.owner and isinstance(variable.owner.op, ViewOp):
        (variable,) = variable.owner.inputs
    return variable


def in_pattern(model: pm.Model, observed: Mapping[str, Any]) -> Mapping[str, Any]:
    """Replace variables with gaps by what is seen of them, as the model knows them.

    Raises
    ------
    ValueError
        If the gaps are not those of the model's own data.
    """
    patterns: Mapping[str, Pattern] = getattr(model, PATTERNS, {})
    given = dict(observed.items()) if set(patterns) & set(observed) else observed
    for name, pattern in patterns.items():
        if name not in given:
            continue
        values = np.ma.filled(np.ma.asarray(given.pop(name), np.float64), np.nan)
        gaps = np.isnan(values)
        if values.shape[values.ndim - pattern.mask.ndim :] != pattern.mask.shape or np.any(
            gaps != ~pattern.mask
        ):
            raise ValueError(
                f"observed: expected {name!r} of shape {pattern.mask.shape} and with gaps where "
                f"the model's own data have them ({int((~pattern.mask).sum())} NaN), got others. "
                f"For gaps anywhere give the model data without any, and train with "
                f"pma.fit(missing={{{name!r}: 0.2}})."
            )
        given[pattern.seen] = values[..., pattern.mask]
    return given

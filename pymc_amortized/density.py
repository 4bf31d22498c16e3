"""The log density of a model, batched over draws and datasets."""

from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from operator import add
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.logprob.basic import transformed_conditional_logp
from pymc.pytensorf import replace_vars_in_graphs
from pytensor.graph.replace import clone_replace
from pytensor.tensor.variable import TensorVariable

from pymc_amortized.batching import Batched, batched_function
from pymc_amortized.dequantization import transform_of, unconstrained
from pymc_amortized.gaps import completed, mask_name
from pymc_amortized.graphs import (
    frozen,
    outcome_variables,
    pymc_deprecations,
    varied_variables,
)
from pymc_amortized.parameters import split

__all__ = ["Density", "density", "log_density_terms", "log_joint"]

Arrays = Mapping[str, np.ndarray]

ELEMENTS = 2**19
"""Observed values times draws that are worked on at a time: 4 MiB for each array of the graph,
which a processor's cache holds."""


class Density(NamedTuple):
    """Log densities of a model, with observed values as inputs: one function for all datasets.

    Attributes
    ----------
    shapes : dict of str to tuple of int
        Unconstrained shapes of the free variables, in the order of the vector.
    observed : list of str
        Names of the observed variables that it depends on.
    joint : callable
        Values and data to the log joint, Jacobian of the transforms included.
    fillers : mapping of str to ndarray
        Valid values of the data that may have gaps.
    """

    shapes: dict[str, tuple[int, ...]]
    observed: list[str]
    joint: Batched
    fillers: Arrays = MappingProxyType({})

    def log_joint(self, vector: np.ndarray, observed: Arrays) -> np.ndarray:
        """Evaluate the log joint, as ``model.logp()`` has it.

        Parameters
        ----------
        vector : ndarray of shape (datasets, draws, size)
            Unconstrained parameters.
        observed : mapping of str to ndarray of shape (datasets, *shape)
            Observed values, NaN where there are none.

        Returns
        -------
        ndarray of shape (datasets, draws)
            Log density of parameters and data; unconstrained parameters are what it is by.
        """
        datasets, draws, size = vector.shape
        complete = completed(observed, self.fillers)
        data = [np.expand_dims(complete[name], 1) for name in self.observed]
        cost = size + sum(values[0].size for values in data)
        at_a_time = max(1, ELEMENTS // cost)
        step = max(1, at_a_time // max(draws, 1))
        log_joint = np.empty((datasets, draws))
        for k in range(0, datasets, step):
            for first in range(0, draws, at_a_time):
                some = slice(k, k + step), slice(first, first + at_a_time)
                pieces = split(vector[some], self.shapes)
                with np.errstate(over="ignore"):  # what is that far away has no density
                    (log_joint[some],) = self.joint(*pieces, *(d[k : k + step] for d in data))
        return log_joint


def density(
    model: pm.Model,
    shapes: Mapping[str, tuple[int, ...]],
    *,
    likelihood: bool = True,
    fillers: Arrays = MappingProxyType({}),
) -> Density:
    """Compile the log joint of a model at its present data and dims.

    Parameters
    ----------
    model : pm.Model
        A model of which every variable has a density.
    shapes : mapping of str to tuple of int
        Unconstrained shapes of its free variables.
    likelihood : bool, default True
        False for the log prior alone, of a model whose observed variables have no density.
    fillers : mapping of str to ndarray of shape (*shape)
        Valid values of the data that may have gaps; by default none may.
    """
    free = len(model.free_RVs)
    outcomes = outcome_variables(model) if likelihood else []
    values, joint = log_joint(model, outcomes, fillers)
    axes = [(None, None)] * free + [(None, 1)] * (len(values) - free)
    return Density(
        shapes=dict(shapes),
        observed=[value.name for value in values[free:]],
        joint=batched_function(values, [joint], batch_shapes=axes),
        fillers=fillers,
    )


def log_joint(
    model: pm.Model, observed: Sequence[TensorVariable], gaps: Collection[str] = ()
) -> tuple[list[TensorVariable], TensorVariable]:
    """Log density of unconstrained parameters and data, Jacobians and potentials included.

    Parameters
    ----------
    model : pm.Model
        A model of which these variables have a density.
    observed : sequence of TensorVariable
        The observed variables whose density is included.
    gaps : collection of str, default ()
        Names of those whose values count only where masks say that they are seen.

    Returns
    -------
    values : list of TensorVariable
        Inputs: unconstrained free variables in the model's order, the observed ones, varied data,
        masks.
    log_joint : TensorVariable
        Scalar graph.
    """
    values, terms = log_density_terms(model, [*model.free_RVs, *observed], transformed=True)
    masks = []
    for k, rv in enumerate(observed, start=len(model.free_RVs)):
        if rv.name in gaps:
            mask = pt.tensor(mask_name(rv.name), shape=terms[k].type.shape, dtype="bool")
            masks.append(mask)
            terms[k] = pt.where(mask, terms[k], 0.0)
    terms += _potentials(model, values)
    values += masks
    return values, reduce(add, (term.sum() for term in terms))


def _potentials(model: pm.Model, values: Sequence[TensorVariable]) -> list[TensorVariable]:
    """The potentials, by the unconstrained free variables."""
    free = model.free_RVs
    rvs = frozen(model, [*free, *model.potentials])
    constrained = {}
    for variable, rv, value in zip(free, rvs, values, strict=False):
        transform = transform_of(model, variable)
        back = value if transform is None else transform.backward(value, *rv.owner.inputs)
        constrained[rv] = back
    return replace_vars_in_graphs(rvs[len(free) :], constrained)


def log_density_terms(
    model: pm.Model, variables: Sequence[TensorVariable], *, transformed: bool
) -> tuple[list[TensorVariable], list[TensorVariable]]:
    """Inputs for random variables, and the log density of each.

    Parameters
    ----------
    model : pm.Model
        A model of which these variables have a density.
    variables : sequence of TensorVariable
        Free and observed variables.
    transformed : bool
        Whether the inputs of free variables are unconstrained, and Jacobians are included.

    Returns
    -------
    values : list of TensorVariable
        Inputs, in the order of the variables; behind them those for varied data.
    terms : list of TensorVariable
        Log densities of the variables, elementwise.
    """
    rvs, given = _given_varied(model, variables)
    free = set(model.free_RVs) if transformed else set()
    kept = {rv: transform_of(model, rv) if rv in free else None for rv in variables}
    values = [
        unconstrained(model, v, rv) if v in free else rv.type(name=v.name)
        for v, rv in zip(variables, rvs, strict=True)
    ]
    with pymc_deprecations():
        terms = transformed_conditional_logp(
            rvs=rvs,
            rvs_to_values=dict(zip(rvs, values, strict=True)),
            rvs_to_transforms=dict(zip(rvs, kept.values(), strict=True)),
            jacobian=True,
        )
    return [*values, *given], list(terms)


def _given_varied(
    model: pm.Model, variables: Sequence[TensorVariable]
) -> tuple[list[TensorVariable], list[TensorVariable]]:
    """Frozen variables by values of the varied data, and the inputs for these."""
    varied = varied_variables(model)
    every = frozen(model, [*variables, *varied])
    rvs, drawn = every[: len(variables)], every[len(variables) :]
    values = [rv.type(name=rv.name) for rv in drawn]
    return clone_replace(rvs, dict(zip(drawn, values, strict=True))) if varied else rvs, values

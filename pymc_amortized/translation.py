"""Models made of the counterparts of another model's variables."""

from collections.abc import Callable, Collection, Mapping

import pymc as pm
from pymc.logprob.transforms import Transform
from pytensor.graph.basic import Variable

from pymc_amortized.graphs import observed_variables

__all__ = ["PASSED_ON", "Memo", "graphs_of", "translated"]

PASSED_ON = ("_patterns",)
"""Attributes of a model that hold for its translations too."""

Memo = dict[Variable, Variable]
"""From the variables of a graph to their counterparts."""

ChangeTransform = Callable[[Variable, Transform | None], Transform | None]


def graphs_of(model: pm.Model) -> list[Variable]:
    """Everything that a model is made of, but for the ``pm.Data`` that nothing depends on."""
    observed = observed_variables(model)
    return [
        *model.free_RVs,
        *observed,
        *model.deterministics,
        *model.potentials,
        *(model.rvs_to_values[rv] for rv in observed),
        *model.dim_lengths.values(),
    ]


def translated(
    model: pm.Model,
    counterparts: Mapping[Variable, Variable],
    *,
    transform: ChangeTransform = lambda _, transform: transform,
    values: Mapping[Variable, Variable] | None = None,
    own_values: Mapping[Variable, Variable] | None = None,
    lengths: Mapping[str, int] | None = None,
    without: Collection[Variable] = (),
) -> pm.Model:
    """Make a model of the counterparts of another one's variables.

    Parameters
    ----------
    model : pm.Model
        The other model, which is not changed. Its coords are shared, so that what ``pm.set_data``
        makes of those of one is seen by the other.
    counterparts : mapping of Variable to Variable
        Those of its variables, data, observed values and lengths of dims.
    transform : callable, optional
        Takes a free variable of the other model and its transform, returns that of its
        counterpart; by default the same.
    values : mapping of Variable to Variable, optional
        The ``pm.Data`` whose counterparts are observed variables, behind those of the other
        model, and the values of these; by default none.
    own_values : mapping of Variable to Variable, optional
        Counterparts of observed values, where they are not those of the same variable as data.
    lengths : mapping of str to int, optional
        Dims that have another length than in the other model, and numbers for coords.
    without : collection of Variable, default ()
        Free variables and deterministics that are left out.

    Returns
    -------
    pm.Model
        The counterparts under the same names, in the same order, with the same dims.
    """
    known = {**counterparts, **(own_values or {})}
    own = {rv: known[model.rvs_to_values[rv]] for rv in observed_variables(model)}
    values = own | dict(values or {})
    new = pm.Model()
    new._coords = model.coords
    if lengths:
        new._coords = {**model.coords, **{dim: tuple(range(n)) for dim, n in lengths.items()}}
    new._dim_lengths = {dim: counterparts[length] for dim, length in model.dim_lengths.items()}
    lists = {data: new.data_vars for data in model.data_vars if data not in values}
    lists |= dict.fromkeys(model.free_RVs, new.free_RVs)
    lists |= dict.fromkeys(values, new.observed_RVs)
    lists |= dict.fromkeys(model.deterministics, new.deterministics)
    lists |= dict.fromkeys(model.potentials, new.potentials)
    lists = {variable: found for variable, found in lists.items() if variable not in without}
    for variable in sorted(lists, key=list(model.named_vars.values()).index):
        new.add_named_variable(counterparts[variable], model.named_vars_to_dims.get(variable.name))
    for variable, found in lists.items():
        found.append(counterparts[variable])
    for variable in [rv for rv in model.free_RVs if rv not in without]:
        kept = transform(variable, model.rvs_to_transforms[variable])
        rv = counterparts[variable]
        unconstrained = rv if kept is None else kept.forward(rv, *rv.owner.inputs)
        value = unconstrained.type(name=model.rvs_to_values[variable].name)
        new.set_initval(rv, None)
        _give_value(new, rv, value, kept)
    for variable, value in values.items():
        _give_value(new, counterparts[variable], value, None)
    vars(new).update({name: vars(model)[name] for name in PASSED_ON if name in vars(model)})
    return new


def _give_value(
    model: pm.Model, rv: Variable, value: Variable, transform: Transform | None
) -> None:
    model.rvs_to_transforms[rv] = transform
    model.rvs_to_values[rv], model.values_to_rvs[value] = value, rv

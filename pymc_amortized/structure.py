"""What a PyMC model says of itself: variables, shapes, data."""

from collections.abc import Iterator

import numpy as np
import pymc as pm
from pymc.distributions.simulator import SimulatorRV
from pymc.logprob.basic import conditional_logp
from pymc.pytensorf import constant_fold, rvs_in_graph
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable
from pytensor.graph.op import Op
from pytensor.scalar import Cast
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.variable import TensorVariable

from pymc_amortized.exceptions import UnsupportedModelError
from pymc_amortized.graphs import (
    SHORTER,
    ancestors_by_value,
    frozen,
    given_values,
    observed_variables,
    ops,
    outcome_variables,
    pymc_deprecations,
    variables,
    varied_variables,
)
from pymc_amortized.ordering import sorted_names

__all__ = [
    "check_unchanged",
    "constant_data",
    "deterministic_names",
    "dims_of",
    "free_names",
    "frozen",
    "has_likelihood",
    "log_density",
    "observed_covariates",
    "observed_names",
    "observed_values",
    "own_ops",
    "shapes",
    "sorted_names",
    "varied_names",
]


def free_names(model: pm.Model) -> list[str]:
    """Names of the free variables, in the model's order."""
    return [rv.name for rv in model.free_RVs]


def observed_names(model: pm.Model) -> list[str]:
    """Names of the observed variables, in the model's order, each once."""
    return [rv.name for rv in observed_variables(model)]


def varied_names(model: pm.Model) -> list[str]:
    """Names of the varied ``pm.Data``, which are observed variables too."""
    return [rv.name for rv in varied_variables(model)]


def deterministic_names(model: pm.Model) -> list[str]:
    """Names of the deterministics, in the model's order."""
    return [variable.name for variable in model.deterministics]


def dims_of(model: pm.Model) -> dict[str, tuple[str, ...]]:
    """Dims of the free and observed variables, those without a name called ``name_dim_axis``."""
    found = {}
    for name, shape in shapes(model).items():
        names = list(model.named_vars_to_dims.get(name) or [None] * len(shape))
        found[name] = tuple(dim or f"{name}_dim_{axis}" for axis, dim in enumerate(names))
    return found


def shapes(model: pm.Model) -> dict[str, tuple[int, ...]]:
    """Shapes of the free, observed and deterministic variables at the present data and dims.

    Raises
    ------
    UnsupportedModelError
        If the shape of a variable depends on random draws.
    """
    named = variables(model)
    return {
        name: _shape(name, variable)
        for name, variable in zip(named, frozen(model, list(named.values())), strict=True)
    }


def _shape(name: str, variable: TensorVariable) -> tuple[int, ...]:
    if None not in variable.type.shape:
        return tuple(variable.type.shape)
    folded = constant_fold(list(variable.shape), raise_not_constant=False)
    if rvs_in_graph([s for s in folded if isinstance(s, Variable)]):
        raise UnsupportedModelError(
            name,
            "has a shape that depends on random draws",
            "expected one shape for every draw: leave the variable out of the model, or give it a "
            "fixed shape",
        )
    return tuple(int(s.eval(mode="FAST_COMPILE") if isinstance(s, Variable) else s) for s in folded)


def own_ops(model: pm.Model, variable: TensorVariable) -> Iterator[Op]:
    """Every Op of a variable's own distribution, up to the other variables of the model."""
    others = {v for v in variables(model).values() if v is not variable}
    return ops([variable], blockers=others)


def has_likelihood(model: pm.Model) -> bool:
    """Whether the log density of every random variable can be computed, varied data aside.

    False where a variable is a ``pm.Simulator``, whose density is a pseudo
    density, or a ``pm.CustomDist`` with ``random=`` and without ``logp=``.
    """
    return all(_has_logp(model, rv) for rv in (*model.free_RVs, *outcome_variables(model)))


def _has_logp(model: pm.Model, rv: TensorVariable) -> bool:
    return log_density(model, rv) is not None


def log_density(model: pm.Model, rv: TensorVariable) -> list[TensorVariable] | None:
    """Make the log density of a random variable given those above it; None if it has none."""
    if any(isinstance(op, SimulatorRV) for op in own_ops(model, rv)):
        return None
    try:
        with pymc_deprecations():
            given, _ = given_values(model, rv)
            return list(conditional_logp({given: rv.type()}, warn_rvs=False).values())
    except (NotImplementedError, RuntimeError):
        return None


def observed_values(model: pm.Model) -> dict[str, np.ndarray]:
    """The present value of each observed variable, by name."""
    observed = observed_variables(model)
    values = frozen(model, [model.rvs_to_values[rv] for rv in observed])
    return {
        rv.name: np.asarray(value.eval(mode="FAST_COMPILE"))
        for rv, value in zip(observed, values, strict=True)
    }


def constant_data(model: pm.Model) -> dict[str, np.ndarray]:
    """The present values of each ``pm.Data`` that is not just the value of an observed variable.

    A ``pm.Data`` that is both observed and a covariate is constant data; one
    that only lends its shape to the variable it is the value of is not.
    """
    observed = {_source(model.rvs_to_values[rv]) for rv in observed_variables(model)}
    used = ancestors_by_value(list(variables(model).values()))
    return {
        data.name: np.asarray(data.get_value() if isinstance(data, SharedVariable) else data.data)
        for data in model.data_vars
        if data not in observed or data in used
    }


def observed_covariates(model: pm.Model) -> list[str]:
    """Names of each ``pm.Data`` that observed values are made of, and distributions too."""
    observed = observed_variables(model)
    above = ancestors_by_value([model.rvs_to_values[rv] for rv in observed])
    used = ancestors_by_value(observed)
    return [data.name for data in model.data_vars if data in above and data in used]


def _source(value: Variable) -> Variable:
    """What a value is a cast or a transpose of, or has been lengthened from."""
    while value.owner:
        op = value.owner.op
        if hasattr(value.tag, SHORTER):
            value = getattr(value.tag, SHORTER)
        elif isinstance(op, DimShuffle) or (
            isinstance(op, Elemwise) and isinstance(op.scalar_op, Cast)
        ):
            (value,) = value.owner.inputs
        else:
            break
    return value


def check_unchanged(model: pm.Model, free: list[str], constants: dict[str, np.ndarray]) -> None:
    """Refuse a model that has changed since its posterior was trained.

    Parameters
    ----------
    model : pm.Model
        The model.
    free : list of str
        Names of its free variables at that time.
    constants : dict of str to ndarray
        What :func:`constant_data` gave at that time.

    Raises
    ------
    ValueError
        Naming what has changed.
    """
    if free != (names := free_names(model)):
        raise ValueError(
            f"model: expected the free variables {', '.join(free)} that the posterior was trained "
            f"on, got {', '.join(names)}. Train again with pma.fit."
        )
    now = constant_data(model)
    for name, trained in constants.items():
        if not np.array_equal(now[name], trained):
            raise ValueError(
                f"model: expected the data {name!r} that the posterior was trained on, got others. "
                "Set them back with pm.set_data, or train again with pma.fit: only observed "
                "values may differ from dataset to dataset."
            )

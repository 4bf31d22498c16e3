"""What a PyMC model says of itself: variables, shapes, data, and what it cannot be asked."""

from collections.abc import Iterator

import numpy as np
import pymc as pm
from pymc.data import MinibatchOp
from pymc.distributions.continuous import FlatRV, HalfFlatRV
from pymc.distributions.custom import CustomDistRV
from pymc.distributions.distribution import PartialObservedRV
from pymc.distributions.multivariate import ICARRV
from pymc.distributions.simulator import SimulatorRV
from pymc.pytensorf import constant_fold, rvs_in_graph
from pymc.variational.minibatch_rv import MinibatchRandomVariable
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable
from pytensor.graph.op import Op
from pytensor.scalar import Cast
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.variable import TensorVariable

from pymc_amortized.dequantization import is_discrete
from pymc_amortized.graphs import (
    ancestors_by_value,
    frozen,
    given_values,
    observed_variables,
    ops,
    variables,
)
from pymc_amortized.ordering import sorted_names

__all__ = [
    "check_model",
    "check_unchanged",
    "constant_data",
    "deterministic_names",
    "free_names",
    "frozen",
    "has_likelihood",
    "observed_names",
    "observed_values",
    "shapes",
    "sorted_names",
]


def free_names(model: pm.Model) -> list[str]:
    """Names of the free variables, in the model's order."""
    return [rv.name for rv in model.free_RVs]


def observed_names(model: pm.Model) -> list[str]:
    """Names of the observed variables, in the model's order, each once."""
    return [rv.name for rv in observed_variables(model)]


def deterministic_names(model: pm.Model) -> list[str]:
    """Names of the deterministics, in the model's order."""
    return [variable.name for variable in model.deterministics]


def shapes(model: pm.Model) -> dict[str, tuple[int, ...]]:
    """Shapes of the free, observed and deterministic variables at the present data and dims.

    Raises
    ------
    ValueError
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
        raise ValueError(
            f"the shape of {name!r} depends on random draws; expected one shape for every draw: "
            "leave the variable out of the model or give it a fixed shape"
        )
    return tuple(int(s.eval(mode="FAST_COMPILE") if isinstance(s, Variable) else s) for s in folded)


def _own_ops(model: pm.Model, variable: TensorVariable) -> Iterator[Op]:
    # the variable's own distribution, up to the other variables of the model
    others = {v for v in variables(model).values() if v is not variable}
    return ops([variable], blockers=others)


def has_likelihood(model: pm.Model) -> bool:
    """Whether the log density of every random variable can be computed.

    False where a variable is a ``pm.Simulator``, whose density is a pseudo
    density, or a ``pm.CustomDist`` with ``random=`` and without ``logp=``.
    """
    return all(_has_logp(model, rv) for rv in dict.fromkeys(model.basic_RVs))


def _has_logp(model: pm.Model, rv: TensorVariable) -> bool:
    if any(isinstance(op, SimulatorRV) for op in _own_ops(model, rv)):
        return False
    try:
        pm.logp(given_values(model, rv)[0], rv.type())
    except NotImplementedError:
        return False
    return True


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
    observed = {_without_casts(model.rvs_to_values[rv]) for rv in observed_variables(model)}
    used = ancestors_by_value(list(variables(model).values()))
    return {
        data.name: np.asarray(data.get_value() if isinstance(data, SharedVariable) else data.data)
        for data in model.data_vars
        if data not in observed or data in used
    }


def _without_casts(value: Variable) -> Variable:
    while (
        value.owner
        and isinstance(value.owner.op, Elemwise)
        and isinstance(value.owner.op.scalar_op, Cast)
    ):
        (value,) = value.owner.inputs
    return value


def check_model(model: pm.Model) -> None:
    """Refuse, by the variable's name, what cannot be amortized faithfully.

    Raises
    ------
    TypeError
        If ``model`` is no PyMC model.
    ValueError
        If the model has no observed or no free variable.
    NotImplementedError
        If forward draws and density of the model differ or do not exist:
        distributions without a forward sampler, potentials, minibatches; or if
        it has free variables that stand for missing values, or are discrete and
        multivariate.
    """
    if not isinstance(model, pm.Model):
        raise TypeError(
            f"expected a pm.Model, got {type(model).__name__}: "
            "build one with `with pm.Model() as model:`"
        )
    if not model.observed_RVs:
        raise ValueError(
            "the model has no observed variable, expected one or more: "
            "pass `observed=` to the variables that stand for data"
        )
    if not model.free_RVs:
        raise ValueError(
            "the model has no free variable, expected one or more: "
            "give a prior to what is to be inferred"
        )
    if model.potentials:
        raise NotImplementedError(
            f"pm.Potential {model.potentials[0].name!r}: forward sampling ignores it, so that "
            "simulations would not follow the model's density; expected none: "
            "express it as a prior distribution or an observed variable"
        )
    _check_names(model)
    _check_sizes(model)
    _check_minibatches(model)
    _check_missing(model)
    _check_samplers(model)
    _check_discrete(model)


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


def _check_names(model: pm.Model) -> None:
    if taken := {"chain", "draw"} & variables(model).keys():
        raise ValueError(
            f"{min(taken)!r} is the name of a dim of every result, expected another: rename the "
            "variable"
        )


def _check_sizes(model: pm.Model) -> None:
    sizes = shapes(model)
    for name in [*free_names(model), *observed_names(model)]:
        if 0 in sizes[name]:
            raise ValueError(
                f"{name!r} has no elements, got the shape {sizes[name]}; expected one or more: "
                "give its dims a length, or leave the variable out"
            )


def _check_minibatches(model: pm.Model) -> None:
    for name, variable in variables(model).items():
        value = model.rvs_to_values.get(variable)
        graphs = [variable] if value is None else [variable, value]
        if any(isinstance(op, MinibatchOp | MinibatchRandomVariable) for op in ops(graphs)):
            raise NotImplementedError(
                f"{name!r} uses pm.Minibatch or total_size=, whose density is random or rescaled; "
                "expected whole data: pass them as `observed=`, without `total_size=`"
            )


def _check_missing(model: pm.Model) -> None:
    free = set(free_names(model))
    for rv in observed_variables(model):
        name = rv.name.removesuffix("_observed")
        if f"{name}_unobserved" in free or isinstance(rv.owner.op, PartialObservedRV):
            raise NotImplementedError(
                f"{name!r} is partially observed (NaN or masked values in `observed=`), which is "
                "not supported yet; expected complete data: drop or fill the missing values"
            )


def _check_samplers(model: pm.Model) -> None:
    for name, variable in variables(model).items():
        for op in _own_ops(model, variable):
            if isinstance(op, RandomVariable) and not _has_sampler(op):
                raise NotImplementedError(
                    f"{name!r} cannot be simulated: its distribution {op.name} has no forward "
                    "sampler; expected a proper distribution: choose another, or give a "
                    "pm.CustomDist `random=` or `dist=`"
                )


def _has_sampler(op: RandomVariable) -> bool:
    if isinstance(op, FlatRV | HalfFlatRV | ICARRV):
        return False
    if isinstance(op, CustomDistRV):
        return "default_not_implemented" not in getattr(op._random_fn, "__qualname__", "")
    inherited = getattr(type(op).rng_fn, "__func__", type(op).rng_fn) is RandomVariable.rng_fn
    return not inherited or hasattr(np.random.Generator, op.name)


def _check_discrete(model: pm.Model) -> None:
    for rv in model.free_RVs:
        if is_discrete(rv) and getattr(rv.owner.op, "ndim_supp", 0):
            raise NotImplementedError(
                f"free variable {rv.name!r} is discrete and multivariate "
                f"({rv.owner.op.name}), which is not supported; expected discrete free variables "
                "of independent elements: write it as such, for example a pm.Multinomial as a "
                "chain of pm.Binomial, or marginalize it"
            )

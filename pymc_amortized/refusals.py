"""What cannot be amortized faithfully, refused by the variable's name."""

from collections.abc import Collection, Sequence

import numpy as np
import pymc as pm
from pymc.data import MinibatchOp
from pymc.distributions.censored import CensoredRV
from pymc.distributions.continuous import FlatRV, HalfFlatRV
from pymc.distributions.custom import CustomDistRV
from pymc.distributions.distribution import DiracDeltaRV, PartialObservedRV
from pymc.distributions.multivariate import ICARRV
from pymc.distributions.transforms import _default_transform
from pymc.pytensorf import rvs_in_graph
from pymc.variational.minibatch_rv import MinibatchRandomVariable
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.variable import TensorVariable

from pymc_amortized.dequantization import is_discrete
from pymc_amortized.exceptions import UnsupportedModelError
from pymc_amortized.forward import prior_sampler
from pymc_amortized.graphs import (
    ancestors_by_value,
    observed_variables,
    ops,
    outcome_variables,
    variables,
)
from pymc_amortized.parameters import Parameters, split
from pymc_amortized.structure import free_names, log_density, observed_names, own_ops, shapes

__all__ = ["check_model", "check_prior"]

PRIOR_DRAWS = 500
"""That tell whether a free variable has a density."""

PILES = CensoredRV | DiracDeltaRV
"""Distributions that put point masses into others."""

FEWEST_REPEATS, OFTENER = 5, 10
"""How often a point mass comes, and how much oftener than other values."""

SMALLEST = 1e-10
"""Part of the variance that a direction is left with by rounding alone."""


def check_model(model: pm.Model) -> None:
    """Refuse, by the variable's name, what cannot be amortized faithfully.

    Raises
    ------
    TypeError
        If ``model`` is no PyMC model.
    UnsupportedModelError
        If the model has no observed or no free variable; if forward draws and density of the
        model differ or do not exist: distributions without a forward sampler, potentials of data,
        minibatches; or if it has free variables that stand for missing values, or are discrete
        and multivariate.
    """
    if not isinstance(model, pm.Model):
        raise TypeError(
            f"expected a pm.Model, got {type(model).__name__}: "
            "build one with `with pm.Model() as model:`"
        )
    if not model.observed_RVs:
        raise UnsupportedModelError(
            None,
            "has no observed variable",
            "expected one or more: pass `observed=` to the variables that stand for data",
        )
    if not model.free_RVs:
        raise UnsupportedModelError(
            None,
            "has no free variable",
            "expected one or more: give a prior to what is to be inferred",
        )
    _check_names(model)
    _check_sizes(model)
    _check_minibatches(model)
    _check_missing(model)
    _check_samplers(model)
    _check_discrete(model)
    _check_potentials(model)


def check_prior(model: pm.Model, sort: Collection[str], of_model: Parameters) -> None:
    """Refuse free variables that a network has no density for.

    Parameters
    ----------
    model : pm.Model
        A model that :func:`check_model` accepts.
    sort : collection of str
        Variables that are sorted.
    of_model : Parameters
        Those that are inferred; the others may have any prior.

    Raises
    ------
    UnsupportedModelError
        If a prior has point masses, if elements of a variable follow from each other, if a
        bounded variable has no transform, or if a density depends on a random variable that the
        model does not know.
    """
    _check_densities(model)
    inferred = [model[name] for name in of_model.names]
    for rv in inferred:
        if not is_discrete(rv) and any(isinstance(op, PILES) for op in own_ops(model, rv)):
            raise _point_masses(rv.name)
    draws = prior_sampler(model, sort).draw(PRIOR_DRAWS, 0)
    vector, _ = of_model.unconstrain(of_model.dequantized(draws, np.random.default_rng(0)))
    for name, piece in zip(of_model.shapes, split(vector, of_model.shapes), strict=True):
        rows = piece.reshape(len(piece), -1)
        rows = rows[np.isfinite(rows).all(axis=1)]
        if any(map(_piles_up, rows.T)):
            raise _point_masses(name)
        if _depend(rows):
            raise UnsupportedModelError(
                name,
                "is degenerate: some of its elements follow from the others, and no transform "
                "leaves them out",
                "expected as many elements as are free: use a distribution with a transform, such "
                "as pm.LKJCholeskyCov for a covariance matrix, and leave default_transform as it "
                "is",
            )
    _check_transforms(model, inferred)


def _check_densities(model: pm.Model) -> None:
    for rv in (*model.free_RVs, *outcome_variables(model)):
        if rvs_in_graph(log_density(model, rv) or []):
            raise UnsupportedModelError(
                rv.name,
                "depends on a random variable that is not one of the model's",
                "expected none: give it a name, such as pm.Normal('h') for pm.Normal.dist()",
            )


def _check_transforms(model: pm.Model, inferred: Sequence[TensorVariable]) -> None:
    for rv in inferred:
        bare = model.rvs_to_transforms[rv] is None and not is_discrete(rv)
        if bare and _default_transform(rv.owner.op, rv) is not None:
            raise UnsupportedModelError(
                rv.name,
                "is bounded and has no transform, so that a network would leave its support",
                "expected one: leave default_transform as it is",
            )


def _point_masses(name: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        name,
        "has a prior with point masses, so that it has no density",
        "expected a continuous or a discrete prior: write its parts as variables of their own, for "
        "example an indicator and a size",
    )


def _piles_up(values: np.ndarray) -> bool:
    """Whether one value comes often, and not just because all are rounded."""
    if not values.size:
        return False
    _, counts = np.unique(values, return_counts=True)
    return bool(counts.max() >= max(FEWEST_REPEATS, OFTENER * np.median(counts)))


def _depend(rows: np.ndarray) -> bool:
    if rows.shape[1] == 1 or len(rows) <= 2 * rows.shape[1]:
        return False
    centred = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    values = np.linalg.svd(centred, compute_uv=False)
    return bool(values[-1] < SMALLEST * values[0])


def _check_names(model: pm.Model) -> None:
    if taken := {"chain", "draw"} & variables(model).keys():
        raise UnsupportedModelError(
            min(taken),
            "is the name of a dim of every result",
            "expected another: rename the variable",
        )


def _check_sizes(model: pm.Model) -> None:
    sizes = shapes(model)
    for name in [*free_names(model), *observed_names(model)]:
        if 0 in sizes[name]:
            raise UnsupportedModelError(
                name,
                f"has no elements, but the shape {sizes[name]}",
                "expected one or more: give its dims a length, or leave the variable out",
            )


def _check_minibatches(model: pm.Model) -> None:
    for name, variable in variables(model).items():
        value = model.rvs_to_values.get(variable)
        graphs = [variable] if value is None else [variable, value]
        if any(isinstance(op, MinibatchOp | MinibatchRandomVariable) for op in ops(graphs)):
            raise UnsupportedModelError(
                name,
                "uses pm.Minibatch or total_size=, whose density is random or rescaled",
                "expected whole data: pass them as `observed=`, without `total_size=`",
            )


def _check_missing(model: pm.Model) -> None:
    free = set(free_names(model))
    for rv in observed_variables(model):
        name = rv.name.removesuffix("_observed")
        if f"{name}_unobserved" in free or isinstance(rv.owner.op, PartialObservedRV):
            raise UnsupportedModelError(
                name,
                "is partially observed (NaN or masked values in `observed=`), which is not "
                "supported yet",
                "expected complete data: drop or fill the missing values",
            )


def _check_samplers(model: pm.Model) -> None:
    for name, variable in variables(model).items():
        for op in own_ops(model, variable):
            if isinstance(op, RandomVariable) and not _has_sampler(op):
                raise UnsupportedModelError(
                    name,
                    f"cannot be simulated: its distribution {op.name} has no forward sampler",
                    "expected a proper distribution: choose another, or give a pm.CustomDist "
                    "`random=` or `dist=`",
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
            raise UnsupportedModelError(
                rv.name,
                f"is free, discrete and multivariate ({rv.owner.op.name}), which is not supported",
                "expected discrete free variables of independent elements: write it as such, for "
                "example a pm.Multinomial as a chain of pm.Binomial, or marginalize it",
            )


def _check_potentials(model: pm.Model) -> None:
    for potential in model.potentials:
        above = ancestors_by_value([potential])
        for data in (*observed_variables(model), *model.data_vars):
            if data in above:
                raise UnsupportedModelError(
                    potential.name,
                    f"is a pm.Potential of the data {data.name!r}, which forward sampling knows "
                    "nothing of",
                    "expected one of unobserved variables alone: write the likelihood as an "
                    "observed variable, for example a pm.CustomDist with `logp=` and `random=`, "
                    "and constants as numbers",
                )

"""Find the variables whose forward draws must be sorted to follow the model's own prior."""

from collections.abc import Callable, Collection, Sequence
from functools import partial

import numpy as np
import pymc as pm
from pymc.distributions.transforms import _default_transform
from pymc.logprob.transforms import Transform
from pytensor.graph.basic import equal_computations
from pytensor.tensor.variable import TensorVariable

from pymc_amortized.compilation import compiled, reseed
from pymc_amortized.exceptions import UnsupportedModelError
from pymc_amortized.graphs import frozen, given_values, parents

__all__ = ["sorted_names"]

PRIOR_DRAWS = 1000
"""Prior draws that a transform's round trip is checked on."""

PERMUTATIONS = 20
"""Prior draws whose components are permuted to check that they are exchangeable."""


def sorted_names(model: pm.Model) -> frozenset[str]:
    """Free variables whose forward draws must be sorted to follow the model's prior.

    PyMC's forward sampler ignores transforms, while ``transform=ordered``
    restricts the prior's density. Sorted draws of exchangeable components are
    exact draws of that restricted prior.

    Returns
    -------
    frozenset of str
        Names of the variables to sort along their last axis.

    Raises
    ------
    UnsupportedModelError
        If a transform restricts a variable in a way that sorting cannot mend.
    """
    names: frozenset[str] = frozenset()
    for rv in model.free_RVs:
        transform = model.rvs_to_transforms.get(rv)
        if transform is not None and not _is_default(transform, rv):
            names |= _to_sort(model, rv, transform, names)
    return names


def _to_sort(
    model: pm.Model, rv: TensorVariable, transform: Transform, sort: Collection[str]
) -> set[str]:
    draws = _prior_draws(model, rv, sort)
    round_trip = _conditional(model, rv, partial(_there_and_back, transform))
    if all(_returns(round_trip, *draw) for draw in draws):
        return set()
    mended = rv.ndim > 0 and all(_returns(round_trip, np.sort(x), *given) for x, *given in draws)
    if mended and _exchangeable(model, rv, draws[:PERMUTATIONS]):
        return {rv.name}
    raise UnsupportedModelError(
        rv.name,
        f"is restricted by its transform {transform.name!r}, which forward sampling ignores, and "
        "sorting cannot mend",
        "expected a transform of the prior's whole support, or `ordered` (ascending) on "
        "identically distributed components: use a distribution with that support, such as "
        "pm.Truncated",
    )


def _is_default(transform: Transform, rv: TensorVariable) -> bool:
    default = _default_transform(rv.owner.op, rv)
    if type(default) is not type(transform):
        return False
    graphs = [_there_and_back(t, rv, rv) for t in (transform, default)]
    return equal_computations(graphs[:1], graphs[1:])


def _there_and_back(transform: Transform, x: TensorVariable, rv: TensorVariable) -> TensorVariable:
    inputs = rv.owner.inputs
    return transform.backward(transform.forward(x, *inputs), *inputs)


def _prior_draws(
    model: pm.Model, rv: TensorVariable, sort: Collection[str]
) -> list[tuple[np.ndarray, ...]]:
    # (draws of the variable itself, and of the random variables above it), one tuple a draw
    graphs = frozen(model, [rv, *parents(model, rv)], sort=sort)
    function, generators = compiled([], graphs)
    reseed(generators, 0)
    return [tuple(function()) for _ in range(PRIOR_DRAWS)]


def _conditional(
    model: pm.Model,
    rv: TensorVariable,
    output: Callable[[TensorVariable, TensorVariable], TensorVariable],
) -> Callable[..., np.ndarray]:
    # a function of the variable's value and of those of the random variables above it
    value = rv.type()
    given, inputs = given_values(model, rv)
    function, _ = compiled([value, *inputs], frozen(model, [output(value, given)]))
    return lambda *values: function(*values)[0]


def _returns(round_trip: Callable[..., np.ndarray], x: np.ndarray, *given: np.ndarray) -> bool:
    with np.errstate(all="ignore"):
        back = round_trip(x, *given)
    return bool(np.all(np.isfinite(back)) and np.allclose(back, x, rtol=1e-6, atol=1e-8))


def _exchangeable(
    model: pm.Model, rv: TensorVariable, draws: Sequence[tuple[np.ndarray, ...]]
) -> bool:
    try:
        log_prob = _conditional(model, rv, lambda x, given: pm.logp(given, x).sum())
    except NotImplementedError:  # not to be known without a density
        return False
    rng = np.random.default_rng(0)
    return all(
        np.allclose(
            log_prob(x, *given),
            log_prob(rng.permuted(x, axis=-1), *given),
            rtol=1e-9,
            atol=1e-9,
        )
        for x, *given in draws
    )

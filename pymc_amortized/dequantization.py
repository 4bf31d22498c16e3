"""Discrete free variables as continuous ones: a uniform added, the floor taken on the way back."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import reduce
from math import prod

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.discrete import DiscreteUniformRV, DiscreteWeibullRV
from pymc.distributions.distribution import DiracDeltaRV
from pymc.distributions.mixture import _BaseMixtureRV
from pymc.distributions.truncated import TruncatedRV
from pymc.logprob.transforms import Transform
from pymc.pytensorf import constant_fold
from pytensor.graph.basic import Variable
from pytensor.graph.op import Op
from pytensor.tensor.random.basic import (
    BernoulliRV,
    BetaBinomialRV,
    BinomialRV,
    CategoricalRV,
    GeometricRV,
    HyperGeometricRV,
    NegBinomialRV,
    PoissonRV,
)
from pytensor.tensor.variable import TensorVariable

__all__ = [
    "CELL_POINTS",
    "Dequantization",
    "are_integers",
    "dequantized",
    "is_discrete",
    "transform_of",
    "unconstrained",
    "within_cells",
]

Arrays = Mapping[str, np.ndarray]
Bounds = tuple[TensorVariable | float, TensorVariable | float]
"""Smallest and largest integer of a support, or infinity."""

CELL_POINTS = 251
"""Points that the density is averaged over in the cell of each integer; a prime."""

GENERATOR = 97
"""Of the lattice of these points: of all choices the best in two to six dimensions by P2, the usual
measure of smooth functions' error (Sloan and Joe 1994, Lattice methods)."""

SLOPE = np.sqrt(np.pi / 2)
"""Of a probit by twice its probability, at one half."""

LARGEST = 2**53
"""Integers beyond are not exact in double precision."""


def _hypergeometric(good: Variable, bad: Variable, number: Variable) -> Bounds:
    return pt.maximum(0, number - bad), pt.minimum(good, number)


SUPPORTS: dict[type[Op], Callable[..., Bounds]] = {
    BernoulliRV: lambda p: (0, 1),
    CategoricalRV: lambda p: (0, p.shape[-1] - 1),
    DiscreteUniformRV: lambda lower, upper: (lower, upper),
    BinomialRV: lambda n, p: (0, n),
    BetaBinomialRV: lambda n, alpha, beta: (0, n),
    HyperGeometricRV: _hypergeometric,
    PoissonRV: lambda mu: (0, np.inf),
    NegBinomialRV: lambda n, p: (0, np.inf),
    DiscreteWeibullRV: lambda q, beta: (0, np.inf),
    GeometricRV: lambda p: (1, np.inf),
}
"""Bounds by a distribution's parameters; what is not here is taken to be unbounded."""


class Dequantization(Transform):
    """Between an integer plus a part of one, and the real line; only the integer comes back.

    The density of an integer plus a uniform is the integer's probability (Theis, van den Oord and
    Bethge 2016, A note on the evaluation of generative models, ICLR), so that the model's density
    by the unconstrained coordinate is exact. A bounded support is all of the real line by a
    probit; above a lower bound alone the first integer is the negative half by a probit, the
    others the positive half by a logarithm, as steep where they meet. So the uniforms at the ends
    of a support have tails as light as the noise that networks make them of. An upper bound alone
    is left to the density.

    Parameters
    ----------
    op : Op
        The distribution.
    dtype : str
        Integer type of its values.
    """

    name = "dequantization"

    def __init__(self, op: Op, dtype: str) -> None:
        self.op, self.dtype = op, dtype

    def forward(self, value: TensorVariable, *inputs: Variable) -> TensorVariable:
        """Map an integer plus a part of one to the real line."""
        lower, upper = _ends(self.op, inputs)
        if lower is None:
            return value
        above = value - lower
        if upper is not None:
            return pm.math.probit(above / (upper - lower))
        return pt.where(above < 1, pm.math.probit(above / 2), SLOPE * pt.log(above))

    def backward(self, value: TensorVariable, *inputs: Variable) -> TensorVariable:
        """Map the real line to integers."""
        lower, upper = _ends(self.op, inputs)
        if lower is None:
            return self.quantized(value, *inputs)
        part = pm.math.invprobit(value)
        if upper is not None:
            return self.quantized(lower + (upper - lower) * part, *inputs)
        above = pt.where(value < 0, 2 * part, pt.exp(value / SLOPE))
        return self.quantized(lower + above, *inputs)

    def log_jac_det(self, value: TensorVariable, *inputs: Variable) -> TensorVariable:
        """Log derivative of the integer plus a part of one by the unconstrained coordinate."""
        lower, upper = _ends(self.op, inputs)
        if lower is None:
            return pt.zeros_like(value)
        log_normal = -(value**2) / 2 - np.log(2 * np.pi) / 2
        if upper is not None:
            return pt.log(upper - lower) + log_normal
        return pt.where(value < 0, np.log(2) + log_normal, value / SLOPE - np.log(SLOPE))

    def quantized(self, value: TensorVariable, *inputs: Variable) -> TensorVariable:
        """Take the integer of an integer plus a part of one."""
        lower, upper = _ends(self.op, inputs)
        # rounding must not reach the end of the last cell, nor what the integer type cannot hold
        largest = min(LARGEST, np.iinfo(self.dtype).max)
        first = -largest if lower is None else lower
        last = largest if upper is None else pt.minimum(largest, upper - 1)
        # pt.clip would be evaluated element by element in Python
        return pt.minimum(pt.maximum(pt.floor(value), first), last).astype(self.dtype)


def _ends(
    op: Op, inputs: Sequence[Variable]
) -> tuple[TensorVariable | None, TensorVariable | None]:
    """Ends of the cells of a support, (a, None) without an upper one and (None, None) without."""
    lower, upper = _bounds(op, inputs)
    ends = [lower, upper + 1]
    values = constant_fold(ends, raise_not_constant=False)
    known = [isinstance(value, Variable) or np.isfinite(value).all() for value in values]
    if not known[0]:
        return None, None
    return lower, ends[1] if known[1] else None


def _bounds(op: Op, inputs: Sequence[Variable]) -> tuple[TensorVariable, TensorVariable]:
    """Bounds of a distribution in double precision: those of small integer types overflow."""
    if isinstance(op, TruncatedRV):
        *inputs, low, high = inputs
        lower, upper = _bounds(op.base_rv_op, inputs)
        return pt.maximum(lower, pt.ceil(low)), pt.minimum(upper, pt.floor(high))
    if isinstance(op, _BaseMixtureRV):
        components = [_bounds(c.owner.op, c.owner.inputs) for c in inputs[2:]]
        return _joined(components) if len(components) > 1 else _reduced(*components[0])
    if isinstance(op, DiracDeltaRV):
        lower = upper = inputs[-1]
    else:
        lower, upper = SUPPORTS.get(type(op), lambda *_: (-np.inf, np.inf))(*inputs[2:])
    return pt.as_tensor(lower).astype("float64"), pt.as_tensor(upper).astype("float64")


def _joined(components: Sequence[Bounds]) -> Bounds:
    """Bounds of a mixture of distributions."""
    lower, upper = zip(*components, strict=True)
    return reduce(pt.minimum, lower), reduce(pt.maximum, upper)


def _reduced(lower: TensorVariable, upper: TensorVariable) -> Bounds:
    """Bounds of a mixture along the last axis of one distribution."""
    return lower.min(axis=-1) if lower.ndim else lower, upper.max(axis=-1) if upper.ndim else upper


def is_discrete(rv: TensorVariable) -> bool:
    """Whether a random variable has integer values."""
    return not np.issubdtype(np.dtype(rv.dtype), np.floating)


def transform_of(model: pm.Model, rv: TensorVariable) -> Transform | None:
    """Between a free variable and its unconstrained coordinates: PyMC's own, or a dequantization.

    Parameters
    ----------
    model : pm.Model
        The model.
    rv : TensorVariable
        One of its free variables.
    """
    if is_discrete(rv):
        return Dequantization(rv.owner.op, rv.dtype)
    return model.rvs_to_transforms[rv]


def unconstrained(model: pm.Model, variable: TensorVariable, rv: TensorVariable) -> TensorVariable:
    """Make an input for the unconstrained coordinates of a free variable.

    Parameters
    ----------
    model : pm.Model
        The model.
    variable : TensorVariable
        One of its free variables.
    rv : TensorVariable
        Its frozen copy.
    """
    if is_discrete(rv):
        return pt.tensor(rv.name, shape=rv.type.shape, dtype="float64")
    kept = rv if model.rvs_to_transforms[variable] is None else model.rvs_to_values[variable]
    return kept.type(name=rv.name)


def dequantized(
    values: Arrays, names: Collection[str], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Add a uniform to discrete variables.

    Parameters
    ----------
    values : mapping of str to ndarray
        Variables by name.
    names : collection of str
        The discrete ones.
    rng : numpy.random.Generator
        Source of the uniforms.
    """
    return {n: v + rng.random(np.shape(v)) if n in names else v for n, v in values.items()}


def are_integers(values: Arrays, names: Collection[str]) -> np.ndarray:
    """Where all discrete variables are at integers.

    Parameters
    ----------
    values : mapping of str to ndarray of shape (n, *shape)
        Variables by name.
    names : collection of str
        The discrete ones.

    Returns
    -------
    ndarray of bool of shape (n,)
        Without a discrete variable, all True.
    """
    every = np.ones(len(next(iter(values.values()))), bool)
    for name in names:
        flat = values[name].reshape(len(every), -1)
        every &= (flat == np.floor(flat)).all(axis=1)
    return every


def within_cells(values: Arrays, names: Collection[str]) -> dict[str, np.ndarray]:
    """Spread points over the cells between each integer and the next.

    A rank-1 lattice (Korobov 1959): each discrete element of a variable visits the middles of
    ``CELL_POINTS`` equal parts of its cell, all together fill the cells evenly.

    Parameters
    ----------
    values : mapping of str to ndarray of shape (n, *shape)
        Variables by name.
    names : collection of str
        The discrete ones, at integers.

    Returns
    -------
    dict of str to ndarray of shape (points * n, *shape)
        All n at the first point, all n at the next, ...; one point where nothing is discrete.
    """
    points, element, spread = np.arange(CELL_POINTS if names else 1), 0, {}
    for name, value in values.items():
        shape = value.shape[1:]
        wide = np.broadcast_to(value, (len(points), *value.shape))
        if name in names:
            steps = [pow(GENERATOR, element + k, CELL_POINTS) for k in range(prod(shape))]
            element += len(steps)
            middles = (np.outer(points, steps) % CELL_POINTS + 0.5) / CELL_POINTS
            wide = wide + middles.reshape(len(points), 1, *shape)
        spread[name] = wide.reshape(-1, *shape)
    return spread

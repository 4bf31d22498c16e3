"""Free variables of a model <-> one unconstrained vector, with its log-determinant, batched."""

from collections.abc import Collection, Mapping, Sequence
from math import prod
from typing import NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.pytensorf import replace_vars_in_graphs
from pytensor.tensor.variable import TensorVariable

from pymc_amortized.batching import Batched, batched_function
from pymc_amortized.dequantization import (
    Dequantization,
    dequantized,
    is_discrete,
    transform_of,
    unconstrained,
)
from pymc_amortized.exceptions import UnsupportedModelError
from pymc_amortized.graphs import (
    ancestors_by_value,
    frozen,
    names_above,
    observed_variables,
    varied_variables,
)

__all__ = ["Parameters", "parameters", "split"]

Arrays = Mapping[str, np.ndarray]


class Parameters(NamedTuple):
    """Free variables of a model, all or some, as one unconstrained vector.

    The transforms are PyMC's own, so what comes back always lies in the support of the prior.
    Discrete variables are dequantized, see :class:`pymc_amortized.dequantization.Dequantization`.

    Attributes
    ----------
    free : list of str
        All free variables of the model.
    names : list of str
        Those in the vector, in its order, which is the model's.
    discrete : list of str
        Those among them that are integers.
    shapes : dict of str to tuple of int
        Unconstrained shape of each.
    backward, forward, deterministic : callable
        Compiled functions, see :func:`parameters`.
    derived : list of str
        Names of the deterministics that follow from these variables and from data.
    needs : list of str
        Observed variables that deterministics are made of.
    """

    free: list[str]
    names: list[str]
    discrete: list[str]
    shapes: dict[str, tuple[int, ...]]
    backward: Batched
    forward: Batched
    deterministic: Batched
    derived: list[str]
    needs: list[str]

    @property
    def size(self) -> int:
        """Length of the vector."""
        return sum(map(prod, self.shapes.values()))

    @property
    def integrated_out(self) -> list[str]:
        """The free variables that are not in the vector."""
        return [name for name in self.free if name not in self.names]

    def constrain(self, vector: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Map vectors to values of the free variables.

        Parameters
        ----------
        vector : ndarray of shape (n, size)
            Unconstrained vectors.

        Returns
        -------
        values : dict of str to ndarray of shape (n, *shape)
            Free variables by name, in their own dtypes.
        log_det : ndarray of shape (n,)
            Log of the absolute determinant of the Jacobian of `values` by `vector`; of discrete
            variables before they are rounded down.
        """
        *values, log_det = self.backward(*split(vector, self.shapes))
        return dict(zip(self.names, values, strict=True)), log_det

    def unconstrain(self, values: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """Map values of the free variables to vectors; the inverse of :meth:`constrain`.

        Parameters
        ----------
        values : mapping of str to ndarray of shape (n, *shape)
            Free variables by name; discrete ones with a part of one added, see
            :meth:`dequantized`.

        Returns
        -------
        vector : ndarray of shape (n, size)
            Unconstrained vectors; not finite where a value lies outside its support.
        log_det : ndarray of shape (n,)
            As from :meth:`constrain`, at the same points.
        """
        with np.errstate(all="ignore"):  # what lies outside the support says so by its value
            *pieces, log_det = self.forward(*(values[name] for name in self.names))
        flat = [np.reshape(piece, (len(log_det), -1)) for piece in pieces]
        return np.concatenate(flat, axis=1).astype(np.float64), log_det

    def dequantized(self, values: Arrays, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Add a uniform to the discrete variables, as :meth:`unconstrain` wants them.

        Parameters
        ----------
        values : mapping of str to ndarray of shape (n, *shape)
            Variables by name.
        rng : numpy.random.Generator
            Source of the uniforms.
        """
        return dequantized(values, self.discrete, rng)

    def deterministics(self, values: Arrays) -> dict[str, np.ndarray]:
        """Compute the deterministics from values of the other variables.

        Parameters
        ----------
        values : mapping of str to ndarray of shape (n, *shape)
            Free variables, and the observed ones in ``needs``.

        Returns
        -------
        dict of str to ndarray of shape (n, *shape)
            Deterministics by name.
        """
        if not self.derived:
            return {}
        given = [values[name] for name in (*self.names, *self.needs)]
        return dict(zip(self.derived, self.deterministic(*given), strict=True))


def split(vector: np.ndarray, shapes: Mapping[str, tuple[int, ...]]) -> list[np.ndarray]:
    """Cut the last axis of vectors into variables: (*batch, size) to (*batch, *shape) each."""
    ends = np.cumsum([prod(shape) for shape in shapes.values()])[:-1]
    pieces = np.split(vector, ends, axis=-1)
    return [
        piece.reshape((*vector.shape[:-1], *shape))
        for piece, shape in zip(pieces, shapes.values(), strict=True)
    ]


def parameters(
    model: pm.Model, example: Arrays, names: Collection[str] | None = None
) -> Parameters:
    """Compile the maps between a model's free variables and its unconstrained vector.

    Parameters
    ----------
    model : pm.Model
        The model, at its present data and dims.
    example : mapping of str to ndarray of shape (n, *shape)
        A few draws of the free variables inside their support; they give the shapes.
    names : collection of str, optional
        The free variables in the vector, by default all.

    Raises
    ------
    ValueError
        If the transform of one of these depends on a variable that is not among them.
    UnsupportedModelError
        If it depends on varied data.
    """
    free = [rv for rv in model.free_RVs if names is None or rv.name in names]
    others = [rv for rv in model.free_RVs if rv not in free]
    observed = observed_variables(model)
    rvs = frozen(model, [*free, *observed, *others, *model.deterministics])
    named, rest = rvs[: len(free) + len(observed)], rvs[len(free) + len(observed) :]
    hidden, derived = rest[: len(others)], rest[len(others) :]
    _check_transforms(model, free, named[: len(free)], hidden)
    _check_bounds(model, free, named)
    derived = [graph for graph in derived if not names_above([graph], named, hidden)]
    deterministic, needs = _deterministics(derived, named[: len(free)], named[len(free) :])
    forward = _forward(model, free, named[: len(free)])
    with np.errstate(all="ignore"):  # the ends of the support of discrete variables
        pieces = forward(*(np.asarray(example[rv.name]) for rv in free))[:-1]
    return Parameters(
        free=[rv.name for rv in model.free_RVs],
        names=[rv.name for rv in free],
        discrete=[rv.name for rv in free if is_discrete(rv)],
        shapes={rv.name: p.shape[1:] for rv, p in zip(free, pieces, strict=True)},
        backward=_backward(model, free, named[: len(free)]),
        forward=forward,
        deterministic=deterministic,
        derived=[graph.name for graph in derived],
        needs=needs,
    )


def _deterministics(
    derived: Sequence[TensorVariable],
    free: Sequence[TensorVariable],
    observed: Sequence[TensorVariable],
) -> tuple[Batched, list[str]]:
    """Deterministics by free variables and by those observed ones whose names also come back."""
    used = ancestors_by_value(derived)
    needed = [rv for rv in observed if rv in used]
    values = {rv: rv.type(name=rv.name) for rv in (*free, *needed)}
    return _given(derived, values, list(values.values())), [rv.name for rv in needed]


def _check_transforms(
    model: pm.Model,
    free: Sequence[TensorVariable],
    rvs: Sequence[TensorVariable],
    hidden: Sequence[TensorVariable],
) -> None:
    for variable, rv in zip(free, rvs, strict=True):
        transform = transform_of(model, variable)
        if transform is None:
            continue
        value = transform.backward(unconstrained(model, variable, rv), *rv.owner.inputs)
        if needed := names_above([value], rvs, hidden):
            raise ValueError(
                f"var_names: expected {', '.join(map(repr, needed))} too, because the bounds of "
                f"{rv.name!r} depend on it, got {', '.join(repr(v.name) for v in free)}. Add it, "
                f"or leave {rv.name!r} out."
            )


def _check_bounds(
    model: pm.Model, free: Sequence[TensorVariable], rvs: Sequence[TensorVariable]
) -> None:
    names = {rv.name for rv in varied_variables(model)}
    varied = [rv for rv in rvs if rv.name in names]
    for variable, rv in zip(free, rvs, strict=False):
        transform, value = transform_of(model, variable), unconstrained(model, variable, rv)
        back = value if transform is None else transform.backward(value, *rv.owner.inputs)
        if needed := names_above([back], rvs[: len(free)], varied):
            raise UnsupportedModelError(
                rv.name,
                f"has bounds that depend on {', '.join(map(repr, needed))}, which varies",
                "expected bounds that stay: leave the data out of `vary`, or give the variable "
                "fixed bounds and make a pm.Deterministic of it and the data, such as width times "
                "a pm.Uniform between 0 and 1",
            )


def _given(
    outputs: Sequence[TensorVariable],
    values: Mapping[TensorVariable, TensorVariable],
    inputs: Sequence[TensorVariable],
) -> Batched:
    graphs = replace_vars_in_graphs(list(outputs), dict(values))
    return batched_function(inputs, graphs)


def _forward(
    model: pm.Model, free: Sequence[TensorVariable], rvs: Sequence[TensorVariable]
) -> Batched:
    """Constrained -> unconstrained, and the log-determinant of the way back."""
    inputs, values, pieces, log_dets = [], [], [], []
    for variable, rv in zip(free, rvs, strict=True):
        transform = transform_of(model, variable)
        if isinstance(transform, Dequantization):
            inputs.append(unconstrained(model, variable, rv))
            values.append(transform.quantized(inputs[-1], *rv.owner.inputs))
        else:
            inputs.append(rv.type(name=rv.name))
            values.append(inputs[-1])
        if transform is None:
            pieces.append(inputs[-1])
        else:
            pieces.append(transform.forward(inputs[-1], *rv.owner.inputs))
            log_dets.append(transform.log_jac_det(pieces[-1], *rv.owner.inputs).sum())
    total = sum(log_dets, start=_zero(inputs))
    return _given([*pieces, total], dict(zip(rvs, values, strict=True)), inputs)


def _backward(
    model: pm.Model, free: Sequence[TensorVariable], rvs: Sequence[TensorVariable]
) -> Batched:
    """Unconstrained -> constrained, and the log-determinant."""
    inputs, constrained, log_dets = [], [], []
    for variable, rv in zip(free, rvs, strict=True):
        transform, value = transform_of(model, variable), unconstrained(model, variable, rv)
        inputs.append(value)
        if transform is None:
            constrained.append(value)
        else:
            constrained.append(transform.backward(value, *rv.owner.inputs))
            log_dets.append(transform.log_jac_det(value, *rv.owner.inputs).sum())
    total = sum(log_dets, start=_zero(inputs))
    return _given([*constrained, total], dict(zip(rvs, constrained, strict=True)), inputs)


def _zero(inputs: Sequence[TensorVariable]) -> TensorVariable:
    # made from an input, so that it gets the batch's axis where no variable has a transform
    return pt.zeros_like(inputs[0], dtype="float64").sum()

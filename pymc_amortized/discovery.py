"""What the structure of a model's data is: found out, or told."""

from collections.abc import Mapping, Sequence

import numpy as np
import pymc as pm

from pymc_amortized.density import Density
from pymc_amortized.exchangeability import Found, exchangeable_dims
from pymc_amortized.graphs import outcome_variables
from pymc_amortized.layout import Layout, data_layout
from pymc_amortized.lengths import lengths_of
from pymc_amortized.parameters import Parameters
from pymc_amortized.structure import dims_of, log_density, observed_names, shapes

__all__ = ["check_exchangeable", "discovered", "honoured", "layout_of"]

Arrays = Mapping[str, np.ndarray]

LEAST = 2
"""Elements that something can be said of."""


def check_exchangeable(model: pm.Model, exchangeable: str | Sequence[str]) -> None:
    """Refuse what is neither "auto" nor dims of observed variables.

    Raises
    ------
    TypeError, ValueError
        Saying which dims there are.
    """
    known = _candidates(model, 1)
    if exchangeable == "auto":
        return
    if isinstance(exchangeable, str) or not isinstance(exchangeable, Sequence):
        raise TypeError(
            f"exchangeable: expected 'auto' or a list of dims of observed variables "
            f"({_listed(known)}), got {exchangeable!r}. Write exchangeable=[...]."
        )
    if unknown := [dim for dim in exchangeable if dim not in known]:
        raise ValueError(
            f"exchangeable: expected dims of observed variables ({_listed(known)}), got "
            f"{_listed(unknown)}. Leave out or rename what is not among them."
        )


def discovered(
    model: pm.Model,
    exchangeable: str | Sequence[str],
    log_joint: Density | None,
    vector: np.ndarray,
    observed: Arrays,
) -> Found:
    """Find out which dims of the data are exchangeable.

    Parameters
    ----------
    model : pm.Model
        The model.
    exchangeable : "auto" or sequence of str
        The argument of :func:`pymc_amortized.fit`.
    log_joint : Density or None
        Of the model, None where it has none: then nothing is exchangeable that is not said to be.
    vector : ndarray of shape (n, size)
        Unconstrained draws of all free variables.
    observed : mapping of str to ndarray of shape (n, *shape)
        The data drawn with them.
    """
    told = None if exchangeable == "auto" else list(exchangeable)
    if log_joint is None:
        return Found(told or [], {})
    candidates = _candidates(model, LEAST) if told is None else told
    sizes = shapes(model)
    found = exchangeable_dims(log_joint, vector, observed, dims_of(model), candidates, sizes)
    return found if told is None else Found(told, found.within)


def layout_of(model: pm.Model, of_model: Parameters, found: Found, *, gaps: bool = False) -> Layout:
    """Lay a model's data out.

    Parameters
    ----------
    model : pm.Model
        The model.
    of_model : Parameters
        Those that are inferred.
    found : Found
        What is exchangeable.
    gaps : bool, default False
        Whether data may be missing.
    """
    sizes, dims, lengths = shapes(model), dims_of(model), lengths_of(model)
    varying = list(lengths.pools) if lengths else []
    own = [dim for dim in varying if dim not in found.dims]
    return data_layout(
        {name: sizes[name] for name in observed_names(model)},
        dims,
        outcomes=[rv.name for rv in outcome_variables(model)],
        exchangeable=found.dims,
        ordered=list(dict.fromkeys([*own, *_ordered(model, found.dims)])),
        within=found.within,
        parameter_sizes=of_model.shapes,
        varying=varying,
        gaps=gaps,
    )


def honoured(
    model: pm.Model, of_model: Parameters, found: Found, *, gaps: bool
) -> tuple[Found, Layout]:
    """Leave out the dims that networks cannot heed beside others, and lay data out.

    Data that may be permuted along two dims, but not along one for each element of the other, are
    a set along one of the two only.

    Parameters
    ----------
    model : pm.Model
        The model.
    of_model : Parameters
        Those that are inferred.
    found : Found
        What is exchangeable.
    gaps : bool
        Whether data may be missing.
    """
    layout = layout_of(model, of_model, found, gaps=gaps)
    nested = {outer: inner for outer, inner in found.within.items() if layout.is_nested(outer)}
    kept = {*layout.exchangeable, *nested.values()}
    if kept == set(found.dims):
        return found, layout
    found = Found([dim for dim in found.dims if dim in kept], nested)
    return found, layout_of(model, of_model, found, gaps=gaps)


def _candidates(model: pm.Model, least: int) -> list[str]:
    """Dims of the observed variables that are long enough, each once."""
    sizes, dims = shapes(model), dims_of(model)
    names = [rv.name for rv in outcome_variables(model)]
    every = [d for n in names for d, s in zip(dims[n], sizes[n], strict=True) if s >= least]
    return list(dict.fromkeys(every))


def _ordered(model: pm.Model, exchangeable: Sequence[str]) -> list[str]:
    """Dims along which an observed variable is one draw from a multivariate distribution.

    What a user's function draws is taken for one, whatever it says of itself.
    """
    dims = dims_of(model)
    every = []
    for rv in outcome_variables(model):
        known = log_density(model, rv) is not None
        support = getattr(rv.owner.op, "ndim_supp", 0) if known else rv.ndim
        every += dims[rv.name][rv.ndim - support :]
    return [dim for dim in dict.fromkeys(every) if dim not in exchangeable]


def _listed(dims: Sequence[str]) -> str:
    return ", ".join(map(repr, dims)) or "there are none"

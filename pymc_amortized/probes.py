"""Points at which a file keeps a model's log density, so that a changed model is noticed."""

from collections.abc import Mapping

import numpy as np
import pymc as pm

from pymc_amortized.data import flat
from pymc_amortized.density import Density, density
from pymc_amortized.forward import forward_sampler
from pymc_amortized.parameters import Parameters, parameters, split
from pymc_amortized.structure import has_likelihood, observed_names, shapes, sorted_names

__all__ = ["check_probes", "probes"]

PROBES = 5
"""Prior draws at which a file keeps the model's log density."""

TOLERANCE = 1e-6
"""Relative difference of log densities that releases of PyMC are allowed."""

Arrays = dict[str, np.ndarray]


def probes(model: pm.Model) -> Arrays:
    """Points of all free variables, and the model's log density there.

    Parameters
    ----------
    model : pm.Model
        The model.

    Returns
    -------
    dict of str to ndarray
        ``vector`` (points, size), ``data`` (points, elements) and ``log_density`` (points,); empty
        where not even the prior has a density.
    """
    draws = forward_sampler(model, sort=sorted_names(model)).complete(PROBES, 0)
    of_model = parameters(model, draws)
    of_points = _probe_density(model, of_model.shapes)
    if of_points is None:
        return {}
    vector, _ = of_model.unconstrain(of_model.dequantized(draws, np.random.default_rng(0)))
    data = {name: draws[name] for name in observed_names(model)}
    log_density = of_points.log_joint(vector[:, None], data)[:, 0]
    return {"vector": vector, "data": flat(data), "log_density": log_density}


def check_probes(model: pm.Model, of_model: Parameters, saved: Arrays) -> None:
    """Refuse a model whose log density is not that of a file.

    Parameters
    ----------
    model : pm.Model
        The model.
    of_model : Parameters
        Of all its free variables.
    saved : dict of str to ndarray
        What :func:`probes` gave.

    Raises
    ------
    ValueError
        If it differs.
    """
    if not saved:
        return
    observed = _unflatten(model, saved["data"])
    of_points = density(model, of_model.shapes, likelihood=has_likelihood(model))
    now = of_points.log_joint(saved["vector"][:, None], observed)[:, 0]
    if not np.allclose(now, saved["log_density"], rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
        raise ValueError(
            "model: expected the prior and likelihood that the file was trained on, got a model "
            f"whose log density is {now[0]:.6g} where it was {saved['log_density'][0]:.6g}. Load "
            "it with the model of then, or train again with pma.fit."
        )


def _unflatten(model: pm.Model, rows: np.ndarray) -> Arrays:
    """Invert :func:`pymc_amortized.data.flat` for the observed variables of a model."""
    observed = {rv.name: rv for rv in model.observed_RVs}
    sizes = {name: shapes(model)[name] for name in observed_names(model)}
    pieces = split(rows, sizes)
    return {n: p.astype(observed[n].dtype) for n, p in zip(sizes, pieces, strict=True)}


def _probe_density(model: pm.Model, shape_of: Mapping[str, tuple[int, ...]]) -> Density | None:
    """The log joint, or the log prior of a model without likelihood."""
    try:
        return density(model, shape_of, likelihood=has_likelihood(model))
    except NotImplementedError:  # not even the prior has a density
        return None

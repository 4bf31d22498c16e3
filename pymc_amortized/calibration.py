"""Simulation-based calibration: whether posteriors of simulated data hold what made the data."""

from collections.abc import Mapping
from itertools import product

import numpy as np
import pymc as pm
import xarray as xr

from pymc_amortized.density import Density, density
from pymc_amortized.generation import attributes
from pymc_amortized.inference_data import labelled
from pymc_amortized.ranks import LEVELS, coverage, scaled_ranks, tarp, uniformity
from pymc_amortized.sampling import Sampler
from pymc_amortized.structure import observed_names

__all__ = ["LOG_DENSITIES", "calibrate", "quantity_labels"]

Arrays = Mapping[str, np.ndarray]

LOG_DENSITIES = ("log_likelihood", "log_joint")
"""Quantities besides the parameters, where the model has a likelihood."""

SIGNIFICANT = 0.05
"""A quantity whose ranks are less likely than that is not calibrated."""


def calibrate(
    model: pm.Model, sampler: Sampler, simulated: Arrays, draws: int, rng: np.random.Generator
) -> dict[str, xr.Dataset]:
    """Hold the network's posteriors of simulated data against the parameters that made these.

    Parameters
    ----------
    model : pm.Model
        The model.
    sampler : Sampler
        Of its amortized posterior.
    simulated : mapping of str to ndarray of shape (simulations, *shape)
        Joint draws of the free and the observed variables.
    draws : int
        Posterior draws for each.
    rng : numpy.random.Generator
        Source of all randomness.

    Returns
    -------
    dict of str to xarray.Dataset
        The groups ``prior_sbc`` and ``calibration``.
    """
    true_vector, _ = sampler.parameters.unconstrain(sampler.parameters.dequantized(simulated, rng))
    observed = {name: simulated[name] for name in observed_names(model)}
    vector = sampler.vectors(observed, draws, rng)
    known = sampler.density is not None
    prior = density(model, sampler.parameters.shapes, likelihood=False) if known else None
    truth = _quantities(sampler, prior, true_vector[:, None], observed)
    posterior = _quantities(sampler, prior, vector, observed)
    ranks = {
        name: scaled_ranks(_rows(truth[name])[:, 0], _rows(values), rng)
        for name, values in posterior.items()
    }
    shaped = {n: r.reshape(1, len(r), *posterior[n].shape[2:]) for n, r in ranks.items()}
    sbc = labelled(model, shaped, {"chain": None, "draw": None})
    return {
        "prior_sbc": sbc,
        "calibration": _summary(sbc, ranks, truth, posterior, rng),
    }


def _quantities(
    sampler: Sampler, prior: Density | None, vector: np.ndarray, observed: Arrays
) -> dict[str, np.ndarray]:
    """Free variables, and log densities of the data and jointly: (simulations, draws, *shape)."""
    simulations, draws, size = vector.shape
    free, _ = sampler.parameters.constrain(vector.reshape(-1, size))
    found = {n: v.reshape(simulations, draws, *v.shape[1:]) for n, v in free.items()}
    if prior is None:
        return found
    log_joint = sampler.density.log_joint(vector, observed)
    log_likelihood = log_joint - prior.log_joint(vector, observed)
    return found | dict(zip(LOG_DENSITIES, (log_likelihood, log_joint), strict=True))


def _rows(values: np.ndarray) -> np.ndarray:
    """One quantity a column: (simulations, draws, *shape) to (simulations, draws, elements)."""
    return values.reshape(*values.shape[:2], -1)


def quantity_labels(sbc: xr.Dataset) -> list[str]:
    """Name each scalar as ``az.summary`` does."""
    labels = []
    for name, variable in sbc.items():
        cells = product(*(variable[dim].to_numpy() for dim in variable.dims[2:]))
        labels += [f"{name}[{', '.join(map(str, c))}]" if c else str(name) for c in cells]
    return labels


def _summary(
    sbc: xr.Dataset,
    ranks: Arrays,
    truth: Arrays,
    posterior: Arrays,
    rng: np.random.Generator,
) -> xr.Dataset:
    names = list(sbc.data_vars)
    flat_ranks = np.concatenate([ranks[name] for name in names], axis=1)
    true = np.concatenate([_rows(truth[name])[:, 0] for name in names], axis=1)
    draws = np.concatenate([_rows(posterior[name]) for name in names], axis=2)
    owners = [name for name in names for _ in range(ranks[name].shape[1])]
    parameters = np.array([name not in LOG_DENSITIES for name in owners])
    mean, sd = draws.mean(axis=1), draws.std(axis=1)
    spread = np.where(parameters & (true.var(axis=0) > 0), true.var(axis=0), np.nan)
    found = uniformity(flat_ranks, rng)
    regions = tarp(true[:, parameters], draws[..., parameters], rng)[:, None]
    of_regions = uniformity(regions, rng)
    each = ("simulation", "quantity")
    columns = {
        "p_value": ("quantity", found.p_value),
        "calibrated": ("quantity", found.p_value >= SIGNIFICANT),
        "coverage": (("level", "quantity"), coverage(flat_ranks)),
        "contraction": ("quantity", 1 - (sd**2).mean(axis=0) / spread),
        "truth": (each, true),
        "mean": (each, mean),
        "sd": (each, sd),
        "z_score": (each, (mean - true) / np.where(sd > 0, sd, np.nan)),
        "tarp_coverage": ("level", np.mean(regions <= LEVELS, axis=0)),
        "tarp_p_value": ((), of_regions.p_value[0]),
        "band": (("bound", "point"), found.band),
    }
    coords = {
        "quantity": quantity_labels(sbc),
        "level": LEVELS,
        "point": found.points,
        "bound": ["lower", "upper"],
    }
    return xr.Dataset(columns, coords, attributes(None, []))

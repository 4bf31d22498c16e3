"""Simulation-based calibration: whether posteriors of simulated data hold what made the data."""

import warnings
from collections.abc import Mapping
from itertools import product

import numpy as np
import pymc as pm
import xarray as xr

from pymc_amortized.conditioning import (
    LogLikelihood,
    draws_needed,
    effective_sample_size,
    log_weights,
    normalized,
)
from pymc_amortized.data import Datasets
from pymc_amortized.density import density
from pymc_amortized.generation import attributes
from pymc_amortized.inference_data import labelled
from pymc_amortized.missing import Missing
from pymc_amortized.ranks import LEVELS, coverage, scaled_ranks, tarp, uniformity
from pymc_amortized.sampling import Drawn, Predict, Sampler

__all__ = [
    "FEWEST_SIMULATIONS",
    "LOG_DENSITIES",
    "calibrate",
    "check_condition",
    "quantity_labels",
    "ranks_group",
    "replicate",
]

Arrays = Mapping[str, np.ndarray]

LOG_DENSITIES = ("log_likelihood", "log_joint")
"""Quantities besides the parameters, where the model has a likelihood."""

FEWEST_SIMULATIONS = 20
"""Ranks of fewer are uniform whatever the network is worth."""

SIGNIFICANT = 0.05
"""A quantity whose ranks are less likely than that is not calibrated."""

FEW = 0.25
"""Part of the draws asked for: ranks tell little where weights leave fewer."""


def calibrate(
    model: pm.Model,
    sampler: Sampler,
    missing: Missing,
    simulated: Arrays,
    draws: int,
    rng: np.random.Generator,
    *,
    given: Arrays | None = None,
) -> dict[str, xr.Dataset]:
    """Hold the network's posteriors of simulated data against the parameters that made these.

    Parameters
    ----------
    model : pm.Model
        The model.
    sampler : Sampler
        Of its amortized posterior.
    missing : Missing
        What is missing of simulated data.
    simulated : mapping of str to ndarray of shape (simulations, *shape)
        Joint draws of the free and the observed variables; those not finite are left out.
    draws : int
        Posterior draws for each; where they are weighted, so many shall be left.
    rng : numpy.random.Generator
        Source of all randomness.
    given : mapping of str to ndarray of shape (1, *shape), optional
        Data whose posterior the simulated parameters come from; by default from the prior.

    Returns
    -------
    dict of str to xarray.Dataset
        The groups ``prior_sbc``, or ``posterior_sbc`` if data are given, and ``calibration``.
    """
    truth, complete = _finite(sampler, missing, simulated, rng)
    observed = missing.apply(complete, rng)
    likelihood = _log_likelihood(model, sampler)
    number = draws
    if given is not None:
        number = draws_needed(sampler, likelihood, observed, given, draws, rng)
    vector = np.concatenate([truth[:, None], sampler.vectors(observed, number, rng)], axis=1)
    log_weight = log_weights(likelihood, vector, given)
    values = _quantities(sampler, likelihood, vector, observed)
    ranks = _ranks(values, log_weight, rng)
    shaped = {n: r.reshape(1, len(r), *values[n].shape[2:]) for n, r in ranks.items()}
    sbc = labelled(model, shaped, {"chain": None, "draw": None})
    summary = _summary(sbc, ranks, values, log_weight, rng)
    if given is None:
        return {"prior_sbc": sbc, "calibration": summary}
    summary["importance_ess"] = ("simulation", effective_sample_size(log_weight[:, 1:]))
    summary.attrs["conditional_on"] = ", ".join(given)
    _warn_of_few(float(summary["importance_ess"].median()), draws)
    return {"posterior_sbc": sbc, "calibration": summary}


def ranks_group(calibration: xr.Dataset) -> str:
    """Name of the group of the ranks that the group ``calibration`` sums up."""
    return "posterior_sbc" if "conditional_on" in calibration.attrs else "prior_sbc"


def check_condition(cannot: str, datasets: Datasets | None) -> None:
    """Refuse what ranks cannot be conditional on.

    Parameters
    ----------
    cannot : str
        Why draws have no weights, "" if they have.
    datasets : Datasets or None
        What was passed as `observed`.

    Raises
    ------
    ValueError
        If something was passed, and it is many datasets or draws have no weights.
    """
    if datasets is None:
        return
    if cannot:
        raise ValueError(
            f"observed: expected None, because {cannot} to weight draws by, got data. Leave it out "
            "to check the network for all data that the model makes."
        )
    if datasets.dims:
        raise ValueError(
            "observed: expected a single dataset, got many along "
            f"{', '.join(datasets.dims)}. Pass one of them."
        )


def replicate(
    sampler: Sampler, predict: Predict, given: Arrays, number: int, rng: np.random.Generator
) -> Drawn:
    """Draw parameters from the posterior of one dataset, and new data for each.

    Parameters
    ----------
    sampler : Sampler
        Of the amortized posterior; importance weights refine what it draws.
    predict : callable
        Draws observed variables given free ones.
    given : mapping of str to ndarray of shape (1, *shape)
        The dataset.
    number : int
        How many.
    rng : numpy.random.Generator
        Source of all randomness.

    Returns
    -------
    Drawn
        Values and predictions of shape (1, number, *shape).
    """
    names = sampler.parameters.names
    options = {"refine": True, "predict": predict, "advance": lambda _: None}
    return sampler.draw(given, number, names, rng, **options)


def _finite(
    sampler: Sampler, missing: Missing, simulated: Arrays, rng: np.random.Generator
) -> tuple[np.ndarray, Arrays]:
    """Unconstrained parameters and data, of the simulations that came out finite."""
    continuous = sampler.parameters.dequantized(simulated, rng)
    vector, _ = sampler.parameters.unconstrain(continuous)
    observed = {name: simulated[name] for name in missing.sizes}
    good = np.isfinite(vector).all(axis=1) & missing.finite(observed)
    return vector[good], {name: values[good] for name, values in observed.items()}


def _log_likelihood(model: pm.Model, sampler: Sampler) -> LogLikelihood | None:
    """Log density of data alone, of a model that has one."""
    if sampler.density is None:
        return None
    prior = density(model, sampler.parameters.shapes, likelihood=False)
    return lambda vector, data: (
        sampler.density.log_joint(vector, data) - prior.log_joint(vector, data)
    )


def _quantities(
    sampler: Sampler, likelihood: LogLikelihood | None, vector: np.ndarray, observed: Arrays
) -> dict[str, np.ndarray]:
    """Free variables, and log densities of the data and jointly: (simulations, draws, *shape)."""
    simulations, draws, size = vector.shape
    free, _ = sampler.parameters.constrain(vector.reshape(-1, size))
    found = {n: v.reshape(simulations, draws, *v.shape[1:]) for n, v in free.items()}
    if likelihood is None:
        return found
    densities = (likelihood(vector, observed), sampler.density.log_joint(vector, observed))
    return found | dict(zip(LOG_DENSITIES, densities, strict=True))


def _rows(values: np.ndarray) -> np.ndarray:
    """One quantity a column: (simulations, draws, *shape) to (simulations, draws, elements)."""
    return values.reshape(*values.shape[:2], -1)


def _ranks(
    values: Arrays, log_weight: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Rank the first of all draws, which is the truth, among the others."""
    rows, weights = {name: _rows(each) for name, each in values.items()}, normalized(log_weight)
    return {n: scaled_ranks(row[:, 0], row[:, 1:], rng, weights) for n, row in rows.items()}


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
    values: Arrays,
    log_weight: np.ndarray,
    rng: np.random.Generator,
) -> xr.Dataset:
    names = list(sbc.data_vars)
    flat_ranks = np.concatenate([ranks[name] for name in names], axis=1)
    every = np.concatenate([_rows(values[name]) for name in names], axis=2)
    true, draws = every[:, 0], every[:, 1:]
    owners = [name for name in names for _ in range(ranks[name].shape[1])]
    parameters = np.array([name not in LOG_DENSITIES for name in owners])
    mean, sd = _moments(draws, normalized(log_weight[:, 1:]))
    spread = np.where(parameters & (true.var(axis=0) > 0), true.var(axis=0), np.nan)
    found = uniformity(flat_ranks, rng)
    both = true[:, parameters], draws[..., parameters]
    regions = tarp(*both, rng, normalized(log_weight))[:, None]
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


def _moments(draws: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted means and standard deviations: (simulations, quantities) each.

    A log density can be -inf; where the mean then is, there is no standard deviation.
    """
    mean = weights[:, None] @ draws
    unknown = np.full_like(draws, np.nan)
    deviation = np.subtract(draws, mean, out=unknown, where=np.isfinite(mean))
    return mean[:, 0], np.sqrt(weights[:, None] @ np.square(deviation))[:, 0]


def _warn_of_few(left: float, draws: int) -> None:
    if left < FEW * draws:
        warnings.warn(
            f"The likelihood of `observed` leaves {left:.0f} of the network's draws for half of "
            f"the simulations, of {draws} asked for: a wrong posterior may pass. Pass more draws.",
            stacklevel=4,
        )

"""How far draws of one parameter are from those of another, by many parameters at once."""

import numpy as np
import xarray as xr

from pymc_amortized.generation import SAMPLE_DIMS, mean_standard_error

__all__ = ["distances", "moments"]


def moments(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, sd and Monte Carlo standard error of the mean, each of shape (parameters,).

    Parameters
    ----------
    draws : ndarray of shape (chains, draws, parameters)
        Draws; all three are NaN where some are not finite.
    """
    finite = np.isfinite(draws).all(axis=(0, 1))
    constant = finite & (draws == draws[:1, :1]).all(axis=(0, 1))
    mean, sd, error = np.full((3, draws.shape[-1]), np.nan)
    mean[constant], sd[constant], error[constant] = draws[0, 0, constant], 0, 0
    vary = finite & ~constant
    if vary.any():
        varying = draws[..., vary]
        mean[vary], sd[vary] = varying.mean(axis=(0, 1)), varying.std(axis=(0, 1), ddof=1)
        dataset = xr.Dataset({"x": ((*SAMPLE_DIMS, "parameter"), varying)})
        error[vary] = mean_standard_error(dataset)["x"]
    return mean, sd, error


def distances(
    draws: np.ndarray, base: np.ndarray, of_base: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> dict[str, np.ndarray]:
    """Distances of each parameter's draws from those of the reference.

    Parameters
    ----------
    draws : ndarray of shape (chains, draws, parameters)
        Draws of a fit.
    base : ndarray of shape (chains, draws, parameters)
        Those of the reference; chains and draws may be other in number.
    of_base : tuple of ndarray
        The :func:`moments` of the reference.

    Returns
    -------
    dict of str to ndarray of shape (parameters,)
        The columns of :func:`pymc_amortized.compare`, which says what they are.
    """
    mean, sd, error = moments(draws)
    base_mean, base_sd, base_error = of_base
    scale = np.where(base_sd > 0, base_sd, np.nan)
    joint_error = np.hypot(error, base_error)
    return {
        "mean": mean,
        "sd": sd,
        "reference_mean": base_mean,
        "reference_sd": base_sd,
        "mean_difference": (mean - base_mean) / scale,
        "z": (mean - base_mean) / np.where(joint_error > 0, joint_error, np.nan),
        "sd_ratio": sd / scale,
        "wasserstein": _wasserstein(draws, base, np.isfinite(mean + scale)) / scale,
    }


def _wasserstein(draws: np.ndarray, base: np.ndarray, known: np.ndarray) -> np.ndarray:
    """1-Wasserstein distance of each parameter, NaN where not `known`."""
    from scipy.stats import wasserstein_distance  # half a second that PyMC 6 does not spend

    distances = np.full(known.shape, np.nan)
    for position in np.flatnonzero(known):
        distances[position] = wasserstein_distance(
            draws[..., position].ravel(), base[..., position].ravel()
        )
    return distances

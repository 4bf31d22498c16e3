"""Standard normal noise that flows turn into parameters, and its log density."""

import numpy as np

__all__ = ["defensive_noise", "standard_noise"]

WIDE_PART = 0.2
"""Part of the defensive draws whose noise is wider."""

WIDTH = 0.7
"""By how much it is wider, times the square root of the number of parameters: both kinds of noise
then still meet where there are many."""

Noise = tuple[np.ndarray, np.ndarray, np.ndarray]


def standard_noise(shape: tuple[int, ...], rng: np.random.Generator) -> Noise:
    """Draw noise of a shape, the last axis that of parameters.

    Returns
    -------
    noise : ndarray
        Of that shape.
    log_density, log_proposal : ndarray
        The standard normal's of each draw, and that which it was drawn from: the same here.
    """
    noise = rng.standard_normal(shape, np.float32)
    own = _log_density(_squares(noise), shape[-1])
    return noise, own, own


def defensive_noise(shape: tuple[int, ...], rng: np.random.Generator) -> Noise:
    """Draw a part of the noise wider, so that importance weights are bounded.

    Returns
    -------
    noise : ndarray
        Of that shape.
    log_density, log_proposal : ndarray
        The standard normal's of each draw, and the mixture's that it was drawn from.

    References
    ----------
    Hesterberg (1995), Weighted average importance sampling and defensive mixture distributions,
    Technometrics 37. Owen and Zhou (2000), Safe and effective importance sampling, JASA 95.
    """
    size = shape[-1]
    wide = np.float32(1 + WIDTH / size**0.5)
    noise = rng.standard_normal(shape, np.float32)
    noise[rng.random(shape[:-1], np.float32) < WIDE_PART] *= wide
    squares = _squares(noise)
    own = _log_density(squares, size)
    excess = squares / 2 * (1 - wide**-2) - size * np.log(wide) + np.log(WIDE_PART)
    return noise, own, own + np.logaddexp(np.log1p(-WIDE_PART), excess, dtype=np.float32)


def _squares(noise: np.ndarray) -> np.ndarray:
    return np.einsum("...i,...i", noise, noise)


def _log_density(squares: np.ndarray, size: int) -> np.ndarray:
    return -squares / 2 - np.float32(size / 2 * np.log(2 * np.pi))

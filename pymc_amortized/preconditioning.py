"""Bring parameters and data to the scale of one, by what the first simulations look like."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

__all__ = ["Preconditioner", "Standardization", "fit_preconditioner", "fit_standardization"]

NORMAL_IQR = 1.3489795003921634
"""Interquartile range of the standard normal distribution."""

HEAVY = 10.0
"""A 99.9 % quantile this many normal standard deviations away calls for arcsinh: the normal's lies
at 3.3, Laplace's at 6.6, Student's with 2 degrees of freedom at 19."""

PENALTIES = 10.0 ** np.arange(-10, 4)
"""Ridge penalties that are tried, relative to the mean squared singular value."""

LEAST_FREEDOM = 0.2
"""Part of the simulations that a regression must not have used up."""

BOUND = 1e3
"""Standardized data go to a network no further out than this."""


class Standardization(NamedTuple):
    """An elementwise, increasing map to the scale of one.

    Attributes
    ----------
    location, scale : ndarray of shape (size,)
        Median and robust standard deviation.
    heavy : ndarray of bool of shape (size,)
        Elements with heavy tails, which go through arcsinh besides.
    """

    location: np.ndarray
    scale: np.ndarray
    heavy: np.ndarray

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Standardize values of shape (*batch, size)."""
        scaled = (values - self.location) / self.scale
        return np.where(self.heavy, np.arcsinh(scaled), scaled)

    def inverse(self, standardized: np.ndarray) -> np.ndarray:
        """Go back to values; shapes as in :meth:`forward`."""
        inner = np.where(self.heavy, standardized, 0.0)
        return self.location + self.scale * np.where(self.heavy, np.sinh(inner), standardized)

    def log_det(self, standardized: np.ndarray) -> np.ndarray:
        """Log-determinant of :meth:`inverse`: (*batch, size) to (*batch,)."""
        inner = np.where(self.heavy, np.abs(standardized), 0.0)
        log_cosh = inner + np.log1p(np.exp(-2 * inner)) - np.log(2)
        return np.sum(np.where(self.heavy, log_cosh, 0.0) + np.log(self.scale), axis=-1)


def fit_standardization(values: np.ndarray) -> Standardization:
    """Standardize by median and interquartile range.

    Where half of the values are equal, the mean absolute deviation is the scale; where all are,
    it is one.

    Parameters
    ----------
    values : ndarray of shape (n, size)
        Finite values.
    """
    low, location, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
    deviation = np.abs(values - location)
    scale = (high - low) / NORMAL_IQR
    scale = np.where(scale > 0, scale, deviation.mean(axis=0))
    scale = np.where((scale > 0) & np.isfinite(scale), scale, 1.0)
    heavy = np.quantile(deviation, 0.999, axis=0) > HEAVY * scale
    return Standardization(location, scale, heavy)


class Preconditioner(NamedTuple):
    """What is known of the posterior before any network is trained: its linear part.

    Standardized parameters are predicted from standardized data by ridge regression, and only
    what remains, decorrelated, is left to the networks. The map from what remains to the
    parameters is affine given the data, so densities stay exact. For a linear model with normal
    noise and prior this alone is the posterior. Regression as a summary of the data: Fearnhead
    and Prangle (2012, JRSS B 74), Beaumont, Zhang and Balding (2002, Genetics 162).

    Attributes
    ----------
    parameters, data : Standardization
        Of unconstrained parameters (size) and of data (elements).
    intercept : ndarray of shape (size,)
        Prediction at standardized data of zero.
    slopes : ndarray of shape (elements, size)
        Change of the prediction by the data.
    cholesky : ndarray of shape (size, size)
        Lower Cholesky factor of the covariance of what remains.
    """

    parameters: Standardization
    data: Standardization
    intercept: np.ndarray
    slopes: np.ndarray
    cholesky: np.ndarray

    def features(self, data: np.ndarray) -> np.ndarray:
        """Standardize data of shape (datasets, elements), bounded for the networks' sake."""
        return np.clip(self.data.forward(data), -BOUND, BOUND)

    def remainder(self, vector: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Take the linear part away.

        Parameters
        ----------
        vector : ndarray of shape (*draws, datasets, size)
            Unconstrained parameters.
        features : ndarray of shape (datasets, elements)
            Standardized data.

        Returns
        -------
        remainder : ndarray of shape (*draws, datasets, size)
            What a network has to learn the distribution of.
        log_det : ndarray of shape (*draws, datasets)
            Log-determinant of the way back.
        """
        standardized = self.parameters.forward(vector)
        centred = standardized - self._prediction(features)
        return centred @ np.linalg.inv(self.cholesky).T, self._log_det(standardized)

    def restore(self, remainder: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Invert :meth:`remainder`: unconstrained parameters, and the log-determinant to them."""
        standardized = remainder @ self.cholesky.T + self._prediction(features)
        return self.parameters.inverse(standardized), self._log_det(standardized)

    def arrays(self) -> dict[str, np.ndarray]:
        """All numbers, by name, for :meth:`from_arrays`."""
        parts = {"parameters": self.parameters, "data": self.data}
        nested = {f"{p}.{f}": a for p, s in parts.items() for f, a in s._asdict().items()}
        own = {name: getattr(self, name) for name in ("intercept", "slopes", "cholesky")}
        return nested | own

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Preconditioner":
        """Make one of what :meth:`arrays` gave."""
        fields = Standardization._fields
        parts = {p: Standardization(*(arrays[f"{p}.{f}"] for f in fields)) for p in cls._fields[:2]}
        return cls(**parts, **{name: arrays[name] for name in cls._fields[2:]})

    def _prediction(self, features: np.ndarray) -> np.ndarray:
        return self.intercept + features @ self.slopes

    def _log_det(self, standardized: np.ndarray) -> np.ndarray:
        own = np.log(np.diag(self.cholesky)).sum()
        return own + self.parameters.log_det(standardized)


def fit_preconditioner(vector: np.ndarray, data: np.ndarray) -> Preconditioner:
    """Fit standardizations and the linear part to simulations.

    Parameters
    ----------
    vector : ndarray of shape (n, size)
        Unconstrained parameters.
    data : ndarray of shape (n, elements)
        Data simulated from them.
    """
    of_parameters, of_data = fit_standardization(vector), fit_standardization(data)
    standardized = of_parameters.forward(vector)
    features = np.clip(of_data.forward(data), -BOUND, BOUND)
    intercept, slopes, inflation = _ridge(features, standardized)
    remainder = (standardized - intercept - features @ slopes) * inflation
    return Preconditioner(of_parameters, of_data, intercept, slopes, _cholesky(remainder))


def _ridge(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ridge regression by generalized cross-validation (Golub, Heath and Wahba 1979).

    Returns intercepts (size,), slopes (elements, size) and by how much each residual is too small
    for being one of the fit's own (size,).
    """
    n = len(x)
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    squares, axes = np.linalg.eigh((x - x_mean).T @ (x - x_mean))
    squares = np.maximum(squares, 0.0)
    cross = axes.T @ ((x - x_mean).T @ (y - y_mean))
    penalties = PENALTIES * max(squares.mean(), np.finfo(float).tiny) + np.finfo(float).tiny
    shrinkage = squares / (squares + penalties[:, None])
    explained = np.einsum("pe,es->ps", (2 - shrinkage) / (squares + penalties[:, None]), cross**2)
    leftover = np.maximum(((y - y_mean) ** 2).sum(axis=0) - explained, 0.0)
    freedom = 1 - (shrinkage.sum(axis=1, keepdims=True) + 1) / n
    # a fit through all points leaves nothing over, and nothing to judge it by
    score = np.where(freedom > LEAST_FREEDOM, leftover / np.maximum(freedom, 1e-3) ** 2, np.inf)
    best = np.argmin(score, axis=0)
    slopes = axes @ (cross / (squares[:, None] + penalties[best]))
    return y_mean - x_mean @ slopes, slopes, 1 / freedom[best, 0]


def _cholesky(remainder: np.ndarray) -> np.ndarray:
    """Cholesky factor of a covariance, correlations shrunk where simulations are few."""
    n, size = remainder.shape
    covariance = np.atleast_2d(np.cov(remainder.T))
    variance = np.maximum(np.diag(covariance), 1e-12)
    shrunk = covariance * (1 - min(1.0, size / n + 1e-6))
    np.fill_diagonal(shrunk, variance)
    return np.linalg.cholesky(shrunk)

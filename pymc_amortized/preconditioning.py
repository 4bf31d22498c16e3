"""Bring parameters and data to the scale of one, by what the first simulations look like."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pymc_amortized.encoding import Encoded, Encoder, Statistics, fit_encoder
from pymc_amortized.layout import Layout
from pymc_amortized.standardization import Standardization, fit_standardization

__all__ = ["Preconditioner", "fit_preconditioner"]

PENALTIES = 10.0 ** np.arange(-10, 4)
"""Ridge penalties that are tried, relative to the mean squared singular value."""

LEAST_FREEDOM = 0.2
"""Part of the simulations that a regression must not have used up."""


class Preconditioner(NamedTuple):
    """What is known of the posterior before any network is trained: its linear part.

    Standardized parameters are predicted from standardized data by ridge regression, and only
    what remains, decorrelated, is left to the networks. The map from what remains to the
    parameters is affine given the data, so densities stay exact. For a linear model with normal
    noise and prior this alone is the posterior. Regression as a summary of the data: Fearnhead
    and Prangle (2012, JRSS B 74), Beaumont, Zhang and Balding (2002, Genetics 162).

    Attributes
    ----------
    parameters : Standardization
        Of unconstrained parameters (size).
    encoder : Encoder
        Turns data into features.
    intercept : ndarray of shape (size,)
        Prediction at features of zero.
    slopes : ndarray of shape (plain, size)
        Change of the prediction by the features that have no structure.
    cholesky : ndarray of shape (size, size)
        Lower Cholesky factor of the covariance of what remains.
    """

    parameters: Standardization
    encoder: Encoder
    intercept: np.ndarray
    slopes: np.ndarray
    cholesky: np.ndarray

    def remainder(self, vector: np.ndarray, encoded: Encoded) -> tuple[np.ndarray, np.ndarray]:
        """Take the linear part away.

        Parameters
        ----------
        vector : ndarray of shape (*draws, datasets, size)
            Unconstrained parameters.
        encoded : Encoded
            The data, with axes that broadcast against those of `vector`.

        Returns
        -------
        remainder : ndarray of shape (*draws, datasets, size)
            What a network has to learn the distribution of.
        log_det : ndarray of shape (*draws, datasets)
            Log-determinant of the way back.
        """
        standardized = self.parameters.forward(encoded.arranged(vector))
        centred = standardized - self._prediction(encoded.features)
        return centred @ np.linalg.inv(self.cholesky).T, self._log_det(standardized)

    def restore(self, remainder: np.ndarray, encoded: Encoded) -> tuple[np.ndarray, np.ndarray]:
        """Invert :meth:`remainder`: unconstrained parameters, and the log-determinant to them."""
        standardized = remainder @ self.cholesky.T + self._prediction(encoded.features)
        vector = encoded.disarranged(self.parameters.inverse(standardized))
        return vector, self._log_det(standardized)

    def arrays(self) -> dict[str, np.ndarray]:
        """All numbers, by name, for :meth:`from_arrays`."""
        of_parameters = {f"parameters.{f}": a for f, a in self.parameters._asdict().items()}
        own = {name: getattr(self, name) for name in ("intercept", "slopes", "cholesky")}
        return of_parameters | self.encoder.arrays() | own

    @classmethod
    def from_arrays(cls, layout: Layout, arrays: Mapping[str, np.ndarray]) -> "Preconditioner":
        """Make one of what :meth:`arrays` gave."""
        of_parameters = (arrays[f"parameters.{f}"] for f in Standardization._fields)
        encoder = Encoder.from_arrays(layout, arrays)
        own = {name: arrays[name] for name in ("intercept", "slopes", "cholesky")}
        return cls(Standardization(*of_parameters), encoder, **own)

    def _prediction(self, features: np.ndarray) -> np.ndarray:
        return self.intercept + features[..., self.encoder.inputs.plain] @ self.slopes

    def _log_det(self, standardized: np.ndarray) -> np.ndarray:
        own = np.log(np.diag(self.cholesky)).sum()
        return own + self.parameters.log_det(standardized)


def fit_preconditioner(
    vector: np.ndarray, data: np.ndarray, layout: Layout, own: Sequence[Statistics] = ()
) -> Preconditioner:
    """Fit standardizations and the linear part to simulations.

    Parameters
    ----------
    vector : ndarray of shape (n, size)
        Unconstrained parameters.
    data : ndarray of shape (n, elements)
        Data simulated from them, NaN where there are none.
    layout : Layout
        Structure of the data.
    own : sequence of callable, default ()
        Users' statistics.
    """
    encoder = fit_encoder(data, layout, own)
    encoded = encoder.encode(data, training=True)
    arranged = encoded.arranged(vector)
    of_parameters = fit_standardization(arranged)
    standardized = of_parameters.forward(arranged)
    # in single precision, the rounding of features that depend on each other would be fitted
    predictors = encoded.features[:, encoder.inputs.plain].astype(np.float64)
    intercept, slopes, inflation = _ridge(predictors, standardized)
    remainder = (standardized - intercept - predictors @ slopes) * inflation
    return Preconditioner(of_parameters, encoder, intercept, slopes, _cholesky(remainder))


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

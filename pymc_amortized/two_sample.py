"""Whether two samples come from one distribution, all parameters at once."""

import warnings
from typing import Final, NamedTuple

import numpy as np
import xarray as xr

from pymc_amortized.generation import SAMPLE_DIMS, effective_sample_size

__all__ = ["TwoSample", "classifier_test", "joint_test", "kernel_test", "spacing"]

SEED: Final = 20170424
CORRELATION: Final = 0.05
"""Autocorrelation that is left in draws taken for independent."""

FEWEST: Final = 20
CLASSIFIED: Final = 2000
KERNEL_DRAWS: Final = 1000
IN_ALL: Final = 40_000
"""Draws of each fit: the least, the most for the classifier and for the kernel, and the most for
either of all datasets."""

FAR: Final = 1000.0
"""Reference sds beyond which draws are told apart anyhow, and squares may overflow."""

FOLDS: Final = 5
PERMUTATIONS: Final = 499


class TwoSample(NamedTuple):
    """Results of two tests, NaN where they do not exist.

    Attributes
    ----------
    c2st, c2st_p_value : float
        Accuracy of a classifier, as :func:`classifier_test` has it.
    mmd, mmd_p_value : float
        Squared maximum mean discrepancy, as :func:`kernel_test` has it.
    """

    c2st: float = np.nan
    c2st_p_value: float = np.nan
    mmd: float = np.nan
    mmd_p_value: float = np.nan


def spacing(draws: np.ndarray) -> np.ndarray:
    """How many draws apart those of a chain are as good as independent.

    Parameters
    ----------
    draws : ndarray of shape (chains, draws, parameters)
        Finite or not.

    Returns
    -------
    ndarray of shape (parameters,)
        At least 1, and 1 where all draws are equal; infinite where some are not finite, or where a
        chain has fewer than four draws. An autoregressive chain of the same effective sample size,
        the lesser of those of location and scale, has then an autocorrelation of 0.05 left.
    """
    steps = np.ones(draws.shape[-1])
    finite = np.isfinite(draws).all(axis=(0, 1))
    steps[~finite] = np.inf
    vary = finite & (draws != draws[:1, :1]).any(axis=(0, 1))
    if not vary.any():
        return steps
    x = draws[..., vary]
    folded = np.abs(x - np.median(x, axis=(0, 1)))
    dims = (*SAMPLE_DIMS, "parameter")
    found = effective_sample_size(xr.Dataset({"x": (dims, x), "folded": (dims, folded)}))
    # of two values at one distance from the median the scale has no effective sample size
    size = np.fmin(found["x"].to_numpy(), found["folded"].to_numpy())
    excess = np.maximum(x.shape[0] * x.shape[1] / size, 1.0)
    with np.errstate(divide="ignore"):  # no correlation at all: the logarithm is -inf
        apart = np.log(CORRELATION) / np.log((excess - 1) / (excess + 1))
    steps[vary] = np.where(np.isfinite(size), np.maximum(apart, 1.0), np.inf)
    return steps


def joint_test(
    draws: np.ndarray, base: np.ndarray, apart: tuple[float, float], datasets: int = 1
) -> TwoSample:
    """Test whether draws of all parameters are from the distribution of the reference.

    Parameters
    ----------
    draws : ndarray of shape (chains, draws, parameters)
        Draws of a fit.
    base : ndarray of shape (chains, draws, parameters)
        Those of the reference.
    apart : tuple of float
        The largest :func:`spacing` of any of the parameters, in the fit and in the reference.
    datasets : int, default 1
        Number of such tests: the more there are, the fewer draws they get.

    Returns
    -------
    TwoSample
        NaN if fewer than 20 independent draws are left, or all parameters are constant.
    """
    most = max(IN_ALL // datasets, FEWEST)
    numbers = [int(x[..., 0].size / step) for x, step in zip((draws, base), apart, strict=True)]
    if min(numbers) < FEWEST:
        return TwoSample()
    x, y = (_evenly(_rows(values), min(numbers)) for values in (draws, base))
    differ = (x != y[:1]).any(axis=0) | (y != y[:1]).any(axis=0)
    if not differ.any():
        return TwoSample()
    x, y = _standardized(x[:, differ], y[:, differ])
    few, fewer = min(CLASSIFIED, most), min(KERNEL_DRAWS, most)
    classified = classifier_test(_evenly(x, few), _evenly(y, few))
    return TwoSample(*classified, *kernel_test(_evenly(x, fewer), _evenly(y, fewer)))


def classifier_test(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Classifier two-sample test: how often a network tells held-out draws apart.

    Parameters
    ----------
    x, y : ndarray of shape (draws, parameters)
        Independent draws, as many of each, of scale one.

    Returns
    -------
    accuracy : float
        Five-fold cross-validated: 0.5 if there is nothing to tell, 1 if nothing is alike.
    p_value : float
        One-sided. Each pair of draws serves twice, one to train and one to test and the other way
        round, so that under the null the accuracy varies more than as many coin tosses would:
        by twice their variance if the classifier is linear in what it learns from. That is what is
        assumed; 1.4 to 1.6 times was found for 2 to 5 parameters, which errs to the safe side.

    References
    ----------
    Lopez-Paz and Oquab (2017), Revisiting classifier two-sample tests, ICLR. Lueckmann, Boelts,
    Greenberg, Gonçalves and Macke (2021), Benchmarking simulation-based inference, AISTATS, whose
    network this is, but for a width of at most 100, weight decay, and a fixed number of epochs,
    all of which cost less and overfit less.
    """
    from scipy.special import ndtr
    from sklearn.exceptions import ConvergenceWarning  # a second, and not for every user
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.neural_network import MLPClassifier

    width = min(10 * x.shape[1], 100)
    network = MLPClassifier(
        (width, width), alpha=1.0, learning_rate_init=3e-3, max_iter=25, random_state=SEED
    )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    labels = np.repeat([0, 1], [len(x), len(y)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is meant
        accuracy = cross_val_score(network, np.concatenate([x, y]), labels, cv=folds).mean()
    sd = np.sqrt(2 * 0.25 / len(labels))
    return float(accuracy), float(ndtr((0.5 - accuracy) / sd))


def kernel_test(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Kernel two-sample test by the maximum mean discrepancy.

    Parameters
    ----------
    x, y : ndarray of shape (draws, parameters)
        Independent draws, as many of each, of scale one.

    Returns
    -------
    squared_discrepancy : float
        Unbiased estimate for a Gaussian kernel as wide as the median distance of two draws: about
        zero, and as often below it as above, if the distributions are one.
    p_value : float
        Among 499 random ways of halving all draws.

    References
    ----------
    Gretton, Borgwardt, Rasch, Schölkopf and Smola (2012), A kernel two-sample test, JMLR 13.
    """
    from scipy.spatial.distance import pdist, squareform

    number = len(x)
    squares = pdist(np.concatenate([x, y]), "sqeuclidean")
    kernel = squareform(np.exp(-squares / (2 * (np.median(squares) or squares.mean()))))
    own = np.repeat([1.0, -1.0], number)
    shuffled = np.tile(own, (PERMUTATIONS, 1))
    signs = np.vstack([own, np.random.default_rng(SEED).permuted(shuffled, axis=1)])
    contrast = np.einsum("pi,pi->p", signs @ kernel, signs)  # within minus between
    total = kernel.sum()
    within, between = (total + contrast) / 2, (total - contrast) / 2
    estimates = within / (number * (number - 1)) - between / number**2
    p_value = (estimates >= estimates[0] - 1e-12).mean()
    return float(estimates[0]), float(p_value)


def _rows(draws: np.ndarray) -> np.ndarray:
    """All chains one after the other: (chains * draws, parameters)."""
    return draws.reshape(-1, draws.shape[-1])


def _evenly(rows: np.ndarray, number: int) -> np.ndarray:
    """At most so many rows, as far apart as can be."""
    number = min(number, len(rows))
    return rows[(np.arange(number) * len(rows)) // number]


def _standardized(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both by mean and sd of the second, or by the sd of both where the second is constant."""
    sd = y.std(axis=0)
    scale = np.where((y != y[:1]).any(axis=0), sd, np.concatenate([x, y]).std(axis=0))
    return tuple(np.clip((z - y.mean(axis=0)) / scale, -FAR, FAR) for z in (x, y))

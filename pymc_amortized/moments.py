"""Statistics of sets and series that networks are given beside what they learn."""

import numpy as np

from pymc_amortized.layout import Block, Layout

__all__ = ["block_statistics", "gap_statistics", "running_sums"]

FARTHEST = 20.0
"""Standardized values count no more than that in powers."""

MOST_COLUMNS = 8
"""Columns whose products are averaged two by two, and that outcomes are regressed on, at most."""

QUANTILES = (0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 1)
"""Of the outcomes of a set, or of what varied data leave unexplained of them."""

LAGS = (1, 2, 3, 5, 10)
"""Steps between the values of a series whose products are averaged."""

RIDGE = 1e-2
"""Observations of zero that a regression is given for each coefficient."""

LARGEST = 1e100
"""Values relative to their scale count no more than that in sums, so that products are finite."""

TINY = 1e-6


def block_statistics(features: np.ndarray, layout: Layout) -> np.ndarray:
    """Moments and regressions of all sets and series.

    Means, roots of means of powers, and means of products of columns, from which the sufficient
    statistics of normal, linear and autoregressive models follow; coefficients of outcomes on
    varied data by least squares; quantiles. Such summaries of data: Fearnhead and Prangle (2012),
    Constructing summary statistics for approximate Bayesian computation, JRSS B 74.

    Parameters
    ----------
    features : ndarray of shape (datasets, elements)
        Standardized data, NaN where there are none.
    layout : Layout
        Their structure.

    Returns
    -------
    ndarray of shape (datasets, statistics)
        Finite.
    """
    found = [np.empty((len(features), 0))]
    for block in layout.blocks:
        if block.kind == "grid":
            continue
        rows = features[:, block.index]
        if block.kind == "row" and block.groups > 1:
            rows = rows.reshape(len(rows) * block.groups, -1, rows.shape[2])
        each = _moments(rows, block, layout.gaps)
        if block.kind == "series":
            each.append(_lagged(rows, block))
        found.append(np.concatenate(each, axis=1).reshape(len(features), -1))
    return np.concatenate(found, axis=1)


def gap_statistics(features: np.ndarray, layout: Layout) -> np.ndarray:
    """Data of no block and of rows where some may be missing: zero there, and what is seen."""
    if not layout.gaps:
        return np.empty((len(features), 0))
    rows = [b.index.ravel() for b in layout.blocks if b.kind == "row" and b.groups == 1]
    places = np.unique(np.concatenate([layout.rest, *rows])).astype(int)
    seen = np.isfinite(features[:, places])
    return np.concatenate([np.where(seen, features[:, places], 0.0), seen], axis=1)


def running_sums(data: np.ndarray, scale: np.ndarray, layout: Layout) -> np.ndarray:
    """Totals of series, means of their sums so far and of products of these, through arcsinh.

    Counts of events and the exposure to them, from which rates of epidemics, populations and other
    counting processes are estimated (Andersen, Borgan, Gill and Keiding 1993, Statistical models
    based on counting processes).

    Parameters
    ----------
    data : ndarray of shape (datasets, elements)
        Data as they are, not finite where there are none.
    scale : ndarray of shape (elements,)
        Their size.
    layout : Layout
        Their structure.

    Returns
    -------
    ndarray of shape (datasets, statistics)
        Finite.
    """
    found = [np.empty((len(data), 0))]
    for block in layout.blocks:
        if block.kind == "series" and 0 < block.outcomes <= MOST_COLUMNS:
            index = block.index[:, : block.outcomes]
            found += _running(data[:, index] / scale[index].mean(axis=0))
    return np.arcsinh(np.concatenate(found, axis=1))


def _running(rows: np.ndarray) -> list[np.ndarray]:
    """Statistics of (datasets, length, outcomes), each (datasets, some)."""
    seen = np.isfinite(rows)
    steps = seen.any(axis=2, keepdims=True)
    length = np.maximum(steps.sum(axis=1), 1)
    values = np.clip(np.where(seen, rows, 0.0), -LARGEST, LARGEST)
    sums = values.cumsum(axis=1)
    before = (sums - values) * steps
    i, j = np.triu_indices(rows.shape[2])
    products = _products(before, before)[:, i, j]
    return [sums[:, -1], before.sum(axis=1) / length, products / length]


def _moments(rows: np.ndarray, block: Block, gaps: bool) -> list[np.ndarray]:
    """Statistics of (datasets, length, columns), each (datasets, some)."""
    seen = np.isfinite(rows).astype(np.float64)
    values = np.clip(np.where(seen, rows, 0.0), -FARTHEST, FARTHEST)
    number = np.maximum(seen.sum(axis=1), 1.0)
    columns, own = rows.shape[2], block.outcomes
    squares = np.square(values)
    found = [values.sum(axis=1) / number, np.sqrt(squares.sum(axis=1) / number)]
    left = values[..., :own]
    if 0 < own < columns <= MOST_COLUMNS:
        i, j = np.triu_indices(columns, 1)
        found.append((_products(values, values) / np.maximum(_products(seen, seen), 1))[:, i, j])
        coefficients, left = _regression(values, seen.all(axis=2), own)
        found.append(coefficients)
    if block.kind != "row":  # whose values networks see one by one
        cubes = (squares * values)[..., :own].sum(axis=1) / number[:, :own]
        found.append(np.cbrt(cubes))
    if block.kind == "set":
        found.append(_quantiles(np.where(seen[..., :own], left, np.inf)))
    if gaps:
        count = 1 + seen.sum(axis=1)
        found += [np.log(count), 1 / np.sqrt(count)]
    return found


def _products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Sums of products of columns: (datasets, columns, columns)."""
    return np.swapaxes(left, 1, 2) @ right


def _quantiles(values: np.ndarray) -> np.ndarray:
    """Quantiles of (datasets, length, outcomes), infinite where there are none."""
    ascending = np.sort(np.swapaxes(values, 1, 2), axis=2)
    last = np.maximum(np.isfinite(ascending).sum(axis=2, keepdims=True) - 1, 0)
    places = np.round(np.array(QUANTILES) * last).astype(int)
    found = np.take_along_axis(ascending, places, axis=2)
    return np.where(np.isfinite(found), found, 0.0).reshape(len(values), -1)


def _regression(
    values: np.ndarray, complete: np.ndarray, outcomes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of outcomes on the other columns and one, log variances of what is left; it."""
    weight = complete[..., None].astype(np.float64)
    y, x = values[..., :outcomes] * weight, values[..., outcomes:] * weight
    x = np.concatenate([weight, x], axis=2)
    gram = _products(x, x) + RIDGE * np.eye(x.shape[2])
    cross = _products(x, y)
    coefficients = np.linalg.solve(gram, cross)
    left = y - x @ coefficients
    variance = np.square(left).sum(axis=1) / np.maximum(complete.sum(axis=1), 1)[:, None]
    flat = np.clip(coefficients.reshape(len(values), -1), -FARTHEST, FARTHEST)
    return np.concatenate([flat, np.log(variance + TINY)], axis=1), left


def _lagged(rows: np.ndarray, block: Block) -> np.ndarray:
    """Autocovariances about zero and autocorrelations, the first step, and the size of steps."""
    own = np.clip(rows[..., : block.outcomes], -FARTHEST, FARTHEST)
    centred = own - _nanmean(own)[:, None]
    variance = np.maximum(_nanmean(np.square(centred)), TINY)
    found = [own[:, 0]]
    for lag in [lag for lag in LAGS if lag < own.shape[1]]:
        found.append(_nanmean(own[:, lag:] * own[:, :-lag]))
        found.append(_nanmean(centred[:, lag:] * centred[:, :-lag]) / variance)
    steps = np.diff(own, axis=1)
    found += [_nanmean(np.abs(steps)), _nanmean(steps**2)]
    return np.nan_to_num(np.concatenate(found, axis=1))


def _nanmean(values: np.ndarray) -> np.ndarray:
    seen = np.isfinite(values)
    return np.where(seen, values, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)

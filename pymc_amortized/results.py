"""What users get to see of draws: labelled groups, and warnings that name datasets."""

import warnings
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pymc as pm
import xarray as xr

from pymc_amortized.data import Datasets
from pymc_amortized.ends import Ends
from pymc_amortized.inference_data import (
    constant_data,
    dataset_values,
    labelled,
    observed_data,
)
from pymc_amortized.lengths import cut, lengths_in, lengths_of
from pymc_amortized.refinement import first_proposals, threshold, untrusted
from pymc_amortized.rescue import largest_r_hat
from pymc_amortized.sampling import Drawn
from pymc_amortized.structure import dims_of, observed_names, varied_names

__all__ = [
    "labelled_groups",
    "warn_of_chains",
    "warn_of_lengths",
    "warn_of_nothing",
    "warn_of_ranges",
    "warn_of_surprise",
    "warn_of_weights",
]

SURPRISING = 0.01
"""Probability of a warning where all datasets are the model's own."""

SLACK = 0.01
"""Part of the range of simulated values by which data may lie outside it."""

CURE = (
    "Look whether these data are like those that the model simulates, train longer, or let "
    'refine="auto" run NUTS for them.'
)


def labelled_groups(
    model: pm.Model, drawn: Drawn, sample_shape: tuple[int, int], datasets: Datasets
) -> dict[str, xr.Dataset]:
    """Label draws, what they were given, and what is known of them.

    Parameters
    ----------
    model : pm.Model
        The model.
    drawn : Drawn
        Draws for each dataset.
    sample_shape : tuple of int
        Chains, and draws in each.
    datasets : Datasets
        What the draws were given.

    Returns
    -------
    dict of str to xarray.Dataset
        Groups by name.
    """
    drawn, datasets = _trimmed(model, drawn, datasets)
    shape = (*sample_shape, *datasets.sizes)
    leading = {"chain": None, "draw": None, **datasets.dims}
    sampled = {
        "posterior": drawn.values,
        "sample_stats": drawn.statistics,
        "posterior_predictive": drawn.predicted,
    }
    groups = {
        name: labelled(model, _unstack(arrays, shape), leading) for name, arrays in sampled.items()
    }
    diagnosis = {name: values.reshape(datasets.sizes) for name, values in drawn.diagnosis.items()}
    groups["amortized"] = dataset_values(diagnosis, datasets.dims)
    shown = {
        n: np.where(np.isinf(v), np.nan, v) if v.dtype.kind == "f" else v
        for n, v in datasets.values.items()
    }
    data = {n: v.reshape((*datasets.sizes, *v.shape[1:])) for n, v in shown.items()}
    varied = {name: data.pop(name) for name in varied_names(model)}
    groups["observed_data"] = observed_data(model, data, datasets.dims)
    groups["constant_data"] = constant_data(model, varied, datasets.dims)
    return groups


def _trimmed(model: pm.Model, drawn: Drawn, datasets: Datasets) -> tuple[Drawn, Datasets]:
    """Arrays as long as the longest of these datasets."""
    lengths = lengths_of(model)
    if lengths is None:
        return drawn, datasets
    dims = dims_of(model)
    data = {name: datasets.values[name] for name in observed_names(model)}
    own = lengths_in(data, dims, list(lengths.pools))
    longest = {dim: int(each.max()) for dim, each in own.items()}
    parts = (cut(part, longest, dims) for part in (drawn.values, drawn.predicted))
    values, predicted, trimmed = (
        _whole(model, part) for part in (*parts, cut(datasets.values, longest, dims))
    )
    return (
        drawn._replace(values=values, predicted=predicted),
        datasets._replace(values=trimmed),
    )


def _whole(model: pm.Model, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Integers again, where nothing is left behind an end."""
    dtypes = {name: model[name].dtype for name in arrays}
    return {
        name: array.astype(dtypes[name]) if np.isfinite(array).all() else array
        for name, array in arrays.items()
    }


def warn_of_surprise(surprise: np.ndarray, datasets: Datasets) -> None:
    """Warn of datasets that are unlike all simulations.

    Parameters
    ----------
    surprise : ndarray of shape (datasets,)
        Tail probabilities.
    datasets : Datasets
        Their labels.
    """
    if (bad := np.flatnonzero(surprise < SURPRISING / len(surprise))).size:
        warnings.warn(
            f"The data{_of(datasets, bad)} are unlike those that the network was trained on (a "
            f"surprise of {surprise[bad].min():.2g} for the strangest): it extrapolates there. "
            "Look whether the model could have made these data, and widen its priors if it should.",
            stacklevel=3,
        )


def warn_of_ranges(ranges: Mapping[str, Sequence[float]], datasets: Datasets) -> None:
    """Warn of varied data outside what the network was trained on.

    Parameters
    ----------
    ranges : mapping of str to sequence of float
        Smallest and largest value of each in simulations.
    datasets : Datasets
        What draws are given.
    """
    for name, (low, high) in ranges.items():
        values = datasets.values[name]
        rows, slack = values.reshape(len(values), -1), SLACK * (high - low)
        outside = (rows < low - slack) | (rows > high + slack)
        if (bad := np.flatnonzero(outside.any(axis=1))).size:
            warnings.warn(
                f"{name!r}{_of(datasets, bad)} goes from {np.nanmin(rows[bad]):.4g} to "
                f"{np.nanmax(rows[bad]):.4g}, and it was varied from {low:.4g} to {high:.4g} in "
                "training: the network extrapolates there. Train with a wider `vary`.",
                stacklevel=3,
            )


def warn_of_nothing(datasets: Datasets, gaps: Collection[str]) -> None:
    """Warn of datasets of which nothing at all is seen.

    Parameters
    ----------
    datasets : Datasets
        What draws are given.
    gaps : collection of str
        Variables whose values may be missing.
    """
    if not gaps:
        return
    seen = [np.isfinite(v.reshape(len(v), -1)).any(axis=1) for v in map(datasets.values.get, gaps)]
    if (bad := np.flatnonzero(~np.any(seen, axis=0))).size:
        names = ", ".join(map(repr, gaps))
        warnings.warn(
            f"All values of {names}{_of(datasets, bad)} are missing: nothing is learned from them, "
            "and the posterior given no other data is the prior.",
            stacklevel=3,
        )


def warn_of_lengths(
    ranges: Mapping[str, Sequence[int]], ends: Ends | None, datasets: Datasets
) -> None:
    """Warn of datasets that are shorter or longer than those trained on.

    Parameters
    ----------
    ranges : mapping of str to sequence of int
        Smallest and largest length of each dim in simulations.
    ends : Ends or None
        Finds the lengths of datasets.
    datasets : Datasets
        What draws are given.
    """
    own = ends.of(datasets.values) if ranges else {}
    for dim, (low, high) in ranges.items():
        if (bad := np.flatnonzero((own[dim] < low) | (own[dim] > high))).size:
            found = np.unique(own[dim][bad])
            warnings.warn(
                f"The length of {dim!r}{_of(datasets, bad)} is "
                f"{' to '.join(map(str, dict.fromkeys((found[0], found[-1]))))}, and it was varied "
                f"from {low} to {high} in training: the network extrapolates there. Train with a "
                "wider `vary`.",
                stacklevel=3,
            )


def warn_of_weights(drawn: Drawn, draws: int, datasets: Datasets) -> None:
    """Warn of datasets whose draws rest on weights that cannot be trusted, or do not exist.

    Parameters
    ----------
    drawn : Drawn
        What is known of the datasets.
    draws : int
        Draws that were asked for of each.
    datasets : Datasets
        Their labels.
    """
    known = {name: drawn.diagnosis[name] for name in ("pareto_k", "importance_ess")}
    pareto_k, by_nuts = known["pareto_k"], drawn.diagnosis["refined_by"] == "nuts"
    heavy, few = (np.flatnonzero(which & ~by_nuts) for which in untrusted(**known, draws=draws))
    told = np.isfinite(pareto_k[heavy])
    missing, bad = heavy[~told], heavy[told]
    if missing.size:
        warnings.warn(
            f"Draws{_of(datasets, missing)} are the network's own, because the model's log joint "
            "is finite at none of them, or NaN, or no weights follow from it: do not trust them. "
            "Look at these data, and at the log densities in sample_stats.",
            stacklevel=3,
        )
    if bad.size:
        limit = threshold(first_proposals(draws))
        warnings.warn(
            f"Pareto k{_of(datasets, bad)} is above {limit:.2f} ({pareto_k[bad].max():.2f} at "
            f"most): the network is so far from the posterior there that its weighted draws are "
            f"not to be trusted. {CURE}",
            stacklevel=3,
        )
    if few.size:
        least = known["importance_ess"][few].min()
        warnings.warn(
            f"The weighted draws{_of(datasets, few)} are worth few independent ones "
            f"({least:.0f} at least): means and intervals are rough. {CURE}",
            stacklevel=3,
        )


def warn_of_chains(drawn: Drawn, draws: int, datasets: Datasets) -> None:
    """Warn of datasets for which the chains of NUTS do not agree.

    Parameters
    ----------
    drawn : Drawn
        What is known of the datasets.
    draws : int
        Draws in each chain.
    datasets : Datasets
        Their labels.
    """
    r_hat, limit = drawn.diagnosis["r_hat"], largest_r_hat(draws)
    if (bad := np.flatnonzero(r_hat > limit)).size:
        warnings.warn(
            f"The chains of NUTS{_of(datasets, bad)} do not agree (R-hat is {r_hat[bad].max():.3f} "
            f"at most, expected {limit:.3g} or less): their draws are not to be trusted. "
            "Reparametrize the model, or draw more in each chain.",
            stacklevel=3,
        )


def _of(datasets: Datasets, numbers: np.ndarray) -> str:
    return f" of the datasets {datasets.named(numbers)}" if datasets.dims else ""


def _unstack(arrays: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Cut (datasets, draws, ...) into (chain, draw, *datasets, ...)."""
    return {
        name: np.moveaxis(array, 1, 0).reshape(*shape, *array.shape[2:])
        for name, array in arrays.items()
    }

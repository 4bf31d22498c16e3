"""Simulations of varying length: the longest ones cut, where that is shown to be right."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
import pymc as pm

from pymc_amortized.lengths import Lengths, cut, groups_of_length, lengths_of, shortened
from pymc_amortized.structure import dims_of

__all__ = ["any_length", "trial_lengths"]

Arrays = Mapping[str, np.ndarray]
Draw = Callable[[int, int], dict[str, np.ndarray]]

COUPLED = 3
"""Draws that have to be the same, as far as the shorter of two models goes."""

TOLERANCE = 1e-8
"""Relative difference that rounding is allowed."""


def trial_lengths(lengths: Lengths) -> list[dict[str, int]]:
    """The lengths at which it is tried whether shorter data are longer ones cut.

    The shortest of all dims together, and two lengths of each dim alone.
    """
    parts, longest = (0.0, 0.4), lengths.longest
    tried = [{dim: int(pool.min()) for dim, pool in lengths.pools.items()}]
    for dim, pool in lengths.pools.items():
        tried += [longest | {dim: int(np.quantile(pool, part))} for part in parts]
    return [trial for k, trial in enumerate(tried) if trial not in [longest, *tried[:k]]]


def any_length(model: pm.Model, draw: Draw, make: Callable[[pm.Model], Draw]) -> tuple[Draw, bool]:
    """Draw data of the lengths that vary, NaN behind their ends.

    Data are drawn by the model at its longest and cut where shorter models, given the same random
    numbers, draw the same: what they make is then the first part of what the longest makes (a
    coupling). Else the model is compiled at each length. Random numbers fill arrays row by row, so
    that of an axis that is not the first one only the first row is the same.

    Parameters
    ----------
    model : pm.Model
        The model at its longest.
    draw : callable
        Its sampler, ``(draws, seed) -> {name: array of shape (draws, *shape)}``.
    make : callable
        Makes that of a shorter model.

    Returns
    -------
    draw : callable
        Takes and returns the same.
    coupled : bool
        Whether longest data are cut.
    """
    lengths, dims = lengths_of(model), dims_of(model)
    at = cache(lambda key: make(lengths.at(dict(zip(lengths.pools, key, strict=True)))))
    if _coupled(lengths, dims, draw, at):
        return partial(_cut_draws, draw, lengths, dims), True

    def by_length(draws: int, seed: int) -> dict[str, np.ndarray]:
        """Draw at each length, and put NaN behind it."""
        rng = np.random.default_rng([seed, 1])
        chosen = lengths.draw(draws, rng)
        found: dict[str, Any] = {}
        for own, rows in groups_of_length(chosen):
            values = at(tuple(own.values()))(len(rows), int(rng.integers(2**31)))
            for name, array in values.items():
                if name not in found:
                    shape = _full(array.shape[1:], dims.get(name, ()), lengths.longest)
                    short = bool(set(dims.get(name, ())) & lengths.longest.keys())
                    fill = np.full((draws, *shape), np.nan) if short else None
                    found[name] = np.empty((draws, *shape), array.dtype) if fill is None else fill
                found[name][(rows, *map(slice, array.shape[1:]))] = array
        return found

    return by_length, False


def _full(
    shape: tuple[int, ...], dims: tuple[str, ...], longest: Mapping[str, int]
) -> tuple[int, ...]:
    return tuple(longest.get(d, n) for d, n in zip(dims, shape, strict=True)) if dims else shape


def _cut_draws(
    draw: Draw, lengths: Lengths, dims: Mapping[str, tuple[str, ...]], draws: int, seed: int
) -> dict[str, np.ndarray]:
    chosen = lengths.draw(draws, np.random.default_rng([seed, 1]))
    return shortened(draw(draws, seed), chosen, dims)


def _coupled(
    lengths: Lengths,
    dims: Mapping[str, tuple[str, ...]],
    draw: Draw,
    at: Callable[[tuple[int, ...]], Draw],
) -> bool:
    for own in trial_lengths(lengths):
        short = at(tuple(own.values()))
        for seed in range(COUPLED):
            longer, shorter = cut(draw(1, seed), own, dims), short(1, seed)
            for name, values in shorter.items():
                rows = _first_rows(dims.get(name, ()), own, lengths.longest)
                one, other = longer[name][(0, *rows)], values[(0, *rows)]
                if not np.allclose(one, other, TOLERANCE, TOLERANCE, equal_nan=True):
                    return False
    return True


def _first_rows(
    dims: tuple[str, ...], own: Mapping[str, int], longest: Mapping[str, int]
) -> tuple[int, ...]:
    """Places along the axes before the last one that is shorter."""
    shorter = [k for k, dim in enumerate(dims) if own.get(dim) != longest.get(dim)]
    return (0,) * (max(shorter) if shorter else 0)

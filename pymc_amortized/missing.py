"""Missing data: which values simulations go without, so that networks learn to."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pymc as pm

from pymc_amortized.graphs import ancestors_by_value, outcome_variables
from pymc_amortized.lengths import lengths_in, lengths_of, shortened
from pymc_amortized.structure import dims_of, observed_names, shapes, varied_names

__all__ = ["Missing", "masks", "missing_data", "resampled_masks", "unknown_density"]

DrawMask = Callable[[np.random.Generator, tuple[int, ...]], Any]

TRIALS = 3
"""Masks that are looked at before any others are made."""

EXAMPLES = "a fraction, such as 0.2, or a function (rng, shape) -> mask that is True where missing"


class Missing(NamedTuple):
    """What is missing of simulated data.

    Attributes
    ----------
    sizes : dict of str to tuple of int
        Shapes of all data, in the order of the flat vector.
    draw : dict of str to callable
        Of the variables whose values may be missing: takes a generator, a number of datasets and
        the shape of one, returns masks, True where missing.
    dims : dict of str to tuple of str
        Dims of all data.
    varying : list of str
        Those whose lengths vary.
    outcomes : list of str
        The data whose values may be missing, if that is asked for.
    """

    sizes: dict[str, tuple[int, ...]]
    draw: dict[str, Callable[..., np.ndarray]]
    dims: dict[str, tuple[str, ...]]
    varying: list[str]
    outcomes: list[str]

    @property
    def ending(self) -> list[str]:
        """The data that have ends, which are NaN behind them."""
        return [name for name in self.sizes if set(self.dims[name]) & set(self.varying)]

    @property
    def gaps(self) -> list[str]:
        """The data that may be NaN, for either reason."""
        return [name for name in self.sizes if name in self.draw or name in self.ending]

    def finite(self, draws: Mapping[str, np.ndarray], *, masked: bool = False) -> np.ndarray:
        """Whether data are finite as far as they go: values of shape (n, *shape) to (n,).

        With `masked`, NaN of variables whose values may be missing is of no account.
        """
        nothing, found = self.ends(draws), []
        for name, values in draws.items():
            good = np.isfinite(values) | nothing.get(name, False)
            if masked and name in self.draw:
                good |= np.isnan(values)
            found.append(good.reshape(len(good), -1).all(axis=1))
        return np.all(found, axis=0)

    def ends(
        self, draws: Mapping[str, np.ndarray], own: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        """Where data are behind their ends, by default those that NaN tell: (n, *shape) by name."""
        own = lengths_in(draws, self.dims, self.varying) if own is None else own
        blank = {name: np.zeros(draws[name].shape) for name in self.ending}
        return {n: np.isnan(v) for n, v in shortened(blank, own, self.dims).items()}

    def like(self, given: Mapping[str, np.ndarray]) -> "Missing":
        """The same that is missing of one dataset, (1, *shape), of all."""
        masks = {name: ~np.isfinite(given[name]) for name in self.draw}
        return self._replace(draw={name: resampled_masks(rows) for name, rows in masks.items()})

    def apply(
        self, draws: Mapping[str, np.ndarray], rng: np.random.Generator, *, empty: float = 0.0
    ) -> dict[str, Any]:
        """Put NaN where data are missing: values of shape (n, *shape), by name.

        Of a part `empty` of all datasets everything is missing that may be.
        """
        found = dict(draws)
        if not self.draw:
            return found
        number = len(next(iter(draws.values())))
        nothing = rng.random(number) < empty
        for name, draw in self.draw.items():
            mask = draw(rng, number, self.sizes[name])
            mask[nothing] = True
            found[name] = np.where(mask, np.nan, draws[name])
        return found


def missing_data(model: pm.Model, missing: Mapping[str, Any] | None) -> Missing:
    """Read the argument `missing` of :func:`pymc_amortized.fit`.

    Parameters
    ----------
    model : pm.Model
        The model.
    missing : mapping of str to float or callable, or None
        Names of observed variables, and which part of their values is missing, each on its own; or
        a function of a ``numpy.random.Generator`` and the shape of one array, returning a mask.

    Raises
    ------
    TypeError, ValueError
        If it is no such mapping.
    """
    names, lengths = observed_names(model), lengths_of(model)
    every, dims = shapes(model), dims_of(model)
    sizes = {name: every[name] for name in names}
    varying = list(lengths.pools) if lengths else []
    outcomes = [rv.name for rv in outcome_variables(model)]
    nothing = Missing(sizes, {}, {n: dims[n] for n in names}, varying, outcomes)
    if missing is None:
        return nothing
    if not isinstance(missing, Mapping):
        raise TypeError(
            f"missing: expected a mapping from names of observed variables to {EXAMPLES}, got "
            f"{type(missing).__name__}."
        )
    return nothing._replace(draw={n: _drawn(model, n, how, sizes) for n, how in missing.items()})


def _drawn(
    model: pm.Model, name: str, how: Any, sizes: Mapping[str, tuple[int, ...]]
) -> Callable[..., np.ndarray]:
    known = [rv.name for rv in outcome_variables(model)]
    if f"{name}_observed" in known:
        raise ValueError(
            f"missing: expected {name!r} without gaps in the model's own data, got some, which "
            "PyMC takes for gaps of all data. Give the model data without any, such as values "
            "simulated from it, and pass those with gaps to sample."
        )
    if name not in known:
        varied = " that vary, whose distribution is no part of the model" * (
            name in varied_names(model)
        )
        raise ValueError(
            f"missing: expected names of observed variables ({', '.join(map(repr, known))}), got "
            f"{name!r}{f', data{varied}' if varied else ''}. Leave it out."
        )
    number = isinstance(how, int | float | np.number) and not isinstance(how, bool)
    if number and not 0 < how < 1:
        raise ValueError(f"missing: expected {name!r} between 0 and 1, got {how}.")
    if number:
        return partial(_at_random, float(how))
    if not callable(how) or isinstance(how, type):
        raise TypeError(f"missing: expected {name!r} as {EXAMPLES}, got {how!r}.")
    for seed in range(TRIALS):
        _checked(name, how, np.random.default_rng(seed), sizes[name])
    return partial(_one_by_one, name, how)


def _at_random(
    part: float, rng: np.random.Generator, number: int, shape: tuple[int, ...]
) -> np.ndarray:
    return rng.random((number, *shape)) < part


def _one_by_one(
    name: str, how: DrawMask, rng: np.random.Generator, number: int, shape: tuple[int, ...]
) -> np.ndarray:
    return np.array([_checked(name, how, rng, shape) for _ in range(number)]).reshape(
        number, *shape
    )


def _checked(
    name: str, how: DrawMask, rng: np.random.Generator, shape: tuple[int, ...]
) -> np.ndarray:
    mask = np.asarray(how(rng, shape))
    if mask.dtype != bool or mask.shape != shape:
        raise ValueError(
            f"missing: expected {name!r} as masks of bool and shape {shape}, got {mask.dtype} of "
            f"shape {mask.shape}."
        )
    return mask


def resampled_masks(rows: np.ndarray) -> Callable[..., np.ndarray]:
    """Draw masks out of some, each as likely as the others: (n, *shape)."""

    def draw(rng: np.random.Generator, number: int, shape: tuple[int, ...]) -> np.ndarray:
        """Draw so many."""
        del shape
        return rows[rng.integers(len(rows), size=number)].astype(bool)

    return draw


def masks(missing: Missing, number: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw masks of each variable in part: (number, *shape) of uint8, by name."""
    draws = missing.draw.items()
    return {n: draw(rng, number, missing.sizes[n]).astype(np.uint8) for n, draw in draws}


def unknown_density(model: pm.Model, names: Mapping[str, Any]) -> str:
    """Why what is seen of data has no density at hand, "" if it has one.

    It has where each missing value enters the log joint by a term of its own, which is then left
    out: the term integrates to one.
    """
    outcomes = outcome_variables(model)
    for rv in outcomes:
        if rv.name not in names:
            continue
        if rv.owner.op.ndim_supp:
            return f"values of {rv.name!r}, which is multivariate, may be missing"
        if others := [v for v in outcomes if v is not rv and rv in ancestors_by_value([v])]:
            return f"values of {rv.name!r}, which {others[0].name!r} depends on, may be missing"
    return ""

"""What becomes of a model's functions where each dataset has an end of its own."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pymc as pm

from pymc_amortized.density import Density, density
from pymc_amortized.gaps import completed, filling
from pymc_amortized.graphs import outcome_variables
from pymc_amortized.lengths import (
    Lengths,
    cut,
    groups_of_length,
    lengths_in,
    lengths_of,
    shortened,
)
from pymc_amortized.missing import unknown_density
from pymc_amortized.nuts import Launch, Nuts, nuts_sampler
from pymc_amortized.parameters import Parameters, parameters
from pymc_amortized.predictive import predictive_sampler
from pymc_amortized.shortening import trial_lengths
from pymc_amortized.structure import dims_of, observed_names

__all__ = [
    "DensityByLength",
    "Ends",
    "ends_of",
    "heeding_deterministics",
    "heeding_predictions",
    "nuts_by_length",
    "seen_density",
]

Arrays = Mapping[str, np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]
Predict = Callable[[Arrays, int], dict[str, np.ndarray]]

TOLERANCE = 1e-7
"""Relative difference of log joints that rounding is allowed."""


class Ends(NamedTuple):
    """The ends of datasets, and functions that heed them.

    Attributes
    ----------
    lengths : Lengths
        The dims whose lengths vary.
    dims : dict of str to tuple of str
        Of all variables.
    data : list of str
        Names of the data.
    coupled : bool
        Whether what a shorter model makes is the first part of what the longest makes.
    fillers : dict of str to ndarray of shape (*shape)
        Valid values of the data that have ends.
    """

    lengths: Lengths
    dims: dict[str, tuple[str, ...]]
    data: list[str]
    coupled: bool
    fillers: dict[str, np.ndarray]

    def of(self, observed: Arrays) -> dict[str, np.ndarray]:
        """Lengths of each dataset, by dim."""
        data = {name: observed[name] for name in self.data if name in observed}
        return lengths_in(data, self.dims, list(self.lengths.pools))

    def heeding(
        self, function: Callable[..., Any], at: Callable[[Mapping[str, int]], Callable[..., Any]]
    ) -> Callable[..., dict[str, np.ndarray]]:
        """Make a function of named arrays (n, *shape) heed the ends of these.

        Parameters
        ----------
        function : callable
            Of the model at its longest.
        at : callable
            Makes the same of a model of other lengths.
        """
        made = cache(lambda key: at(dict(zip(self.lengths.pools, key, strict=True))))

        def heeded(values: Arrays, *others: Any) -> dict[str, np.ndarray]:
            """Call as the function itself."""
            own = self.of(values)
            if self.coupled:
                return shortened(function(completed(values, self.fillers), *others), own, self.dims)
            found: dict[str, np.ndarray] = {}
            for key, rows in groups_of_length(own):
                some = cut({n: v[rows] for n, v in values.items()}, key, self.dims)
                for name, array in made(tuple(key.values()))(some, *others).items():
                    self._put(found, name, array, rows, len(next(iter(own.values()))))
            return found

        return heeded

    def _put(
        self, found: dict[str, np.ndarray], name: str, array: np.ndarray, rows: np.ndarray, n: int
    ) -> None:
        dims, longest = self.dims.get(name, ()), self.lengths.longest
        if name not in found:
            shape = [longest.get(d, s) for d, s in zip(dims, array.shape[1:], strict=True)]
            ends = any(dim in longest for dim in dims)
            fill = (np.nan, float) if ends else (0, array.dtype)
            found[name] = np.full((n, *shape), *fill)
        found[name][(rows, *map(slice, array.shape[1:]))] = array


def ends_of(model: pm.Model, complete: Arrays, *, coupled: bool) -> Ends | None:
    """Make the ends of a model's datasets; None where all have the same.

    Parameters
    ----------
    model : pm.Model
        The model at its longest.
    complete : mapping of str to ndarray of shape (n, *shape)
        Draws of its data without an end.
    coupled : bool
        Whether its simulations may be cut.
    """
    lengths = lengths_of(model)
    if lengths is None:
        return None
    dims, data = dims_of(model), observed_names(model)
    along = [name for name in data if set(dims[name]) & lengths.longest.keys()]
    return Ends(lengths, dims, data, coupled, filling(complete, along))


class DensityByLength(NamedTuple):
    """Log joints of models of several lengths, each compiled when it is needed.

    Attributes
    ----------
    shapes : dict of str to tuple of int
        Unconstrained shapes of the free variables.
    ends : Ends
        Of the datasets.
    at : callable
        Takes lengths, returns the :class:`pymc_amortized.density.Density` there.
    """

    shapes: dict[str, tuple[int, ...]]
    ends: Ends
    at: Callable[[tuple[int, ...]], Density]

    def log_joint(self, vector: np.ndarray, observed: Arrays) -> np.ndarray:
        """Evaluate the log joint, see :meth:`pymc_amortized.density.Density.log_joint`."""
        found = np.empty(vector.shape[:2])
        for key, rows in groups_of_length(self.ends.of(observed)):
            some = cut({n: v[rows] for n, v in observed.items()}, key, self.ends.dims)
            found[rows] = self.at(tuple(key.values())).log_joint(vector[rows], some)
        return found


def seen_density(
    model: pm.Model,
    of_model: Parameters,
    gaps: Sequence[str],
    ends: Ends | None,
    complete: Arrays,
    *,
    likelihood: bool = True,
) -> Density | DensityByLength:
    """Compile the log joint of parameters and what is seen of data.

    What lies behind the end of a dataset is left out of the log joint of the longest model where
    that is shown to be the log joint of the shorter one; else there is one for each length.

    Parameters
    ----------
    model : pm.Model
        The model, where lengths vary at its longest.
    of_model : Parameters
        Of all its free variables.
    gaps : sequence of str
        Observed variables whose values may be missing.
    ends : Ends or None
        Of the datasets.
    complete : mapping of str to ndarray of shape (n, *shape)
        Joint draws of all variables, without an end.
    likelihood : bool, default True
        False for the log prior alone.
    """
    fillers = filling(complete, gaps)
    options = {"likelihood": likelihood}
    if ends is None:
        return density(model, of_model.shapes, fillers=fillers, **options)
    along = [rv.name for rv in outcome_variables(model) if rv.name in ends.fillers]
    if not unknown_density(model, along):
        filled = ends.fillers | fillers
        masked = density(model, of_model.shapes, fillers=filled, **options)
        if _masks_are_enough(masked, ends, of_model, complete):
            return masked

    @cache
    def at(key: tuple[int, ...]) -> Density:
        """Compile at some lengths."""
        own = dict(zip(ends.lengths.pools, key, strict=True))
        some = cut(fillers, own, ends.dims)
        return density(ends.lengths.at(own), of_model.shapes, fillers=some, **options)

    return DensityByLength(of_model.shapes, ends, at)


def _masks_are_enough(masked: Density, ends: Ends, of_model: Parameters, complete: Arrays) -> bool:
    within = of_model.dequantized(complete, np.random.default_rng(0))
    vector = of_model.unconstrain(within)[0][:, None]
    data = {name: complete[name] for name in ends.data}
    for own in trial_lengths(ends.lengths)[:1]:
        each = {dim: np.full(len(vector), n) for dim, n in own.items()}
        longest = masked.log_joint(vector, shortened(data, each, ends.dims))
        short = density(ends.lengths.at(own), of_model.shapes, likelihood=bool(masked.observed))
        shorter = short.log_joint(vector, cut(data, own, ends.dims))
        finite = np.isfinite(shorter)
        if not np.allclose(longest[finite], shorter[finite], TOLERANCE, TOLERANCE):
            return False
    return True


def nuts_by_length(ends: Ends, shapes: Shapes, gaps: Arrays) -> Nuts:
    """NUTS for datasets of any length; each length is compiled when it is needed.

    Parameters
    ----------
    ends : Ends
        Of the datasets.
    shapes : mapping of str to tuple of int
        Unconstrained shapes of the free variables.
    gaps : mapping of str to ndarray of shape (*shape)
        Valid values of the data that may be missing.
    """

    @cache
    def at(key: tuple[int, ...]) -> Nuts:
        """Compile at some lengths."""
        own = dict(zip(ends.lengths.pools, key, strict=True))
        return nuts_sampler(ends.lengths.at(own), shapes, cut(gaps, own, ends.dims))

    def sample(
        observed: Sequence[Arrays],
        launches: Sequence[Launch],
        draws: int,
        tune: int,
        rng: np.random.Generator,
    ) -> Any:
        """Draw for each dataset."""
        table = {n: np.stack([values[n] for values in observed]) for n in observed[0]}
        for key, rows in groups_of_length(ends.of(table)):
            some = [cut(observed[k], key, ends.dims) for k in rows]
            some_launches = [launches[k] for k in rows]
            for number, chains in at(tuple(key.values()))(some, some_launches, draws, tune, rng):
                yield int(rows[number]), chains

    return sample


def heeding_predictions(model: pm.Model, names: Sequence[str], ends: Ends | None) -> Predict:
    """Draw data given parameters, NaN behind the ends of what is given."""
    whole = predictive_sampler(model, names)
    if ends is None:
        return whole
    return ends.heeding(whole, lambda own: predictive_sampler(ends.lengths.at(own), names))


def heeding_deterministics(
    of_model: Parameters, ends: Ends | None, fillers: Arrays
) -> Callable[[Arrays], dict[str, np.ndarray]]:
    """Deterministics by free variables and data, NaN behind the ends of the latter.

    Parameters
    ----------
    of_model : Parameters
        Of the model at its longest.
    ends : Ends or None
        Of the datasets.
    fillers : mapping of str to ndarray of shape (*shape)
        Valid values of the data that may be missing.
    """

    def whole(values: Arrays) -> dict[str, np.ndarray]:
        """Compute at the longest."""
        return of_model.deterministics(completed(values, fillers))

    if ends is None:
        return whole

    def at(own: Mapping[str, int]) -> Callable[[Arrays], dict[str, np.ndarray]]:
        """Compile at some lengths."""

        def short(values: Arrays) -> dict[str, np.ndarray]:
            """Compute at these lengths."""
            made = parameters(ends.lengths.at(own), values, of_model.names)
            return made.deterministics(completed(values, cut(fillers, own, ends.dims)))

        return short

    return ends.heeding(whole, at)

"""Simulations of a model: what users see of them, and what networks are trained on."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pymc as pm

from pymc_amortized.arguments import check_count, generator
from pymc_amortized.data import flat
from pymc_amortized.forward import ForwardSampler, forward_sampler
from pymc_amortized.imputation import seen_model
from pymc_amortized.inference_data import assemble, constant_data, labelled, observed_data
from pymc_amortized.missing import Missing, missing_data
from pymc_amortized.named_dims import plain_model
from pymc_amortized.parameters import Parameters
from pymc_amortized.progress import progress_bar
from pymc_amortized.refusals import check_model
from pymc_amortized.structure import (
    deterministic_names,
    free_names,
    observed_names,
    sorted_names,
)
from pymc_amortized.variation import varied_model

if TYPE_CHECKING:
    import xarray as xr
    from arviz import InferenceData

__all__ = ["Simulations", "Simulator", "simulate"]

CHUNK = 10_000
"""Draws made at once where they can be made at once."""

LOOPED_CHUNK = 100
"""Draws between two steps of the progress bar where they are made one by one."""

LARGEST_LOSS = 0.5
"""Part of the simulations that may come out NaN or infinite."""


EMPTY = 0.01
"""Part of the simulations of which nothing is seen, where values may be missing: what networks
learn of these is the prior."""


class Simulations(NamedTuple):
    """Pairs of parameters and data.

    Attributes
    ----------
    vector : ndarray of shape (n, size)
        Unconstrained parameters.
    data : ndarray of shape (n, elements)
        Observed variables in a row, NaN where they are missing.
    dropped : int
        Pairs that came out NaN or infinite on the way to these.
    """

    vector: np.ndarray
    data: np.ndarray
    dropped: int = 0

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.vector)

    def take(self, index: np.ndarray) -> "Simulations":
        """Select pairs."""
        return Simulations(self.vector[index], self.data[index])

    def join(self, others: "Simulations") -> "Simulations":
        """Append pairs."""
        vector, data = (np.concatenate(two) for two in zip(self[:2], others[:2], strict=True))
        return Simulations(vector, data, self.dropped + others.dropped)


class Simulator(NamedTuple):
    """Draws pairs of parameters and data that are finite, and counts the others.

    Attributes
    ----------
    sampler : ForwardSampler
        Of the model.
    parameters : Parameters
        Of the same model.
    observed : list of str
        Names of the observed variables.
    missing : Missing
        What is missing of the data.
    """

    sampler: ForwardSampler
    parameters: Parameters
    observed: list[str]
    missing: Missing

    def draw(
        self, number: int, seed: int, advance: Callable[..., None] = lambda _: None
    ) -> Simulations:
        """Draw exactly so many pairs.

        Raises
        ------
        ValueError
            If more than half of the draws are NaN or infinite.
        """
        seeds = np.random.SeedSequence(seed)
        rng = np.random.default_rng(seeds)  # another stream than those that are spawned
        found, missing = None, number
        while missing:
            draws = _in_chunks(self.sampler, missing, seeds.spawn(1)[0], advance)
            found = self.keep_finite(draws, rng, found)
            missing = number - len(found)
        return found

    def keep_finite(
        self,
        draws: Mapping[str, np.ndarray],
        rng: np.random.Generator,
        found: Simulations | None = None,
        *,
        masked: bool = False,
    ) -> Simulations:
        """Turn draws of the model's variables into pairs, without those that are not finite.

        Parameters
        ----------
        draws : mapping of str to ndarray
            Values of shape (n, *shape).
        rng : numpy.random.Generator
            Dequantizes discrete parameters, and draws what is missing.
        found : Simulations, optional
            Pairs to add them to.
        masked : bool, default False
            Whether NaN of variables whose values may be missing says that they are.

        Raises
        ------
        ValueError
            If more than half of all draws are NaN or infinite.
        """
        vector, _ = self.parameters.unconstrain(self.parameters.dequantized(draws, rng))
        observed = {name: draws[name] for name in self.observed}
        good = np.isfinite(vector).all(axis=1) & self.missing.finite(observed, masked=masked)
        data = flat(observed if masked else self.missing.apply(observed, rng, empty=EMPTY))
        pairs = Simulations(vector[good], data[good], int((~good).sum()))
        if found is not None:
            pairs = found.join(pairs)
        drawn = len(pairs) + pairs.dropped
        if pairs.dropped > LARGEST_LOSS * drawn:
            raise ValueError(
                f"simulations: expected finite values, got NaN or infinity in {pairs.dropped} of "
                f"{drawn} ({self._culprits(draws, vector)}). Look at pma.simulate(model), "
                "and choose priors under which the model can be simulated."
            )
        return pairs

    def _culprits(self, draws: Mapping[str, np.ndarray], vector: np.ndarray) -> str:
        names = [*self.parameters.names, *self.observed]
        bad = [name for name in names if not np.isfinite(draws[name]).all()]
        if bad or np.isfinite(vector).all():
            return "in " + ", ".join(map(repr, bad))
        return "outside the support of the transforms"


def simulate(
    model: pm.Model | None = None,
    *,
    draws: int = 1000,
    vary: Mapping[str, Any] | None = None,
    missing: Mapping[str, Any] | None = None,
    vectorized: bool = False,
    random_seed: Any = None,
    progressbar: bool = True,
) -> "InferenceData | xr.DataTree":
    """Draw parameters and data from a model, in one batch where its graph allows.

    Parameters
    ----------
    model : pm.Model, optional
        By default the model of the context.
    draws : int, default 1000
        Number of draws, at least 1.
    vary : mapping of str to distribution or callable, optional
        The ``pm.Data``, and the dims by their lengths, that change from draw to draw, see
        :func:`pymc_amortized.fit`. Data are NaN behind their ends.
    missing : mapping of str to float or callable, optional
        Which observed values are missing, NaN in the result, see :func:`pymc_amortized.fit`.
    vectorized : bool, default False
        Whether the random functions of ``pm.Simulator`` and ``pm.CustomDist`` take parameters
        with a leading axis of draws, and a `size` to match. That is tried before it is believed.
        By default they are called draw by draw, in worker processes if there are many.
    random_seed : int, sequence of int or numpy.random.Generator, optional
        The same seed gives the same draws.
    progressbar : bool, default True
        Show the progress.

    Returns
    -------
    arviz.InferenceData or xarray.DataTree
        What ``pm.sample_prior_predictive`` returns: groups ``prior`` (free variables and
        deterministics) and ``prior_predictive`` (observed variables and varied data), with dims
        ``(chain, draw, *variable dims)`` and one chain, ``observed_data`` and ``constant_data``.

    Raises
    ------
    UnsupportedModelError
        If the model cannot be simulated as its density says, see :func:`pymc_amortized.fit`.
    TypeError, ValueError
        If a random function is called vectorized, and is not; if `vary` names what is no
        ``pm.Data`` that distributions depend on, or its draws do not fit; if `missing` is not as
        described.

    Examples
    --------
    >>> import pymc as pm, pymc_amortized as pma
    >>> with pm.Model():
    ...     rate = pm.Gamma("rate", 2, 1)
    ...     _ = pm.Poisson("y", rate, observed=[3, 1, 2])
    ...     prior = pma.simulate(draws=500, random_seed=1, progressbar=False)
    >>> prior.prior_predictive["y"].shape
    (1, 500, 3)
    """
    model = seen_model(plain_model(pm.modelcontext(model)))
    check_model(model)
    check_count("draws", draws)
    model = varied_model(model, vary)
    gaps = missing_data(model, missing)
    sampler = forward_sampler(model, sort=sorted_names(model), trusted=vectorized)
    seed = np.random.SeedSequence(int(generator(random_seed).integers(2**63)))
    with progress_bar("Simulating", draws, disable=not progressbar) as advance:
        values = _in_chunks(sampler, draws, seed, advance)
    values = gaps.apply(values, np.random.default_rng(seed))
    groups = {
        "prior": [*free_names(model), *deterministic_names(model)],
        "prior_predictive": observed_names(model),
    }
    sampled = {
        group: labelled(model, {n: values[n][None] for n in names}, {"chain": None, "draw": None})
        for group, names in groups.items()
    }
    return assemble(
        sampled | {"observed_data": observed_data(model), "constant_data": constant_data(model)}
    )


def _in_chunks(
    sampler: ForwardSampler,
    draws: int,
    seed: np.random.SeedSequence,
    advance: Callable[..., None],
) -> dict[str, np.ndarray]:
    size = CHUNK if sampler.vectorized else LOOPED_CHUNK
    numbers = [min(size, draws - start) for start in range(0, draws, size)]
    seeds = [int(child.generate_state(1)[0]) for child in seed.spawn(len(numbers))]
    pieces = []
    for piece in sampler.pieces(list(zip(numbers, seeds, strict=True))):
        pieces.append(piece)
        advance(numbers[len(pieces) - 1])
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}

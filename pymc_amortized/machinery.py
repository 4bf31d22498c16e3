"""What an amortized posterior compiles of its model, each part when it is first needed."""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import pymc as pm

from pymc_amortized.density import Density
from pymc_amortized.ends import (
    DensityByLength,
    Ends,
    ends_of,
    heeding_deterministics,
    heeding_predictions,
    nuts_by_length,
    seen_density,
)
from pymc_amortized.familiarity import Familiarity
from pymc_amortized.forward import ForwardSampler, forward_sampler
from pymc_amortized.gaps import filling
from pymc_amortized.graphs import outcome_variables
from pymc_amortized.lengths import lengths_of
from pymc_amortized.missing import unknown_density
from pymc_amortized.nuts import Nuts, nuts_sampler
from pymc_amortized.parameters import Parameters
from pymc_amortized.preconditioning import Preconditioner
from pymc_amortized.progress import progress_bar
from pymc_amortized.rescue import rescue
from pymc_amortized.sampling import Drawn, Predict, Sampler
from pymc_amortized.structure import has_likelihood, sorted_names, varied_names
from pymc_amortized.support import Support, data_support, support_draws
from pymc_amortized.unseen import put_prior, unseen

if TYPE_CHECKING:
    from pymc_amortized.networks import Network

__all__ = ["Machinery"]

ASKED = 10
"""Draws at which it is tried whether shorter data need a density of their own."""

PRIOR_DRAWS = 4000
"""That NUTS may start from."""


class Machinery:
    """The compiled parts of a model and of its trained networks.

    Parameters
    ----------
    model : pm.Model
        The model, which is not changed.
    parameters : Parameters
        Its free variables as one vector.
    preconditioner : Preconditioner
        The linear part of the posterior.
    network : Network
        The rest of it, trained.
    familiarity : Familiarity
        What simulations are recognized by.
    vectorized : bool
        Whether it was trained on draws that were made in batches.
    gaps : collection of str, default ()
        Observed variables whose values may be missing.
    log_joint : Density, optional
        The model's, where it has been compiled.
    """

    def __init__(
        self,
        model: pm.Model,
        parameters: Parameters,
        preconditioner: Preconditioner,
        network: "Network",
        familiarity: Familiarity,
        vectorized: bool,
        gaps: Collection[str] = (),
        log_joint: Density | None = None,
    ) -> None:
        self.model, self.parameters, self._vectorized = model, parameters, vectorized
        self._gaps, self._log_joint = gaps, log_joint
        self._trained = (preconditioner, network, familiarity)

    @cached_property
    def likelihood(self) -> bool:
        """Whether the model has one."""
        return has_likelihood(self.model)

    @cached_property
    def unweighted(self) -> str:
        """Why draws have no weights, "" if they have."""
        if not self.likelihood:
            return "the model has no likelihood"
        if reason := unknown_density(self.model, self._gaps):
            return f"{reason}, which leaves no density of what is seen at hand"
        hidden = ", ".join(map(repr, self.parameters.integrated_out))
        return hidden and f"{hidden} are integrated out, which leaves no joint density at hand"

    @cached_property
    def sampler(self) -> Sampler:
        """Draws of the network and their weights; without a density where there are none."""
        given = varied_names(self.model) if self.ends is None else self.ends.data
        log_joint = None if self.unweighted else self._log_joint or self._compiled_density()
        of_model = heeding_deterministics(self.parameters, self.ends, self.fillers)
        return Sampler(self.parameters, *self._trained, log_joint, given, of_model)

    def _compiled_density(self) -> Density | DensityByLength:
        complete = self.forward.complete(ASKED, 0)
        return seen_density(self.model, self.parameters, self._gaps, self.ends, complete)

    @cached_property
    def ends(self) -> Ends | None:
        """The ends of datasets, where their lengths vary."""
        if lengths_of(self.model) is None:
            return None
        return ends_of(self.model, self.forward.complete(1, 0), coupled=self.forward.coupled)

    @cached_property
    def fillers(self) -> dict[str, np.ndarray]:
        """Valid values of the data that may be missing."""
        return filling(self.forward.complete(1, 0), self._gaps) if self._gaps else {}

    @cached_property
    def nuts(self) -> Nuts:
        """NUTS for any datasets of the model."""
        if self.ends is None or isinstance(self.sampler.density, Density):
            filled = self.fillers if self.ends is None else self.ends.fillers | self.fillers
            return nuts_sampler(self.model, self.parameters.shapes, filled)
        return nuts_by_length(self.ends, self.parameters.shapes, self.fillers)

    @cached_property
    def predict(self) -> Predict:
        """Data given parameters."""
        return heeding_predictions(self.model, self.parameters.names, self.ends)

    @cached_property
    def forward(self) -> ForwardSampler:
        """Parameters and data."""
        sort = sorted_names(self.model)
        return forward_sampler(self.model, sort=sort, trusted=self._vectorized)

    @cached_property
    def prior(self) -> np.ndarray:
        """Unconstrained draws of the prior: (draws, size)."""
        vector, _ = self.parameters.unconstrain(self.forward.complete(PRIOR_DRAWS, 1))
        return vector[np.isfinite(vector).all(axis=1)]

    @cached_property
    def support(self) -> Support | None:
        """Which data are possible; None where the model has no likelihood to ask."""
        if not self.likelihood:
            return None
        return data_support(self.model, support_draws(self.model, self.forward))

    @property
    def _outcomes(self) -> list[str]:
        """Names of the observed variables that are no varied data."""
        return [rv.name for rv in outcome_variables(self.model)]

    def draw(
        self,
        observed: Mapping[str, np.ndarray],
        names: Sequence[str],
        sample_shape: tuple[int, int],
        rng: np.random.Generator,
        *,
        refine: str | None,
        predictive: bool,
        progressbar: bool,
    ) -> Drawn:
        """Draw for each dataset, and refine.

        Parameters
        ----------
        observed : mapping of str to ndarray of shape (datasets, *shape)
            Observed values.
        names : sequence of str
            Variables wanted.
        sample_shape : tuple of int
            Chains, and draws in each.
        rng : numpy.random.Generator
            Source of all randomness.
        refine : {"psis", "auto", None}
            How.
        predictive : bool
            Whether observed variables are drawn anew, too.
        progressbar : bool
            Show the progress.
        """
        predict = self.predict if predictive else None
        draws = prod(sample_shape)
        total = draws * len(next(iter(observed.values())))
        with progress_bar("Sampling", total, disable=not progressbar) as advance:
            options = {"refine": refine is not None, "predict": predict, "advance": advance}
            drawn = self.sampler.draw(observed, draws, names, rng, **options)
        if self._gaps and (numbers := unseen(observed, self._outcomes)).size:
            model = (self.model, self.sampler, self.forward.complete, sorted_names(self.model))
            put_prior(drawn, numbers.tolist(), *model, observed, names, rng, predict=predict)
        if refine == "auto":
            rescue(
                drawn,
                observed,
                self.sampler,
                lambda: self.nuts,
                lambda: self.prior,
                sample_shape,
                names,
                rng,
                predict=predict,
                progressbar=progressbar,
            )
        return drawn

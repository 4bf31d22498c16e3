"""What users are warned of before and after training."""

import warnings
from typing import TYPE_CHECKING

import pymc as pm

from pymc_amortized.missing import Missing, unknown_density
from pymc_amortized.sources import Source
from pymc_amortized.structure import has_likelihood, observed_covariates

if TYPE_CHECKING:
    from pymc_amortized.training import History

__all__ = [
    "warn_of_covariates",
    "warn_of_loop",
    "warn_of_no_density",
    "warn_of_no_likelihood",
    "warn_of_training",
]

LONG = 60.0
"""Seconds that a round may take to simulate without a word."""


def warn_of_covariates(model: pm.Model) -> None:
    """Warn of data that are both observed and held constant as covariates."""
    for name in observed_covariates(model):
        warnings.warn(
            f"{name!r} is both observed and a covariate: for other datasets the covariate stays as "
            "it is, and only the observed values are others. Write a series that depends on "
            "itself as pm.AR, or as a pm.CustomDist with `dist=`.",
            stacklevel=3,
        )


def warn_of_no_likelihood(model: pm.Model, plain: pm.Model) -> None:
    """Warn of densities that are lost because data vary."""
    if has_likelihood(plain) and not has_likelihood(model):
        warnings.warn(
            "PyMC has no density for a distribution whose parameters vary by `vary`, so that draws "
            "are not refined. Leave those data out of `vary` to have them refined.",
            stacklevel=3,
        )


def warn_of_no_density(model: pm.Model, gaps: Missing) -> None:
    """Warn of densities that are lost because data may be missing."""
    if reason := unknown_density(model, gaps.draw):
        warnings.warn(
            f"missing: {reason}, so that the density of what is seen is not at hand and draws are "
            "not refined. Observe a variable of independent values, or leave `missing` out.",
            stacklevel=3,
        )


def warn_of_loop(reason: str, source: Source) -> None:
    """Warn of rounds that take long to simulate, one draw after the other."""
    if reason and source.seconds > LONG:
        rate = source.steps * source.batch / source.seconds
        warnings.warn(
            f"Simulations are drawn one by one, {rate:.0f} a second, because {reason}: each of "
            f"many rounds of training waits {source.seconds:.0f} s for fresh ones. Pass "
            "simulations=10_000, say, to train on so many again and again, or vectorized=True if "
            "random functions take many parameters at once.",
            stacklevel=3,
        )


def warn_of_training(
    history: "History", dropped: int, used: int, max_seconds: float | None
) -> None:
    """Warn of simulations that were dropped, and of training that was cut off."""
    rounds, told = len(history.rounds), []
    if dropped:
        told.append(
            f"{dropped} of {used + dropped} simulations came out NaN or infinite and were dropped: "
            "the posterior is that of a prior without them. Look at pma.simulate(model)."
        )
    if history.interrupted:
        told.append(
            f"Training was interrupted {_after(rounds)}. The best weights so far are kept: look at "
            "pma.plot_training."
        )
    elif not history.converged:
        told.append(
            f"max_seconds={max_seconds} cut training off before the held-out loss stopped "
            f"improving, {_after(rounds)}. Allow more time, or look at pma.plot_training."
        )
    for text in told:
        warnings.warn(text, stacklevel=3)


def _after(rounds: int) -> str:
    if rounds == 1:
        return "after one round, so that the network is all but untrained"
    return f"after {rounds} rounds, so that the posterior may be wider than it should be"

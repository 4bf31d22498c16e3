"""Posteriors that several tests look at, made once for all of them."""

import pytest
from models import CASES
from trained import untrained

import pymc_amortized as pma


@pytest.fixture(scope="session")
def line() -> pma.AmortizedPosterior:
    """Conjugate: known noise, trained by the defaults."""
    return pma.fit(CASES["known_noise"].build(), random_seed=1, progressbar=False)


@pytest.fixture(scope="session")
def counts() -> pma.AmortizedPosterior:
    """Conjugate: one parameter, skewed, bounded; smaller networks do."""
    networks = {
        "summary": pma.summaries.residual_mlp(width=32, blocks=2, features=8),
        "flow": pma.flows.spline_coupling(couplings=2, width=32),
    }
    return pma.fit(CASES["one_parameter"].build(), **networks, random_seed=1, progressbar=False)


@pytest.fixture(scope="session")
def rough() -> pma.AmortizedPosterior:
    """A poor posterior of `linear_regression`."""
    return untrained("linear_regression")

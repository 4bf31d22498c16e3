import warnings

import numpy as np
import pymc as pm
import pytest
from models import CASES

import pymc_amortized as pma
from pymc_amortized.inference_data import group

QUIET = {"random_seed": 1, "progressbar": False}


@pytest.mark.parametrize("name", ["linear_regression", "hierarchical", "two_observed", "simulator"])
def test_returns_what_pymc_returns(name):
    model = CASES[name].build()
    ours = pma.simulate(model, draws=7, **QUIET)
    with model, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyMC 6's own, of pm.Simulator
        theirs = pm.sample_prior_predictive(draws=7, random_seed=1)
    assert type(ours) is type(theirs)
    for part in ("prior", "prior_predictive"):
        mine, its = group(ours, part), group(theirs, part)
        assert set(mine.data_vars) == set(its.data_vars)
        for variable in its.data_vars:
            assert mine[variable].dims == its[variable].dims
            assert mine[variable].shape == its[variable].shape
            assert mine[variable].dtype == its[variable].dtype


def test_same_seed_same_draws():
    model = CASES["linear_regression"].build()
    first, second = (group(pma.simulate(model, draws=20, **QUIET), "prior") for _ in range(2))
    np.testing.assert_array_equal(first["b0"], second["b0"])


@pytest.mark.parametrize("draws", [0, 1.5, True])
def test_number_of_draws_is_checked(draws):
    with pytest.raises(ValueError, match="draws: expected an integer"):
        pma.simulate(CASES["one_parameter"].build(), draws=draws, **QUIET)

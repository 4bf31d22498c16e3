import numpy as np
import pytest
from models import CASES, SUPPORTED
from scipy.stats import ks_2samp, spearmanr
from trained import untrained

import pymc_amortized as pma
from pymc_amortized.agreement import TOLERANCE, differences
from pymc_amortized.forward import forward_sampler
from pymc_amortized.named_dims import plain_model
from pymc_amortized.predictive import predictive_sampler
from pymc_amortized.structure import free_names, observed_names, sorted_names

DRAWS, FEWER = 600, 200


@pytest.mark.parametrize("name", CASES)
def test_given_prior_draws_it_is_the_prior_predictive(name: str) -> None:
    model = CASES[name].build()
    draws = forward_sampler(model, sort=sorted_names(model)).draw(DRAWS, 1)
    sample = predictive_sampler(model)
    first, second = sample(draws, 2), sample(draws, 3)
    for variable, values in first.items():
        forward = draws[variable]
        assert values.shape == forward.shape
        assert values.dtype == forward.dtype
        weights = np.linspace(1, 2, values[0].size)
        one, other, replicate = (
            array.reshape(DRAWS, -1) @ weights for array in (values, forward, second[variable])
        )
        assert not np.array_equal(one, replicate)
        assert ks_2samp(one, other).pvalue > 1e-4
        # given the same parameters, the forward draw is one more replicate
        difference = spearmanr(one, other).statistic - spearmanr(one, replicate).statistic
        assert difference == pytest.approx(0, abs=5 * np.sqrt(2 / DRAWS))


@pytest.mark.parametrize("name", [name for name in SUPPORTED if name not in CASES])
def test_every_model_predicts_as_it_draws_forward(name: str) -> None:
    model = plain_model(SUPPORTED[name].build())
    draws = forward_sampler(model, sort=sorted_names(model)).draw(FEWER, 1)
    predicted = predictive_sampler(model)(draws, 2)
    assert set(predicted) == set(observed_names(model))
    for variable, values in predicted.items():
        assert values.shape == draws[variable].shape
        assert values.dtype == draws[variable].dtype
    joint = {n: draws[n] for n in [*free_names(model), *predicted]}
    largest = max(part.max() for part in differences(joint, joint | predicted))
    assert largest < TOLERANCE


def test_same_seed_same_draws() -> None:
    model = CASES["linear_regression"].build()
    draws = forward_sampler(model).draw(10, 1)
    sample = predictive_sampler(model)
    first, again = sample(draws, 2)["y"], sample(draws, 2)["y"]
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("name", ["linear_regression", "custom_random"])
def test_result_has_a_group_beside_the_posterior(name: str) -> None:
    amortized = untrained(name)
    kwargs = {"refine": None, "draws": 5, "chains": 2, "random_seed": 1, "progressbar": False}
    idata = amortized.sample(predictive=True, **kwargs)
    predicted, observed = idata.posterior_predictive["y"], idata.observed_data["y"]
    assert predicted.dims == ("chain", "draw", *observed.dims)
    assert predicted.dtype == observed.dtype
    assert "posterior_predictive" not in amortized.sample(**kwargs)


def test_group_has_the_dims_of_the_datasets() -> None:
    amortized = untrained("linear_regression")
    y = pma.simulate(amortized.model, draws=3, random_seed=1, progressbar=False)
    data = {"y": y.prior_predictive["y"].to_numpy()[0]}
    idata = amortized.sample(
        data, draws=4, refine=None, predictive=True, random_seed=1, progressbar=False
    )
    assert idata.posterior_predictive["y"].dims[:3] == ("chain", "draw", "dataset")
    assert np.isfinite(idata.posterior_predictive["y"]).all()

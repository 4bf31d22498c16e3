"""The log joint of draws and datasets, against PyMC's own of one point."""

import numpy as np
import pytest
from checks import densities, prepared
from models import CASES, SUPPORTED
from scipy.stats import halfnorm, norm

from pymc_amortized import density as module
from pymc_amortized.density import density
from pymc_amortized.forward import forward_sampler
from pymc_amortized.parameters import parameters

WITH_LIKELIHOOD = [name for name, case in SUPPORTED.items() if case.likelihood]


@pytest.mark.parametrize("name", WITH_LIKELIHOOD)
def test_equals_the_pointwise_density(name):
    found, exact = densities(SUPPORTED[name])
    assert np.isfinite(exact).any()
    np.testing.assert_allclose(found, exact, rtol=1e-8)


def of_custom_random(vector):
    return norm.logpdf(vector).sum(axis=-1)


def of_simulator(vector):
    a, log_scale = np.moveaxis(vector, -1, 0)
    return norm.logpdf(a) + halfnorm.logpdf(np.exp(log_scale)) + log_scale


@pytest.mark.parametrize(
    ("name", "expected"), [("custom_random", of_custom_random), ("simulator", of_simulator)]
)
def test_prior_alone_where_there_is_no_likelihood(name, expected):
    model = CASES[name].build()
    draws = forward_sampler(model).draw(6, 5)
    of_model = parameters(model, draws)
    vector, _ = of_model.unconstrain(draws)
    vector = vector.reshape(3, 2, -1)
    found = density(model, of_model.shapes, likelihood=False).log_joint(vector, {})
    np.testing.assert_allclose(found, expected(vector), rtol=1e-8)


def test_other_data_are_inputs_and_keep_to_their_dataset():
    model, draws, vector, of_vector = prepared(CASES["known_noise"])
    of_model = density(model, of_vector.shapes)
    y, x = draws["y"][:3], np.linspace(-1.5, 1.5, 12)
    found = of_model.log_joint(vector.reshape(3, 2, -1), {"y": y})
    for dataset, draw in np.ndindex(3, 2):
        b0, b1 = vector.reshape(3, 2, -1)[dataset, draw]
        parts = [(b0, 1, 2), (b1, 0, 1.5), (y[dataset], b0 + b1 * x, 0.7)]
        expected = sum(
            np.sum(-0.5 * ((v - m) / s) ** 2 - np.log(s * np.sqrt(2 * np.pi))) for v, m, s in parts
        )
        assert found[dataset, draw] == pytest.approx(expected, rel=1e-9)


def test_working_through_chunks_changes_nothing(monkeypatch):
    model, draws, vector, of_vector = prepared(CASES["linear_regression"])
    of_model = density(model, of_vector.shapes)
    arguments = vector.reshape(3, 2, -1), {"y": draws["y"][:3]}
    whole = of_model.log_joint(*arguments)
    monkeypatch.setattr(module, "ELEMENTS", 1)
    np.testing.assert_array_equal(of_model.log_joint(*arguments), whole)

"""The log joint of draws and datasets, against PyMC's own of one point."""

import numpy as np
import pytensor
import pytest
from models import CASES, SUPPORTED
from scipy.stats import halfnorm, norm

from pymc_amortized import density as module
from pymc_amortized.density import density
from pymc_amortized.forward import forward_sampler
from pymc_amortized.graphs import pymc_deprecations
from pymc_amortized.named_dims import plain_model
from pymc_amortized.parameters import parameters, split
from pymc_amortized.structure import observed_values, sorted_names

WITH_LIKELIHOOD = [name for name, case in SUPPORTED.items() if case.likelihood]


def prepared(name):
    model = plain_model(SUPPORTED[name].build())
    draws = forward_sampler(model, sort=sorted_names(model)).draw(6, 5)
    of_vector = parameters(model, draws)
    vector, _ = of_vector.unconstrain(of_vector.dequantized(draws, np.random.default_rng(6)))
    return model, draws, vector, of_vector


def pointwise(model, of_vector):
    """PyMC's own log density, as a function of one vector; of discrete variables the mass."""
    with pymc_deprecations():
        compiled = model.compile_logp(mode="FAST_COMPILE", jacobian=False)

    def log_joint(vector):
        values, (log_det,) = of_vector.constrain(vector[None])
        pieces = dict(zip(of_vector.names, split(vector, of_vector.shapes), strict=True))
        integers = {name: values[name][0] for name in of_vector.discrete}
        point = {model.rvs_to_values[model[n]].name: v for n, v in (pieces | integers).items()}
        return float(compiled(point)) + log_det

    return log_joint


def with_settable_data(model):
    """Replace the model's observed values by shared variables; returns these by name."""
    data = {n: pytensor.shared(v, name=n) for n, v in observed_values(model).items()}
    model.rvs_to_values |= {model[n]: value for n, value in data.items()}
    return data


@pytest.mark.parametrize("name", WITH_LIKELIHOOD)
def test_equals_the_pointwise_density(name):
    """Two draws under each of three datasets, the first of which is the model's own."""
    model, draws, vector, of_vector = prepared(name)
    of_model = density(model, of_vector.shapes)
    own = observed_values(model)
    data = {n: np.stack([own[n], *draws[n][:2]]) for n in of_model.observed}
    found = of_model.log_joint(vector.reshape(3, 2, -1), data)
    shared = with_settable_data(model)
    expected = pointwise(model, of_vector)
    exact = np.empty((3, 2))
    for dataset, draw in np.ndindex(3, 2):
        for observed, value in shared.items():
            value.set_value(data[observed][dataset])
        exact[dataset, draw] = expected(vector[2 * dataset + draw])
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
    model, draws, vector, of_vector = prepared("known_noise")
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
    model, draws, vector, of_vector = prepared("linear_regression")
    of_model = density(model, of_vector.shapes)
    arguments = vector.reshape(3, 2, -1), {"y": draws["y"][:3]}
    whole = of_model.log_joint(*arguments)
    monkeypatch.setattr(module, "ELEMENTS", 1)
    np.testing.assert_array_equal(of_model.log_joint(*arguments), whole)

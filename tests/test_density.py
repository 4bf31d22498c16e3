import numpy as np
import pymc as pm
import pytest
from models import CASES

from pymc_amortized import density as module
from pymc_amortized.density import density, support_check
from pymc_amortized.forward import forward_sampler
from pymc_amortized.parameters import parameters, split
from pymc_amortized.structure import has_likelihood, observed_values, sorted_names

WITH_LIKELIHOOD = [name for name in CASES if has_likelihood(CASES[name].build())]


def prepared(name):
    model = CASES[name].build()
    draws = forward_sampler(model, sort=sorted_names(model)).draw(6, 5)
    of_model = parameters(model, draws)
    vector, _ = of_model.unconstrain(draws)
    return model, draws, vector, density(model, of_model.shapes)


@pytest.mark.parametrize("name", WITH_LIKELIHOOD)
def test_equals_the_pointwise_density(name):
    model, _, vector, of_model = prepared(name)
    data = {n: np.stack([v] * 3) for n, v in observed_values(model).items()}
    found = of_model.log_joint(vector.reshape(3, 2, -1), data)
    pointwise = model.compile_logp(mode="FAST_COMPILE")
    names = [model.rvs_to_values[rv].name for rv in model.free_RVs]
    for k in (0, 3):
        point = dict(zip(names, split(vector[k], of_model.shapes), strict=True))
        expected = float(pointwise(point))
        assert found[k // 2, k % 2] == pytest.approx(expected, rel=1e-8, abs=1e-8)


def test_other_data_are_inputs_and_keep_to_their_dataset():
    _, draws, vector, of_model = prepared("known_noise")
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
    _, draws, vector, of_model = prepared("linear_regression")
    arguments = vector.reshape(3, 2, -1), {"y": draws["y"][:3]}
    whole = of_model.log_joint(*arguments)
    monkeypatch.setattr(module, "ELEMENTS", 1)
    np.testing.assert_array_equal(of_model.log_joint(*arguments), whole)


def test_impossible_values_are_found_where_they_are():
    with pm.Model() as model:
        top = pm.Uniform("top", 0, 10)
        pm.Uniform("y", 0, top, observed=np.ones(3))
    prior = {"top": np.linspace(0.01, 9.99, 1000)}
    y = np.array([[1.0, 2.0, 3.0], [1.0, -0.5, 9.98], [1.0, 2.0, 11.0]])
    outside = support_check(model)(prior, {"y": y})["y"]
    np.testing.assert_array_equal(outside, (y < 0) | (y > 10))

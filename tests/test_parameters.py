import numpy as np
import pytest
from models import CASES

from pymc_amortized.forward import forward_sampler
from pymc_amortized.parameters import parameters
from pymc_amortized.structure import has_likelihood, sorted_names

DRAWS = 6


def drawn(name):
    model = CASES[name].build()
    draws = forward_sampler(model, sort=sorted_names(model)).draw(DRAWS, 3)
    return model, draws, parameters(model, draws)


@pytest.mark.parametrize("name", CASES)
def test_round_trip_and_deterministics(name):
    _, draws, of_model = drawn(name)
    vector, forward_log_det = of_model.unconstrain(draws)
    values, log_det = of_model.constrain(vector)
    assert vector.shape == (DRAWS, of_model.size)
    np.testing.assert_allclose(forward_log_det, log_det, rtol=1e-9, atol=1e-9)
    for variable in of_model.names:
        np.testing.assert_allclose(values[variable], draws[variable], rtol=1e-9, atol=1e-9)
    for variable, value in of_model.deterministics(draws, draws).items():
        np.testing.assert_allclose(value, draws[variable], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", [name for name in CASES if has_likelihood(CASES[name].build())])
def test_log_determinant_is_what_pymc_adds_to_the_log_density(name):
    model, draws, of_model = drawn(name)
    vector, log_det = of_model.unconstrain(draws)
    densities = [
        model.compile_logp(jacobian=jacobian, mode="FAST_COMPILE") for jacobian in (True, False)
    ]
    names = {rv.name: model.rvs_to_values[rv].name for rv in model.free_RVs}
    for k in range(2):
        pieces = of_model.shapes.items()
        ends = np.cumsum([int(np.prod(shape)) for _, shape in pieces])[:-1]
        parts = zip(pieces, np.split(vector[k], ends), strict=True)
        point = {names[n]: part.reshape(shape) for (n, shape), part in parts}
        with_jacobian, without = (density(point) for density in densities)
        assert log_det[k] == pytest.approx(with_jacobian - without, rel=1e-8, abs=1e-8)


def test_extreme_vectors_stay_in_the_support():
    _, _, of_model = drawn("dirichlet_multinomial")
    share, _ = of_model.constrain(np.array([[30.0, -30.0], [-30.0, 30.0]]))
    assert np.all(share["share"] >= 0)
    np.testing.assert_allclose(share["share"].sum(axis=1), 1)

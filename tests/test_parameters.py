"""The unconstrained vector: round trips, and log-determinants against numerical Jacobians."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pymc as pm
import pytest
from checks import round_trip
from models import CASES, SUPPORTED
from pymc.distributions.transforms import ordered

from pymc_amortized.forward import forward_sampler
from pymc_amortized.named_dims import plain_model
from pymc_amortized.parameters import Parameters, parameters, split
from pymc_amortized.structure import sorted_names

DRAWS = 6
STEP = 1e-5
"""Of central differences: truncation and rounding are both near 1e-10 of a slope."""


def prepared(model: pm.Model) -> tuple[dict[str, np.ndarray], Parameters]:
    draws = forward_sampler(model, sort=sorted_names(model)).draw(DRAWS, 3)
    return draws, parameters(model, draws)


@cache
def registered(name: str) -> tuple[dict[str, np.ndarray], Parameters]:
    return prepared(plain_model(SUPPORTED[name].build()))


def coordinates(of_model: Parameters, values: dict[str, np.ndarray]) -> np.ndarray:
    """Values in a row, (n, size), without those that follow from the others."""
    rows = [free_elements(values[name], shape) for name, shape in of_model.shapes.items()]
    return np.concatenate([row.reshape(len(row), -1) for row in rows], axis=1)


def free_elements(value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Of a simplex all but the last, of matrices the lower triangle, with the diagonal or not."""
    if value.shape[1:] == shape:
        return value
    if value.ndim == 3 and len(shape) == 1:
        diagonal = shape[0] == value.shape[1] * (value.shape[1] + 1) // 2
        rows, columns = np.tril_indices(value.shape[1], 0 if diagonal else -1)
        return value[:, rows, columns]
    assert value[..., :-1].shape[1:] == shape
    return value[..., :-1]


def numerical_log_det(of_model: Parameters, vector: np.ndarray) -> np.ndarray:
    steps = STEP * np.concatenate([np.eye(of_model.size), -np.eye(of_model.size)])
    moved = (vector[:, None] + steps).reshape(-1, of_model.size)
    there = coordinates(of_model, of_model.constrain(moved)[0])
    up, down = np.moveaxis(there.reshape(len(vector), 2, of_model.size, -1), 1, 0)
    return np.linalg.slogdet((up - down) / (2 * STEP))[1]


def assert_log_det_is_that_of_the_jacobian(of_model: Parameters) -> np.ndarray:
    vector = np.random.default_rng(4).normal(size=(DRAWS, of_model.size))
    _, log_det = of_model.constrain(vector)
    np.testing.assert_allclose(log_det, numerical_log_det(of_model, vector), atol=1e-6)
    return log_det


@pytest.mark.parametrize("name", SUPPORTED)
def test_round_trip_and_deterministics(name: str) -> None:
    assert round_trip(SUPPORTED[name]) < 1e-9


@pytest.mark.parametrize("name", CASES)
def test_sizes_and_dtypes(name: str) -> None:
    draws, of_model = registered(name)
    vector, _ = of_model.unconstrain(of_model.dequantized(draws, np.random.default_rng(6)))
    values, _ = of_model.constrain(vector)
    assert vector.shape == (DRAWS, of_model.size)
    for variable in of_model.names:
        assert values[variable].dtype == draws[variable].dtype


@pytest.mark.parametrize("name", CASES)
def test_each_variable_alone_is_its_part_of_the_vector(name: str) -> None:
    """With the same log-determinants; or its bounds depend on another, which is refused."""
    draws, of_model = registered(name)
    within = of_model.dequantized(draws, np.random.default_rng(6))
    vector, total = of_model.unconstrain(within)
    pieces = dict(zip(of_model.names, split(vector, of_model.shapes), strict=True))
    sum_of_parts, refused = np.zeros(DRAWS), []
    for variable in of_model.names:
        try:
            alone = parameters(CASES[name].build(), draws, [variable])
        except ValueError as error:
            assert "because the bounds of" in str(error)  # noqa: PT017
            refused.append(variable)
            continue
        assert (alone.names, alone.free) == ([variable], of_model.names)
        part, log_det = alone.unconstrain(within)
        np.testing.assert_array_equal(part, pieces[variable].reshape(DRAWS, -1))
        back, _ = alone.constrain(part)
        np.testing.assert_allclose(back[variable], draws[variable], rtol=1e-9, atol=1e-9)
        sum_of_parts += log_det
    assert refused == {"random_bounds": ["u"], "latent_counts": ["seen"]}.get(name, [])
    if not refused:
        np.testing.assert_allclose(sum_of_parts, total, rtol=1e-12)


WITH_JACOBIAN = [
    name for name, case in SUPPORTED.items() if not (case.discrete or "ZeroSumNormal" in case.shows)
]
"""Those whose densities are by their own coordinates: PyMC's of zero-sum variables is by
coordinates of the plane that they lie in, a constant apart."""


@pytest.mark.parametrize("name", WITH_JACOBIAN)
def test_log_determinant_is_that_of_the_jacobian(name: str) -> None:
    assert_log_det_is_that_of_the_jacobian(registered(name)[1])


LOW, HIGH = np.array([0.0, -3.0]), np.array([1.0, 4.0])


def cholesky() -> None:
    pm.LKJCholeskyCov(
        "x", n=3, eta=2.0, sd_dist=pm.HalfNormal.dist(1.0, size=3), compute_corr=False
    )


def bounds_of_another() -> None:
    low = pm.HalfNormal("low", shape=2)
    pm.Uniform("x", low, low**2 + 3, shape=(3, 2))


TRANSFORMED = {
    "log": lambda: pm.HalfNormal("x", 2, shape=(2, 3)),
    "logodds": lambda: pm.Beta("x", 2, 3, shape=3),
    "interval": lambda: pm.Uniform("x", LOW, HIGH, shape=(3, 2)),
    "lower bound": lambda: pm.TruncatedNormal("x", 0, 1, lower=-1.0, shape=2),
    "upper bound": lambda: pm.TruncatedNormal("x", 0, 1, upper=0.5, shape=2),
    "bounds of another": bounds_of_another,
    "simplex": lambda: pm.Dirichlet("x", np.array([1.0, 2.0, 3.0])),
    "simplices": lambda: pm.Dirichlet("x", np.ones((2, 4))),
    "ordered": lambda: pm.Normal("x", shape=3, transform=ordered),
    "ordered rows": lambda: pm.Normal("x", shape=(2, 3), transform=ordered),
    "cholesky": cholesky,
}
"""Transforms in more shapes than the registry has; in all of them the Jacobian matters."""


@pytest.mark.parametrize("prior", TRANSFORMED.values(), ids=TRANSFORMED)
def test_transforms_of_many_shapes(prior: Callable[[], object]) -> None:
    with pm.Model() as model:
        prior()
        pm.Normal("y", observed=0.0)
    draws, of_model = prepared(model)
    vector, forward_log_det = of_model.unconstrain(draws)
    values, log_det = of_model.constrain(vector)
    np.testing.assert_allclose(values["x"], draws["x"], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(forward_log_det, log_det, rtol=1e-9, atol=1e-9)
    log_det = assert_log_det_is_that_of_the_jacobian(of_model)
    assert np.abs(log_det).min() > 0.01


@pytest.mark.parametrize("name", ["random_bounds", "lkj", "mixture"])
def test_rows_of_a_batch_do_not_know_of_each_other(name: str) -> None:
    _, of_model = registered(name)
    vector = np.random.default_rng(5).normal(size=(DRAWS, of_model.size))
    values, log_det = of_model.constrain(vector)
    for k in range(DRAWS):
        alone, log_det_alone = of_model.constrain(vector[[k]])
        np.testing.assert_allclose(log_det_alone, log_det[[k]], rtol=1e-12)
        for variable, value in alone.items():
            np.testing.assert_allclose(value, values[variable][[k]], rtol=1e-12)


@pytest.mark.parametrize("outside", [-1.0, 0.0, np.nan])
def test_values_outside_their_support_are_not_finite(outside: float) -> None:
    _, of_model = registered("one_parameter")
    vector, _ = of_model.unconstrain({"rate": np.array([outside, 2.0])})
    np.testing.assert_array_equal(np.isfinite(vector), [[False], [True]])


def test_extreme_vectors_stay_in_the_support() -> None:
    _, of_model = registered("dirichlet_multinomial")
    share, _ = of_model.constrain(np.array([[30.0, -30.0], [-30.0, 30.0]]))
    assert np.all(share["share"] >= 0)
    np.testing.assert_allclose(share["share"].sum(axis=1), 1)

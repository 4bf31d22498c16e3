"""Points in parameter space, combined with datasets."""

from typing import Any

import numpy as np
import pymc as pm
import pytest
import xarray as xr

from pymc_amortized.data import Datasets
from pymc_amortized.inference_data import assemble
from pymc_amortized.points import read_points

NAMES = ["mu", "theta"]
ONE = Datasets({}, {}, ())
COUNTRIES = Datasets({}, {"country": np.array(["Kenya", "Peru", "Laos"])}, (3,))
UNNAMED = Datasets({}, {"dataset": None}, (3,))


@pytest.fixture(scope="module")
def model() -> pm.Model:
    """A scalar, and a vector with a dim."""
    with pm.Model(coords={"group": ["a", "b"]}) as model:
        mu = pm.Normal("mu")
        theta = pm.Normal("theta", mu, dims="group")
        pm.Normal("y", theta, observed=[0.0, 0.0], dims="group")
    return model


def plain(*shape: int) -> dict[str, np.ndarray]:
    """Every number is another, so that a mix-up shows."""
    size = int(np.prod(shape))
    theta = 100 + np.arange(2 * size).reshape(*shape, 2)
    return {"mu": np.arange(size).reshape(shape), "theta": theta}


@pytest.mark.parametrize(
    ("shape", "dims"), [((), ()), ((4,), ("draw",)), ((2, 4), ("chain", "draw"))]
)
def test_plain_arrays(model: pm.Model, shape: tuple[int, ...], dims: tuple[str, ...]) -> None:
    values = plain(*shape)
    points = read_points(model, NAMES, values, ONE)
    np.testing.assert_array_equal(points.values["mu"], values["mu"].ravel())
    np.testing.assert_array_equal(points.values["theta"], values["theta"].reshape(-1, 2))
    assert not points.dataset.any()
    result = points.labelled(np.asarray(values["mu"], float).ravel())
    assert result.name == "log_prob"
    assert set(result.dims) == set(dims)
    np.testing.assert_array_equal(result.transpose(*dims), values["mu"])


@pytest.mark.parametrize("datasets", [COUNTRIES, UNNAMED])
def test_points_are_crossed_with_datasets(model: pm.Model, datasets: Datasets) -> None:
    (dim,) = datasets.dims
    points = read_points(model, NAMES, plain(4), datasets)
    laid = {n: points.labelled(v) for n, v in (("mu", points.values["mu"]), ("k", points.dataset))}
    laid["theta"] = points.labelled(points.values["theta"][:, 1])
    assert {d: laid["mu"].sizes[d] for d in laid["mu"].dims} == {dim: 3, "draw": 4}
    for draw, dataset in np.ndindex(4, 3):
        at = {"draw": draw, dim: dataset}
        assert laid["k"].isel(at) == dataset
        assert laid["mu"].isel(at) == draw
        assert laid["theta"].isel(at) == 101 + 2 * draw
    assert (dim in laid["mu"].coords) == (datasets is COUNTRIES)


def test_a_dim_of_datasets_is_matched(model: pm.Model) -> None:
    values = plain(3, 4)
    given = {
        "mu": xr.DataArray(values["mu"], dims=("country", "draw")),
        "theta": xr.DataArray(values["theta"], dims=("country", "draw", "group")).transpose(),
    }
    given["mu"].coords["country"] = COUNTRIES.dims["country"]
    points = read_points(model, NAMES, xr.Dataset(given), COUNTRIES)
    assert len(points.dataset) == 12
    np.testing.assert_array_equal(points.dataset, points.values["mu"] // 4)
    np.testing.assert_array_equal(points.values["theta"][:, 1], 101 + 2 * points.values["mu"])


def test_a_fit_s_posterior(model: pm.Model) -> None:
    values = plain(2, 4)
    posterior = xr.Dataset(
        {
            "mu": (("chain", "draw"), values["mu"]),
            "theta": (("chain", "draw", "group"), values["theta"]),
        },
        coords={"group": ["a", "b"]},
    )
    points = read_points(model, NAMES, assemble({"posterior": posterior}), ONE)
    np.testing.assert_array_equal(points.values["theta"], values["theta"].reshape(-1, 2))


@pytest.mark.parametrize(
    ("change", "datasets", "message"),
    [
        (lambda v: {"mu": v["mu"]}, ONE, "'mu', 'theta', got none for 'theta'"),
        (lambda v: v | {"theta": np.zeros((4, 3))}, ONE, r"'theta' to have shape \(2,\).*\(4, 3\)"),
        (lambda v: v | {"mu": np.zeros((1, 2, 4))}, ONE, r"'mu' to have shape \(\).*\(1, 2, 4\)"),
        (
            lambda v: v | {"theta": xr.DataArray(v["theta"], dims=("draw", "kind"))},
            ONE,
            r"'theta' to have the dims \('group',\), got \('draw', 'kind'\)",
        ),
        (lambda v: v | {"mu": np.zeros(5)}, ONE, "draw"),
        (
            lambda v: v | {"mu": xr.DataArray(np.zeros(3), coords={"country": list("xyz")})},
            COUNTRIES,
            "country",
        ),
    ],
)
def test_errors(model: pm.Model, change: Any, datasets: Datasets, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_points(model, NAMES, change(plain(4)), datasets)


@pytest.mark.parametrize("order", [("row", "column"), ("column", "row")])
def test_axes_of_a_matrix_come_in_the_model_s_order(order: tuple[str, str]) -> None:
    with pm.Model(coords={"row": range(3), "column": range(2)}) as matrix:
        pm.Normal("w", dims=("row", "column"))
        pm.Normal("y", observed=0.0)
    w = np.arange(24.0).reshape(4, 3, 2)
    given = xr.Dataset({"w": (("draw", "row", "column"), w)}).transpose(*order, "draw")
    np.testing.assert_array_equal(read_points(matrix, ["w"], given, ONE).values["w"], w)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"mu": np.nan, "theta": np.zeros(2)}, ValueError, "real numbers for 'mu', got NaN"),
        ({"mu": 1j, "theta": np.zeros(2)}, ValueError, "real numbers for 'mu', .*complex128"),
        ({"mu": "a", "theta": np.zeros(2)}, ValueError, "real numbers for 'mu', .*<U1"),
        ({"mu": [], "theta": []}, ValueError, "real numbers for 'mu', got 0 values"),
        ({"mu": 0, "theta": np.zeros(2), "my": 1}, ValueError, "got 'my', which the model does"),
        ({"mu": np.zeros(3), "theta": np.zeros((4, 2))}, ValueError, "parameters: expected dims"),
        (5.0, TypeError, "parameters: expected a mapping from 'mu', 'theta'.*got float"),
    ],
)
def test_what_is_no_point_is_refused(
    model: pm.Model, given: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read_points(model, NAMES, given, ONE)

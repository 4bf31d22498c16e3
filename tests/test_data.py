"""What users pass as data: read in every form, refused by the variable's name."""

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from models import CASES

from pymc_amortized.data import flat, read_datasets
from pymc_amortized.structure import observed_values

ROWS, COLUMNS = ["r1", "r2"], ["c1", "c2", "c3"]
VALUES = np.arange(6.0).reshape(2, 3)


@pytest.fixture(scope="module")
def table() -> pm.Model:
    """One observed variable with two labelled dims."""
    with pm.Model(coords={"row": ROWS, "column": COLUMNS}) as model:
        a = pm.Normal("a")
        pm.Normal("y", a, observed=VALUES, dims=("row", "column"))
    return model


@pytest.fixture(scope="module")
def two() -> pm.Model:
    """`y` of shape (4,), and `count` of shape (3,) and integers."""
    return CASES["two_observed"].build()


@pytest.mark.parametrize("name", CASES)
def test_none_is_the_model_s_own_data(name: str) -> None:
    model = CASES[name].build()
    own = observed_values(model)
    values, dims, sizes = read_datasets(model)
    assert (dims, sizes) == ({}, ())
    assert list(values) == list(own)
    for variable, value in values.items():
        np.testing.assert_array_equal(value, own[variable][None])
        assert value.dtype == own[variable].dtype


def test_plain_arrays(table: pm.Model) -> None:
    values, dims, sizes = read_datasets(table, {"y": (VALUES + 1).tolist()})
    np.testing.assert_array_equal(values["y"], VALUES[None] + 1)
    assert (dims, sizes) == ({}, ())


@pytest.mark.parametrize("number", [1, 2, 5])
def test_a_leading_axis_is_datasets(table: pm.Model, number: int) -> None:
    many = np.random.default_rng(1).normal(size=(number, 2, 3))
    values, dims, sizes = read_datasets(table, {"y": many})
    np.testing.assert_array_equal(values["y"], many)
    assert (dims, sizes) == ({"dataset": None}, (number,))


@pytest.mark.parametrize(
    "order", [("year", "place", "row", "column"), ("column", "place", "row", "year")]
)
@pytest.mark.parametrize("labelled", [True, False])
def test_extra_dims_in_any_order(table: pm.Model, order: tuple[str, ...], labelled: bool) -> None:
    many = np.random.default_rng(2).normal(size=(2, 4, 2, 3))
    array = xr.DataArray(many, dims=("year", "place", "row", "column"))
    if labelled:
        array = array.assign_coords(year=[2001, 2002], row=ROWS, column=COLUMNS)
    given = array.transpose(*order)
    values, dims, sizes = read_datasets(table, xr.Dataset({"y": given}))
    assert dims.keys() == {"year", "place"}
    assert sizes == tuple(given.sizes[dim] for dim in dims)
    got = xr.DataArray(values["y"].reshape(*sizes, 2, 3), dims=(*dims, "row", "column"))
    np.testing.assert_array_equal(got.transpose(*array.dims), many)
    assert dims["place"] is None
    if labelled:
        np.testing.assert_array_equal(dims["year"], [2001, 2002])


def test_labels_are_put_into_the_model_s_order(table: pm.Model) -> None:
    array = xr.DataArray(VALUES, coords={"row": ROWS, "column": COLUMNS})
    shuffled = array.sel(row=["r2", "r1"], column=["c3", "c1", "c2"]).transpose()
    values, _, _ = read_datasets(table, {"y": shuffled})
    np.testing.assert_array_equal(values["y"][0], VALUES)
    unlabelled = shuffled.drop_vars(["row", "column"])  # by position then
    values, _, _ = read_datasets(table, {"y": unlabelled})
    np.testing.assert_array_equal(values["y"][0], VALUES[::-1][:, [2, 0, 1]])


def test_several_observed_variables(two: pm.Model) -> None:
    rng = np.random.default_rng(3)
    y, count = rng.normal(size=(5, 4)), rng.poisson(2, size=(5, 3))
    values, _, sizes = read_datasets(two, {"count": count.astype(float), "y": y})
    assert list(values) == ["y", "count"]
    np.testing.assert_array_equal(values["y"], y)
    np.testing.assert_array_equal(values["count"], count)
    assert values["count"].dtype == observed_values(two)["count"].dtype
    assert sizes == (5,)


def test_dims_of_datasets_are_matched_by_name(two: pm.Model) -> None:
    rng = np.random.default_rng(4)
    y = xr.DataArray(rng.normal(size=(2, 3, 4)), dims=("year", "place", "y_dim_0"))
    count = xr.DataArray(rng.poisson(2, size=(3, 2, 3)), dims=("place", "year", "count_dim_0"))
    values, dims, sizes = read_datasets(two, {"y": y, "count": count})
    assert (list(dims), sizes) == (["year", "place"], (2, 3))
    np.testing.assert_array_equal(values["y"].reshape(2, 3, 4), y)
    np.testing.assert_array_equal(
        values["count"].reshape(2, 3, 3), count.transpose("year", "place", ...)
    )


def test_integers_for_a_continuous_variable(table: pm.Model) -> None:
    values, _, _ = read_datasets(table, {"y": VALUES.astype(int)})
    assert values["y"].dtype == observed_values(table)["y"].dtype


def test_flat_lays_each_dataset_in_a_row() -> None:
    values = {"a": np.arange(12).reshape(2, 3, 2), "b": np.array([0.5, 1.5])}
    expected = [[0, 1, 2, 3, 4, 5, 0.5], [6, 7, 8, 9, 10, 11, 1.5]]
    np.testing.assert_array_equal(flat(values), expected)
    assert flat(values).dtype == np.float64


LABELLED = xr.DataArray(VALUES, coords={"row": ROWS, "column": COLUMNS})
NOT_FINITE = np.where(VALUES == 2, np.nan, np.where(VALUES == 3, np.inf, VALUES))


@pytest.mark.parametrize(
    ("observed", "error", "message"),
    [
        (VALUES, TypeError, "mapping from 'y'.*got ndarray"),
        ({"z": VALUES}, ValueError, "observed variables 'y', got 'z'"),
        ({}, ValueError, "values for 'y', got none for 'y'"),
        ({"y": VALUES.T}, ValueError, r"'y' to have shape \(2, 3\).*got \(3, 2\)"),
        ({"y": VALUES[0]}, ValueError, r"'y' to have shape \(2, 3\).*got \(3,\)"),
        ({"y": VALUES[None, None]}, ValueError, r"'y' .*got \(1, 1, 2, 3\).*xarray.DataArray"),
        ({"y": np.empty((0, 2, 3))}, ValueError, "at least one dataset.*'dataset': 0"),
        ({"y": VALUES.astype(str)}, TypeError, "'y' to hold numbers like.*got dtype <U"),
        ({"y": VALUES + 1j}, TypeError, "'y' to hold numbers.*complex128"),
        ({"y": NOT_FINITE}, ValueError, "finite values of 'y', got 2 "),
        (
            {"y": np.ma.masked_equal(VALUES, 2)},
            ValueError,
            r"'y', got 1 that .*missing=\{'y': 0.2\}",
        ),
        ({"y": LABELLED.expand_dims("draw")}, ValueError, "names of their own, got 'draw'"),
        ({"y": LABELLED.expand_dims("a")}, ValueError, "names of their own, got 'a'"),
        ({"y": LABELLED.rename(row="line")}, ValueError, r"'y' to have the dims \('row', 'column'"),
        ({"y": LABELLED.isel(row=[0])}, ValueError, r"'y' to have shape \(2, 3\).*got \(1, 3\)"),
        (
            {"y": LABELLED.assign_coords(row=["r1", "r9"])},
            ValueError,
            r"'y' to have the model's labels along 'row' \(r1, r2\), got r1, r9",
        ),
        ({"y": [[1.0, 2.0], [3.0]]}, ValueError, "'y' to be an array of numbers, got rows of"),
        (xr.Dataset({"z": LABELLED}), ValueError, "observed variables 'y', got 'z'"),
    ],
)
def test_errors(table: pm.Model, observed: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        read_datasets(table, observed)


def test_repeated_labels_are_refused(table: pm.Model) -> None:
    array = LABELLED.isel(row=[0, 1], column=[0, 1, 1])
    with pytest.raises(ValueError, match="'y' to have the model's labels along 'column'"):
        read_datasets(table, {"y": array})


@pytest.mark.parametrize(
    ("y", "count", "message"),
    [
        (np.zeros((2, 4)), np.ones(3), r"'y' and 'count'.*\{'dataset': 2\} and none"),
        (np.zeros((2, 4)), np.ones((5, 3)), r"'y' and 'count'.*2\} and \{'dataset': 5"),
        (np.zeros(4), [1, 0.5, 2], "'count' to hold integers.*got 0.5"),
        (np.zeros(4), [1, np.nan, 2], "finite values of 'count', got 1 "),
        (np.zeros(4), [1, np.inf, 2], "finite values of 'count', got 1 "),
    ],
)
def test_errors_of_two_variables(two: pm.Model, y: object, count: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_datasets(two, {"y": y, "count": count})


def test_one_of_two_variables_is_not_enough(two: pm.Model) -> None:
    with pytest.raises(ValueError, match="'y', 'count', got none for 'count'"):
        read_datasets(two, {"y": np.zeros(4)})


def test_the_model_s_own_data_are_checked() -> None:
    with pm.Model() as model:
        data = pm.Data("data", np.zeros(3))
        pm.Normal("y", pm.Normal("a"), observed=data)
    model.set_data("data", [0, np.nan, 0])
    with pytest.raises(ValueError, match="finite values of 'y', got 1 "):
        read_datasets(model)


def test_integers_that_do_not_fit_are_refused(two: pm.Model) -> None:
    with pytest.raises(ValueError, match=r"'count' that int.* can hold, got 1e[+]30"):
        read_datasets(two, {"y": np.zeros(4), "count": np.full(3, 1e30)})


def test_a_plain_axis_cannot_take_the_name_of_a_dim_of_the_model() -> None:
    with pm.Model(coords={"dataset": range(3)}) as model:
        pm.Normal("y", pm.Normal("a"), observed=np.zeros(3), dims="dataset")
    assert read_datasets(model, {"y": np.ones(3)}).sizes == ()
    with pytest.raises(ValueError, match=r"'y' as an xarray.DataArray.*dim 'dataset' of its own"):
        read_datasets(model, {"y": np.ones((2, 3))})

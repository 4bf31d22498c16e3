"""Labels against those of real runs of ``pm.sample`` and ``pm.sample_prior_predictive``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pymc as pm
import pytest
import xarray as xr

from pymc_amortized import inference_data

POSTERIOR_LEADING = {"chain": None, "draw": None}
QUICK = {"compile_kwargs": {"mode": "FAST_COMPILE"}}


@pytest.fixture(scope="module")
def model() -> pm.Model:
    """Every way in which PyMC gives dims and coords to a variable."""
    coords = {"country": ["Kenya", "Peru", "Chile"], "year": (1952, 1957), "half": [0.5, 1.5]}
    with pm.Model(coords=coords) as model:
        model.add_coord("uncounted", length=2)
        covariate = pm.Data("covariate", np.arange(3.0), dims="country")
        offset = pm.Data("offset", 3.0)
        pm.Data("design", np.arange(6).reshape(2, 3))
        slope = pm.Normal("slope", 0, 1)
        theta = pm.Normal("theta", 0, 1, dims="country")
        table = pm.Normal("table", 0, 1, dims=("year", "country"))
        pm.HalfNormal("dimless", shape=3)
        pm.Normal("matrix", shape=(2, 3))
        pm.Normal("unlabelled", dims="uncounted")
        pm.Normal("floats", dims="half")
        pm.Bernoulli("switch", 0.5)
        pm.Deterministic("first_named", 2 * table, dims=("year", None))
        pm.Deterministic("last_named", 2 * table, dims=(None, "country"))
        pm.Deterministic("line", slope * covariate, dims="country")
        pm.Deterministic("flag", pm.math.gt(slope, 0))
        pm.Deterministic("flags", pm.math.ge(theta, 0).astype("int32"), dims="country")
        with pm.Model(name="sub"):
            pm.Normal("inner", 0, 1)
            pm.Normal("vector", 0, 1, shape=2)
        pm.Normal("y", slope * covariate + offset, 1, observed=np.zeros(3), dims="country")
        pm.Poisson("counts", 3, observed=np.array([1, 2]))
        pm.Normal("scalar", slope, 1, observed=0.3)
    return model


@pytest.fixture(scope="module")
def sampled(model: pm.Model) -> object:
    arguments = {"draws": 10, "tune": 10, "chains": 2, "cores": 1, "random_seed": 1, **QUICK}
    with model:
        return pm.sample(**arguments, progressbar=False, compute_convergence_checks=False)


@pytest.fixture(scope="module")
def simulated(model: pm.Model) -> object:
    with model:
        return pm.sample_prior_predictive(draws=7, random_seed=2, **QUICK)


def arrays(dataset: xr.Dataset) -> dict[str, np.ndarray]:
    return {name: variable.to_numpy() for name, variable in dataset.data_vars.items()}


def assert_same_labels(ours: xr.Dataset, theirs: xr.Dataset) -> None:
    """Names, dims, coords, indexes, dtypes and values; the order of names apart."""
    assert sorted(ours.data_vars) == sorted(theirs.data_vars)
    assert sorted(ours.coords) == sorted(theirs.coords)
    for name in [*theirs.data_vars, *theirs.coords]:
        assert ours[name].dims == theirs[name].dims, name
        assert ours[name].dtype == theirs[name].dtype, name
        assert set(ours[name].coords) == set(theirs[name].coords), name
        np.testing.assert_array_equal(ours[name].to_numpy(), theirs[name].to_numpy(), str(name))
    for name, index in theirs.indexes.items():
        assert ours.indexes[name].equals(index), name
        assert ours.indexes[name].dtype == index.dtype, name


def assert_same_attributes(ours: xr.Dataset, theirs: xr.Dataset) -> None:
    """The same keys in the same order, and values but for the library's name."""
    changing = {"created_at", "inference_library", "inference_library_version", "sampling_time"}
    version_known = "inference_library_version" in ours.attrs
    expected = [key for key in theirs.attrs if version_known or "library_version" not in key]
    assert [key for key in ours.attrs if version_known or "library_version" not in key] == expected
    for key in theirs.attrs.keys() - changing:
        assert ours.attrs[key] == theirs.attrs[key], key
    assert ours.attrs["inference_library"] == "pymc_amortized"


def test_posterior_is_labelled_as_by_pymc(model: pm.Model, sampled: object) -> None:
    theirs = inference_data.group(sampled, "posterior")
    ours = inference_data.labelled(model, arrays(theirs), POSTERIOR_LEADING)
    assert_same_labels(ours, theirs)
    assert list(ours) == list(theirs)


def test_order_is_that_of_pymc_whatever_ours(model: pm.Model, sampled: object) -> None:
    """PyMC puts transformed variables after the others; ArviZ 0.x with dm-tree sorts by name."""
    theirs = inference_data.group(sampled, "posterior")
    values = dict(reversed(arrays(theirs).items()))
    assert list(inference_data.labelled(model, values, POSTERIOR_LEADING)) == list(theirs)


@pytest.mark.parametrize("name", ["prior", "prior_predictive"])
def test_prior_is_labelled_as_by_pymc(model: pm.Model, simulated: object, name: str) -> None:
    theirs = inference_data.group(simulated, name)
    ours = inference_data.labelled(model, arrays(theirs), POSTERIOR_LEADING)
    assert_same_labels(ours, theirs)
    assert_same_attributes(ours, theirs)


def test_data_groups_are_those_of_pymc(model: pm.Model, sampled: object) -> None:
    for name, ours in (
        ("observed_data", inference_data.observed_data(model)),
        ("constant_data", inference_data.constant_data(model)),
    ):
        theirs = inference_data.group(sampled, name)
        assert_same_labels(ours, theirs)
        assert_same_attributes(ours, theirs)
        assert list(ours) == list(theirs)


def test_sample_stats_without_dims(model: pm.Model, sampled: object) -> None:
    theirs = inference_data.group(sampled, "sample_stats")[["lp", "diverging", "largest_eigval"]]
    assert_same_labels(inference_data.labelled(model, arrays(theirs), POSTERIOR_LEADING), theirs)


def test_leading_dims_keep_their_coordinates(model: pm.Model) -> None:
    values = {"slope": np.arange(24.0).reshape(2, 3, 4), "last_named": np.zeros((2, 3, 4, 2, 3))}
    leading = {"chain": None, "draw": [10, 20, 30], "dataset": ["a", "b", "c", "d"]}
    dataset = inference_data.labelled(model, values, leading)
    assert dataset["slope"].dims == ("chain", "draw", "dataset")
    assert dataset["last_named"].dims[3:] == ("last_named_dim_0", "country")
    assert dataset["slope"].sel(chain=1, draw=20, dataset="c").item() == 18
    assert dataset["country"].dtype == "<U5"


def test_more_chains_than_draws_is_no_warning(model: pm.Model) -> None:
    dataset = inference_data.labelled(model, {"slope": np.zeros((4, 2))}, POSTERIOR_LEADING)
    assert dataset.sizes == {"chain": 4, "draw": 2}


def test_observed_data_of_many_datasets(model: pm.Model) -> None:
    values = {"y": np.arange(6.0).reshape(2, 3), "scalar": np.array([1.0, 2.0])}
    dataset = inference_data.observed_data(model, values, {"dataset": None})
    assert dataset["y"].dims == ("dataset", "country")
    assert dataset["scalar"].dims == ("dataset",)
    assert dataset["counts"].dims == ("counts_dim_0",)
    assert dataset["y"].sel(dataset=1, country="Peru").item() == 4


def test_model_without_data_has_no_constant_data() -> None:
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("mu"), observed=[1.0, 2.0])
    constant = inference_data.constant_data(model)
    assert not constant.data_vars
    fit = inference_data.assemble(
        {"constant_data": constant, "observed_data": inference_data.observed_data(model)}
    )
    with pytest.raises(KeyError, match=r"group 'constant_data'.*observed_data"):
        inference_data.group(fit, "constant_data")


def rebuilt(model: pm.Model, sampled: object) -> object:
    """Make the whole of `sampled` again, with its groups in another order and one more."""
    groups = {
        name: inference_data.labelled(
            model, arrays(inference_data.group(sampled, name)), POSTERIOR_LEADING
        )
        for name in ("sample_stats", "posterior")
    }
    groups["amortized"] = xr.Dataset({"pareto_k": ("dataset", [0.1, 0.9])})
    groups["constant_data"] = inference_data.constant_data(model)
    groups["observed_data"] = inference_data.observed_data(model)
    return inference_data.assemble(groups, {"sampling_time": 0.5, "tuning_steps": 10})


def test_assemble_returns_what_pymc_returns(model: pm.Model, sampled: object) -> None:
    ours = rebuilt(model, sampled)
    assert type(ours) is type(sampled)
    names = list(sampled.children if isinstance(sampled, xr.DataTree) else sampled.groups())
    found = list(ours.children if isinstance(ours, xr.DataTree) else ours.groups())
    assert found == [*names, "amortized"]
    assert ours.attrs == sampled.attrs
    for name in names:
        theirs = inference_data.group(sampled, name)
        assert_same_labels(inference_data.group(ours, name), theirs)
        assert_same_attributes(inference_data.group(ours, name), theirs)


def test_own_attributes_win(model: pm.Model) -> None:
    draws = inference_data.labelled(model, {"slope": np.zeros((1, 5))}, POSTERIOR_LEADING)
    draws.attrs |= {"sampling_time": 7.0}
    fit = inference_data.assemble({"posterior": draws}, {"sampling_time": 1.0, "settings": "{}"})
    attrs = inference_data.group(fit, "posterior").attrs
    assert (attrs["sampling_time"], attrs["settings"]) == (7.0, "{}")


def test_netcdf_round_trip(model: pm.Model, sampled: object, tmp_path: Path) -> None:
    ours, path = rebuilt(model, sampled), tmp_path / "fit.nc"
    ours.to_netcdf(path, engine="h5netcdf")
    back = inference_data.read(path)
    path.unlink()
    assert type(back) is type(sampled)
    for name in ("posterior", "sample_stats", "observed_data", "constant_data", "amortized"):
        xr.testing.assert_equal(inference_data.group(back, name), inference_data.group(ours, name))
    assert inference_data.group(back, "posterior").attrs["sampling_time"] == 0.5


def test_netcdf_of_the_other_generation(model: pm.Model, sampled: object, tmp_path: Path) -> None:
    posterior = inference_data.group(rebuilt(model, sampled), "posterior")
    posterior.attrs = {"created_at": "2026", "sample_dims": ["chain", "draw"]}
    xr.DataTree.from_dict({"/posterior": posterior}).to_netcdf(tmp_path / "tree.nc")
    posterior.attrs = {"created_at": "2026", "arviz_version": "0.23.4"}
    posterior.to_netcdf(tmp_path / "groups.nc", group="//posterior", engine="h5netcdf")
    for file in ("tree.nc", "groups.nc"):
        back = inference_data.group(inference_data.read(tmp_path / file), "posterior")
        xr.testing.assert_equal(back, posterior)


def test_group_of_any_fit(model: pm.Model, sampled: object) -> None:
    dataset = inference_data.group(sampled, "posterior")
    tree = xr.DataTree.from_dict({"/posterior": dataset})
    for fit in (dataset, tree, tree["posterior"], sampled):
        xr.testing.assert_identical(inference_data.group(fit, "posterior"), dataset)


@pytest.mark.parametrize(
    ("values", "leading", "message"),
    [
        ({"theta": np.zeros((2, 5, 4))}, {}, r"length 3 along dim 'country'.*coordinate.*got 4"),
        ({"theta": np.zeros((2, 5))}, {}, r"\(chain, draw, country\), got an array with 2 axes"),
        ({"slope": np.zeros((2, 5)), "flag": np.zeros((2, 6))}, {}, r"length 5.*'slope', got 6"),
        ({"slope": np.zeros((2, 5, 3))}, {"dataset": [1, 2]}, r"length 2 along dim 'dataset'"),
        ({"theta": np.zeros((2, 5, 3, 3))}, {"country": None}, r"does not use.*got 'country'"),
    ],
)
def test_arrays_that_contradict_their_labels(
    model: pm.Model, values: dict, leading: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        inference_data.labelled(model, values, POSTERIOR_LEADING | leading)


def test_unknown_observed_variable(model: pm.Model) -> None:
    with pytest.raises(ValueError, match=r"\(y, counts, scalar\), got 'z'"):
        inference_data.observed_data(model, {"z": np.zeros(3)})


def test_group_of_something_else() -> None:
    with pytest.raises(TypeError, match=r"got builtins\.dict"):
        inference_data.group({"posterior": 1}, "posterior")
    with pytest.raises(KeyError, match="groups none"):
        inference_data.group(xr.DataTree(), "posterior")


def test_import_adds_nothing_to_pymc() -> None:
    code = (
        "import sys, pymc; before = set(sys.modules); import pymc_amortized.inference_data;"
        "new = {name.split('.')[0] for name in set(sys.modules) - before};"
        "print(*(new & {'matplotlib', 'arviz', 'arviz_base', 'arviz_stats', 'tensorflow'}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""

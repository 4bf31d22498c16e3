"""Models of `pymc.dims` as models of plain tensors, against PyMC's own view of them."""

from pathlib import Path

import numpy as np
import pymc as pm
import pytest
from models import CASES, PYMC, SUPPORTED, build
from pytensor.graph.traversal import ancestors
from trained import small, untrained

import pymc_amortized as pma
from pymc_amortized.graphs import pymc_deprecations
from pymc_amortized.named_dims import plain_model
from pymc_amortized.structure import observed_values

if PYMC == 5:
    pytest.skip("pymc.dims is of PyMC 6", allow_module_level=True)

import pymc.dims as pmd
from pytensor.xtensor.type import XTensorType

NAMED = [name for name in SUPPORTED if name.startswith("named_")]


SEEN = np.linspace(-1, 1, 12).reshape(2, 6)


def with_data() -> None:
    """Lines of two groups, with covariate and data in containers, these in another order."""
    x = pmd.Data("x", np.linspace(-1, 1, 6), dims="obs")
    seen = pmd.Data("seen", SEEN, dims=("group", "obs"))
    slope = pmd.Normal("slope", 0, 1, dims="group")
    pmd.Normal("y", slope * x, 1, observed=seen, dims=("obs", "group"))


@pytest.mark.parametrize("name", CASES)
def test_other_models_stay_the_same(name: str) -> None:
    model = CASES[name].build()
    assert plain_model(model) is model


@pytest.mark.parametrize("name", NAMED)
def test_log_density_is_that_of_the_model(name: str) -> None:
    model = SUPPORTED[name].build()
    plain = plain_model(model)
    with pymc_deprecations():
        expected = model.compile_logp(mode="FAST_COMPILE")
        found = plain.compile_logp(mode="FAST_COMPILE")
    rng = np.random.default_rng(1)
    for _ in range(3):
        point = {
            n: v if v.dtype.kind in "iu" else v + rng.normal(0, 0.5, np.shape(v))
            for n, v in model.initial_point().items()
        }
        np.testing.assert_allclose(found(point), expected(point), rtol=1e-10)


@pytest.mark.parametrize("name", NAMED)
def test_no_array_has_named_axes_and_the_model_keeps_its_own(name: str) -> None:
    model = SUPPORTED[name].build()
    before = dict(model.named_vars)
    plain = plain_model(model)
    graphs = [*plain.named_vars.values(), *plain.rvs_to_values.values()]
    assert not any(isinstance(v.type, XTensorType) for v in ancestors(graphs))
    assert dict(model.named_vars) == before
    assert list(plain.named_vars) == list(before)
    assert any(isinstance(v.type, XTensorType) for v in before.values())


@pytest.mark.parametrize("name", NAMED)
def test_labels_are_those_of_pymc(name: str) -> None:
    model = SUPPORTED[name].build()
    found = pma.simulate(model, draws=5, random_seed=1, progressbar=False)
    model = model.copy() if model.potentials else model
    model.potentials.clear()  # which PyMC's own simulations warn of
    fast = {"mode": "FAST_COMPILE"}
    expected = pm.sample_prior_predictive(5, model=model, random_seed=1, compile_kwargs=fast)
    assert set(found.children) == set(expected.children)
    for group in expected.children:
        assert set(found[group].data_vars) == set(expected[group].data_vars)
        for variable, array in expected[group].data_vars.items():
            assert found[group][variable].dims == array.dims
            assert found[group][variable].dtype == array.dtype
            for dim in array.dims:
                np.testing.assert_array_equal(found[group][variable][dim], array[dim])
    for group in {"observed_data", "constant_data"} & set(expected.children):
        for variable, array in expected[group].data_vars.items():
            np.testing.assert_array_equal(found[group][variable], array)


def test_data_set_in_the_model_are_those_of_its_translation() -> None:
    model = build(with_data, obs=range(6), group=["a", "b"])
    plain = plain_model(model)
    np.testing.assert_array_equal(observed_values(plain)["y"], SEEN.T)
    pm.set_data({"seen": np.ones((2, 6)), "x": np.zeros(6)}, model=model)
    np.testing.assert_array_equal(observed_values(plain)["y"], np.ones((6, 2)))
    np.testing.assert_array_equal(plain["x"].get_value(), np.zeros(6))


def core_dim_first() -> None:
    a = pmd.as_xtensor(np.ones(3), dims="kind")
    p = pmd.Dirichlet("p", a, core_dims="kind", dims=("kind", "group"))
    pmd.Normal("y", p.isel(kind=0), 1, observed=pmd.as_xtensor(np.zeros(2), dims="group"))


def test_distributions_whose_own_dims_are_not_last_are_refused() -> None:
    model = build(core_dim_first, kind=range(3), group=range(2))
    with pytest.raises(pma.UnsupportedModelError, match=r"'p' .*reorder its `dims`"):
        pma.simulate(model, draws=5)


def test_samples_of_new_and_own_data(tmp_path: Path) -> None:
    model = build(with_data, obs=range(6), group=["a", "b"])
    posterior = untrained(plain_model(model))
    options = {"draws": 20, "chains": 2, "random_seed": 1, "progressbar": False}
    own = posterior.sample(refine=None, predictive=True, **options)
    assert own.posterior["slope"].dims == ("chain", "draw", "group")
    assert own.posterior_predictive["y"].dims == ("chain", "draw", "obs", "group")
    pm.set_data({"seen": np.zeros((2, 6))}, model=model)
    after = posterior.sample(refine=None, **options)
    np.testing.assert_array_equal(after.observed_data["y"], np.zeros((6, 2)))
    posterior.save(tmp_path / "named")
    loaded = pma.load(tmp_path / "named", model)
    again = loaded.sample(refine=None, **options)
    np.testing.assert_array_equal(again.posterior["slope"], after.posterior["slope"])


def test_fit_finds_the_posterior_in_closed_form() -> None:
    model = build(with_data, obs=range(6), group=["a", "b"])
    seen = np.random.default_rng(2).normal(size=(2, 6))
    pm.set_data({"seen": seen}, model=model)
    posterior = pma.fit(model, simulations=1000, random_seed=1, progressbar=False, **small())
    fit = posterior.sample(draws=2000, refine="auto", random_seed=1, progressbar=False)
    x = np.linspace(-1, 1, 6)
    precision = 1 + (x**2).sum()
    z = (fit.posterior["slope"] - seen @ x / precision) * np.sqrt(precision)
    every = ("chain", "draw")
    assert np.abs(z.mean(every)).max() < 4 / np.sqrt(8000 / 2)  # of weighted draws half count
    assert np.abs(z.std(every) - 1).max() < 4 / np.sqrt(8000)

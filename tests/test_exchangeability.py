"""What a model does not tell apart is found by asking its log joint."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from models import build

import pymc_amortized as pma
from pymc_amortized.density import density
from pymc_amortized.discovery import check_exchangeable, discovered, honoured
from pymc_amortized.exchangeability import Found
from pymc_amortized.forward import forward_sampler
from pymc_amortized.parameters import parameters
from pymc_amortized.structure import has_likelihood, observed_names, sorted_names
from pymc_amortized.variation import varied_model

X = np.linspace(-1, 1, 6)


def found(model: pm.Model, exchangeable="auto", vary=None) -> Found:
    model = varied_model(model, vary)
    draws = forward_sampler(model, sort=sorted_names(model)).draw(10, 0)
    of_model = parameters(model, draws)
    known = has_likelihood(model)
    log_joint = density(model, of_model.shapes) if known else None
    vector, _ = of_model.unconstrain(of_model.dequantized(draws, np.random.default_rng(0)))
    observed = {name: draws[name] for name in observed_names(model)}
    return discovered(model, exchangeable, log_joint, vector, observed)


def points() -> None:
    pm.Normal("y", pm.Normal("a"), pm.HalfNormal("s"), observed=np.zeros(6))


def fixed_design() -> None:
    pm.Normal("y", pm.Normal("a") * X, 1, observed=np.zeros(6), dims="obs")


def held_design() -> None:
    x = pm.Data("x", X, dims="obs")
    pm.Normal("y", pm.Normal("a") * x, 1, observed=np.zeros(6), dims="obs")


def schools() -> None:
    theta = pm.Normal("theta", pm.Normal("mu"), pm.HalfNormal("tau"), dims="school")
    sigma = pm.Data("sigma", np.arange(1.0, 7), dims="school")
    pm.Normal("y", theta, sigma, observed=np.zeros(6), dims="school")


def independent_groups() -> None:
    theta = pm.Normal("theta", 0, 1, dims="school")
    pm.Normal("y", theta[:, None], 1, observed=np.zeros((6, 4)), dims=("school", "pupil"))


def walk() -> None:
    steps = pm.Normal("steps", 0, 1, dims="obs")
    pm.Normal("y", pt.cumsum(steps), 1, observed=np.zeros(6), dims="obs")


def series() -> None:
    pm.AR("y", pm.Normal("rho"), 1, init_dist=pm.Normal.dist(), observed=np.zeros(6))


def vectors() -> None:
    mean = pm.Normal("mean", [0, 1], 1)
    pm.MvNormal("y", mean, np.array([[1, 0.5], [0.5, 2]]), observed=np.zeros((6, 2)))


def nearly() -> None:
    """All but one have the same noise."""
    noise = np.ones(6)
    noise[2] = 1.001
    pm.Normal("y", pm.Normal("a"), noise, observed=np.zeros(6))


def silent() -> None:
    """Zeros whatever is drawn, so that a permutation changes nothing."""
    pm.Binomial("y", [1] * 6, 1e-12 * pm.Beta("p", 1, 1), observed=np.zeros(6, int))


SCHOOLS, OBS = {"school": range(6)}, {"obs": range(6)}
PUPILS = SCHOOLS | {"pupil": range(4)}


@pytest.mark.parametrize(
    ("fill", "coords", "dims", "within"),
    [
        (points, {}, ["y_dim_0"], {}),
        (fixed_design, OBS, [], {}),
        (held_design, OBS, [], {}),
        (schools, SCHOOLS, [], {}),
        (independent_groups, PUPILS, ["school", "pupil"], {"school": "pupil"}),
        (walk, OBS, [], {}),
        (series, {}, [], {}),
        (vectors, {}, ["y_dim_0"], {}),
        (nearly, {}, [], {}),
        (silent, {}, [], {}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_the_model_is_asked(fill, coords, dims, within) -> None:
    assert found(build(fill, **coords)) == Found(dims, within)


@pytest.mark.parametrize(
    ("fill", "coords", "name"), [(held_design, OBS, "x"), (schools, SCHOOLS, "sigma")]
)
def test_covariates_that_vary_move_with_the_outcomes(fill, coords, name) -> None:
    vary = {name: pm.HalfNormal.dist(1)}
    assert found(build(fill, **coords), vary=vary).dims == list(coords)


def test_what_networks_cannot_heed_is_not_promised() -> None:
    """Observations of vectors whose columns are exchangeable too: a set of observations."""

    def fill() -> None:
        mean = pm.Normal("mean", 0, 1, dims="k")
        chol = np.linalg.cholesky(np.array([[1, 0.5], [0.5, 1]]))
        pm.MvNormal("y", mean, chol=chol, observed=np.zeros((8, 2)), dims=("obs", "k"))

    model = build(fill, obs=range(8), k=["p", "q"])
    assert set(found(model).dims) == {"obs", "k"}
    draws = forward_sampler(model).draw(2, 0)
    kept, layout = honoured(model, parameters(model, draws), found(model), gaps=False)
    assert kept.dims == ["obs"] == layout.exchangeable
    assert not layout.places


def test_the_user_is_believed() -> None:
    assert found(build(points), []).dims == []
    assert found(build(fixed_design, **OBS), ["obs"]).dims == ["obs"]


def simulator(rng, a, size=None):
    return rng.normal(a, 1, size=size)


def unknown() -> None:
    pm.Simulator("y", simulator, pm.Normal("a"), observed=np.zeros(5), dims="obs")


def test_without_a_likelihood_nothing_is_exchangeable_that_is_not_said_to_be() -> None:
    model = build(unknown, obs=range(5))
    assert found(model).dims == []
    assert found(model, ["obs"]).dims == ["obs"]


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("obs", TypeError, r"exchangeable: expected 'auto' or a list of dims .*'y_dim_0'"),
        (3, TypeError, "exchangeable: expected 'auto'"),
        (["time"], ValueError, r"exchangeable: expected dims of observed variables \('y_dim_0'\)"),
    ],
)
def test_other_values_are_refused(value, error, message) -> None:
    with pytest.raises(error, match=message):
        check_exchangeable(build(points), value)


def test_fit_checks_before_it_works() -> None:
    with pytest.raises(ValueError, match="exchangeable: expected dims"):
        pma.fit(build(points), exchangeable=["time"])

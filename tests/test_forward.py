"""Forward draws: the joint distribution of the batch is that of PyMC's own draws."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from checks import pymc_draws
from models import CASES, SUPPORTED, build
from pymc.distributions.transforms import ordered
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.random.op import RandomVariable

from pymc_amortized.agreement import TOLERANCE, columns, differences
from pymc_amortized.forward import ForwardSampler, forward_sampler
from pymc_amortized.graphs import variables
from pymc_amortized.named_dims import plain_model

DRAWS = 10_000
LOOPED_DRAWS = 2000
Draws = dict[str, np.ndarray]

FEW_DRAWS = 1000
"""Of the models beside the small ones."""


WITH_REFERENCE = [
    name for name, case in SUPPORTED.items() if case.exact_prior or name == "ordered_means"
]
"""Those of whose prior there are draws of other origin."""


@cache
def sampler(name: str) -> ForwardSampler:
    case = SUPPORTED[name]
    return forward_sampler(plain_model(case.build()), sort=case.sort)


@cache
def batch(name: str) -> Draws:
    many = DRAWS if sampler(name).vectorized else LOOPED_DRAWS
    return sampler(name).draw(many if name in CASES else FEW_DRAWS, 11)


@cache
def reference(name: str) -> Draws:
    if name == "ordered_means":
        return ordered_reference()
    return pymc_draws(SUPPORTED[name], LOOPED_DRAWS if name in CASES else FEW_DRAWS)


def ordered_reference() -> Draws:
    """Exact draws of the restricted prior of `ordered_means`, by rejection."""
    rng = np.random.default_rng(12)
    mu = rng.normal(0, 2, size=(3 * DRAWS, 2))
    mu = mu[mu[:, 0] < mu[:, 1]][:DRAWS]
    component = (rng.random((len(mu), 6)) < 0.7).astype(int)
    y = rng.normal(np.take_along_axis(mu, component, axis=1), 0.5)
    return {"mu": mu, "y": y}


@pytest.mark.parametrize("name", WITH_REFERENCE)
def test_joint_is_that_of_pymc(name: str) -> None:
    marginal, pairwise = differences(batch(name), reference(name))
    assert marginal.max() < TOLERANCE
    assert pairwise.max() < TOLERANCE


def test_comparison_sees_a_shift_and_a_correlation() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, FEW_DRAWS, 2))
    marginal, pairwise = differences({"x": a}, {"x": b})
    assert max(marginal.max(), pairwise.max()) < TOLERANCE
    marginal, _ = differences({"x": a}, {"x": b + 0.45})
    assert marginal.max() > TOLERANCE
    b[:, 1] = 0.4 * b[:, 0] + np.sqrt(1 - 0.4**2) * b[:, 1]
    _, pairwise = differences({"x": a}, {"x": b})
    assert pairwise.max() > TOLERANCE


def test_comparison_sees_what_is_no_number() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, FEW_DRAWS))
    odd = np.where(rng.random(FEW_DRAWS) < 0.1, np.nan, b)
    assert differences({"x": a}, {"x": odd})[0].max() > TOLERANCE
    assert differences({"x": odd}, {"x": rng.permutation(odd)})[0].max() < TOLERANCE


def test_comparison_sees_a_broken_joint() -> None:
    draws = batch("mixture")
    broken = {**draws, "w": np.roll(draws["w"], 1, axis=0)}
    marginal, pairwise = differences(broken, reference("mixture"))
    assert marginal.max() < TOLERANCE
    assert pairwise.max() > TOLERANCE


@pytest.mark.parametrize("name", WITH_REFERENCE)
def test_shapes_and_dtypes(name: str) -> None:
    expected = reference(name)
    for draws in (1, 7):
        result = sampler(name).draw(draws, 5)
        assert list(result) == list(variables(SUPPORTED[name].build()))
        for variable, values in result.items():
            assert values.shape == (draws, *expected[variable].shape[1:])
            assert values.dtype == expected[variable].dtype


@pytest.mark.parametrize("name", CASES)
def test_seed_decides(name: str) -> None:
    draw = sampler(name).draw
    first, other, again = draw(20, 1), draw(20, 2), draw(20, 1)
    for variable, values in first.items():
        np.testing.assert_array_equal(values, again[variable])
        if not variable.startswith("chol_corr"):
            assert not np.array_equal(values, other[variable])


@pytest.mark.parametrize("name", SUPPORTED)
def test_vectorized_where_expected(name: str) -> None:
    forward = sampler(name)
    assert forward.vectorized or forward.reason
    if SUPPORTED[name].vectorized is not None:
        assert forward.vectorized == SUPPORTED[name].vectorized, forward.reason


def test_variables_have_independent_streams() -> None:
    with pm.Model() as model:
        for name in "abc":
            pm.Normal(name)
        pm.Normal("y", observed=np.zeros(2))
    correlation = np.corrcoef(columns(forward_sampler(model).draw(DRAWS, 0)).T)
    assert np.abs(correlation[np.triu_indices(5, 1)]).max() < 5 / np.sqrt(DRAWS)


@pytest.mark.parametrize("name", ["deterministic_of_observed", "hierarchical"])
def test_deterministics_belong_to_the_same_draw(name: str) -> None:
    draws = batch(name)
    if name == "hierarchical":
        theta = draws["mu"][:, None] + draws["tau"][:, None] * draws["z"]
        np.testing.assert_allclose(draws["theta"], theta)
    else:
        np.testing.assert_allclose(draws["residual"], draws["y"] - draws["a"][:, None])
        np.testing.assert_allclose(draws["mean"], draws["y"].mean(axis=1))


def generator_states(model: pm.Model) -> list[dict]:
    values = [
        v.get_value()
        for v in ancestors(list(variables(model).values()))
        if isinstance(v, SharedVariable)
    ]
    return [v.bit_generator.state for v in values if isinstance(v, np.random.Generator)]


@pytest.mark.parametrize("name", ["linear_regression", "mixture", "observed_ar", "custom_random"])
def test_model_is_left_alone(name: str) -> None:
    model = CASES[name].build()
    before, names = generator_states(model), list(model.named_vars)
    inputs = [rv.owner.inputs for rv in model.basic_RVs]
    forward_sampler(model).draw(3, 0)
    assert generator_states(model) == before
    assert list(model.named_vars) == names
    assert [rv.owner.inputs for rv in model.basic_RVs] == inputs


def test_sampler_keeps_the_data_it_was_made_with() -> None:
    model = CASES["known_noise"].build()
    draw = forward_sampler(model).draw
    before = draw(5, 0)["y"]
    with model:
        pm.set_data({"x": np.full(12, 100.0)})
    np.testing.assert_array_equal(draw(5, 0)["y"], before)
    assert forward_sampler(model).draw(5, 0)["y"].std() > 10 * before.std()


@pytest.mark.parametrize("shape", [(3,), (4, 3)])
def test_sorted_draws_are_used_by_all_that_follows(shape: tuple[int, ...]) -> None:
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 1, shape=shape, transform=ordered)
        pm.Deterministic("gap", mu[..., 1:] - mu[..., :-1])
        pm.Normal("y", mu, 1e-9, observed=np.zeros(shape))
    draws = forward_sampler(model, sort={"mu"}).draw(100, 0)
    assert (draws["gap"] > 0).all()
    np.testing.assert_allclose(draws["y"], draws["mu"], atol=1e-7)


def test_sorted_draws_in_a_loop() -> None:
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 1, shape=3, transform=ordered)
        pm.CustomDist("y", mu, random=add_noise, observed=np.zeros(3))
    forward = forward_sampler(model, sort={"mu"})
    draws = forward.draw(50, 0)
    assert not forward.vectorized
    assert (np.diff(draws["mu"], axis=-1) > 0).all()
    np.testing.assert_allclose(draws["y"], draws["mu"], atol=1e-7)


def add_noise(
    center: np.ndarray,
    rng: np.random.Generator | None = None,
    size: tuple[int, ...] | None = None,
) -> np.ndarray:
    return center + rng.normal(0, 1e-9, size=size)


class UserRV(RandomVariable):
    """A user's own random variable, of whose function nothing is known."""

    name = "user"
    signature = "()->()"
    dtype = "float64"

    @classmethod
    def rng_fn(
        cls, rng: np.random.Generator, center: np.ndarray, size: tuple[int, ...] | None
    ) -> np.ndarray:
        return np.mean(center) + rng.normal(0, 1e-9, size=size)


def own_random_variable(a: pt.TensorVariable) -> None:
    node = UserRV().make_node(*pm.Normal.dist(a, shape=(3,)).owner.inputs[:3])
    pm.Deterministic("mine", node.outputs[1])
    pm.Normal("y", node.outputs[1], 1, observed=np.zeros(3))


def in_a_mixture(a: pt.TensorVariable) -> None:
    component = pm.CustomDist.dist(a, random=add_noise, class_name="mine", shape=(3,))
    pm.Mixture("y", [0.5, 0.5], [component, pm.Normal.dist(a, 1e-9)], observed=np.zeros(3))


@pytest.mark.parametrize("fill", [own_random_variable, in_a_mixture])
def test_black_boxes_loop_wherever_they_are(fill: Callable[[pt.TensorVariable], None]) -> None:
    with pm.Model() as model:
        fill(pm.Normal("a"))
    forward = forward_sampler(model)
    assert not forward.vectorized
    assert "user" in forward.reason
    assert forward.draw(4, 0)["y"].shape == (4, 3)


def test_reason_names_what_stands_in_the_way() -> None:
    forward = sampler("observed_ar")
    assert forward.vectorized or ("'y'" in forward.reason and "Scan" in forward.reason)


def test_error_of_a_broken_model_surfaces() -> None:
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("a"), -1, observed=np.zeros(3))
    with pytest.raises(ValueError, match=r"values of 'y' .*scale < 0"):
        forward_sampler(model)


def test_threads_do_not_mix_their_seeds() -> None:
    draw = sampler("linear_regression").draw
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda seed: draw(500, seed)["y"], range(12)))
    for seed, result in enumerate(results):
        np.testing.assert_array_equal(result, draw(500, seed)["y"])


def impossible() -> None:
    base = pm.Poisson.dist(pm.Exponential("rate", 100))
    pm.Truncated("k", base, lower=30, upper=40, max_n_steps=20, observed=np.array([31, 32]))


def test_truncation_that_leaves_nothing_names_the_variable() -> None:
    with pytest.raises(ValueError, match="expected values of 'k'"):
        forward_sampler(build(impossible))

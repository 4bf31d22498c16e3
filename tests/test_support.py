"""Observed values that no parameters make possible: found where they are, refused by name."""

import re
from collections.abc import Callable

import numpy as np
import pymc as pm
import pytest
from models import CASES

from pymc_amortized.data import Datasets
from pymc_amortized.forward import forward_sampler
from pymc_amortized.support import CROSSED, STAGES, data_support, support_draws


def below_a_top() -> pm.Model:
    with pm.Model() as model:
        top = pm.Uniform("top", 0, 10)
        pm.Uniform("y", 0, top, observed=np.ones(3))
    return model


def test_impossible_values_are_found_where_they_are() -> None:
    top = np.linspace(0.01, 9.99, 1000)
    prior = {"top": top, "y": top[:, None] * [0.1, 0.5, 0.9]}
    y = np.array([[1.0, 2.0, 3.0], [1.0, -0.5, 9.98], [1.0, 2.0, 11.0]])
    outside = data_support(below_a_top(), prior).outside({"y": y})["y"]
    np.testing.assert_array_equal(outside, (y < 0) | (y > 10))


def test_data_that_are_drawn_one_by_one_are_few() -> None:
    """Counting the calls of a user's random function."""
    calls = []

    def random(top, rng=None, size=None):
        calls.append(1)
        return rng.uniform(0, top, size)

    def logp(value, top):
        return pm.logp(pm.Uniform.dist(0, top), value)

    with pm.Model() as model:
        top = pm.Uniform("top", 0, 10)
        pm.CustomDist("y", top, logp=logp, random=random, observed=np.ones(3))
    sampler = forward_sampler(model)
    calls.clear()
    draws = support_draws(model, sampler)
    assert len(calls) == CROSSED
    assert len(np.unique(draws["top"])) == STAGES[-1]
    assert ((draws["y"] > 0) & (draws["y"] < draws["top"][:CROSSED, None])).all()
    y = np.array([[1.0, 2.0, 3.0], [1.0, -0.5, 9.9], [1.0, 2.0, 11.0]])
    outside = data_support(model, draws).outside({"y": y})["y"]
    np.testing.assert_array_equal(outside, (y < 0) | (y > 10))


def test_where_the_support_depends_on_parameters_a_rare_value_is_no_error() -> None:
    with pm.Model() as model:
        top = pm.HalfNormal("top", 1)
        pm.Uniform("y", 0, top, observed=np.ones(2))
    support = data_support(model, forward_sampler(model).draw(1000, 1))
    rare = Datasets({"y": np.array([[0.1, 6.0]])}, {}, ())  # one prior draw of 10^9 makes it
    with pytest.warns(UserWarning, match="'y'.*1 outside it, such as 6.0 under 1000 draws"):
        support.check(rare)
    support.check(Datasets({"y": np.array([[0.1, 0.2]])}, {}, ()))


def test_a_multivariate_value_is_impossible_as_a_whole() -> None:
    model = CASES["dirichlet_multinomial"].build()
    prior = forward_sampler(model).draw(100, 1)
    y = np.array([[[4, 6, 10], [3, 7, 10]], [[4, 6, 10], [3, 7, 11]]])  # totals of 20, and a 21
    outside = data_support(model, prior).outside({"y": y})["y"]
    np.testing.assert_array_equal(outside, [[False, False], [False, True]])


def positive_scalar() -> pm.Model:
    with pm.Model() as model:
        pm.HalfNormal("y", pm.HalfNormal("scale"), observed=1.0)
    return model


@pytest.mark.parametrize(
    ("build", "name", "values", "message"),
    [
        (CASES["one_parameter"].build, "y", [[1] * 9 + [-3]], "got 1 outside it, such as -3"),
        (
            CASES["beta_binomial"].build,
            "y",
            [[1, 2, 3], [1, 11, 12], [1, 2, 3], [-1, 2, 3]],
            "got 3 outside it in the datasets 1, 3, such as 11",
        ),
        (CASES["logistic_regression"].build, "y", [[0] * 11 + [2]], "got 1 outside it, such as 2"),
        (CASES["two_observed"].build, "count", [[1, -2, 0]], "got 1 outside it, such as -2"),
        (
            CASES["dirichlet_multinomial"].build,
            "y",
            [[[4, 6, 10], [3, 7, 11]]],
            "got 1 outside it, such as [ 3  7 11]",
        ),
        (positive_scalar, "y", [-2.5], "got 1 outside it, such as -2.5"),
        (positive_scalar, "y", [1.0, -2.5], "got 1 outside it in the datasets 1, such as -2.5"),
    ],
)
def test_refusals_say_what_came(
    build: Callable[[], pm.Model], name: str, values: list, message: str
) -> None:
    model = build()
    draws = forward_sampler(model).draw(100, 1)
    number = len(values)
    datasets = {rv.name: draws[rv.name][:number] for rv in model.observed_RVs}
    dims, sizes = ({"dataset": None}, (number,)) if number > 1 else ({}, ())
    support = data_support(model, draws)
    support.check(Datasets(datasets, dims, sizes))  # draws of its own are possible
    datasets[name] = np.array(values)
    told = f"values of {name!r} inside the support.*{re.escape(message)}"
    some = number > 1  # must not lose the others
    with pytest.warns(UserWarning, match=told) if some else pytest.raises(ValueError, match=told):
        support.check(Datasets(datasets, dims, sizes))


def test_datasets_that_are_all_impossible_are_refused() -> None:
    model = CASES["beta_binomial"].build()
    support = data_support(model, forward_sampler(model).draw(100, 1))
    y = np.array([[11, 1, 1], [1, 1, -1]])
    with pytest.raises(ValueError, match="got 2 outside it in the datasets 0, 1, such as 11"):
        support.check(Datasets({"y": y}, {"dataset": None}, (2,)))

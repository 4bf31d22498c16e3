"""Recipes of what factories return."""

import json

import pytest

from pymc_amortized import flows, summaries
from pymc_amortized.factories import MODULES, built_by, is_factory, recipe_of

EVERY = [
    (argument, name)
    for argument, module in (("summary", summaries), ("flow", flows))
    for name in module.__all__
]


@pytest.mark.parametrize(("argument", "name"), EVERY)
def test_a_recipe_makes_the_same_again(argument: str, name: str) -> None:
    module = {"summary": summaries, "flow": flows}[argument]
    factory = getattr(module, name)
    built = factory(width=8)
    recipe = recipe_of(argument, built)
    assert recipe["factory"] == name
    again = built_by(argument, json.loads(json.dumps(recipe)))
    assert (again.func, again.keywords) == (built.func, built.keywords)
    assert again.keywords["width"] == 8
    assert is_factory(argument, factory)
    assert not is_factory(argument, built)


def test_what_is_no_factory_of_the_argument_has_no_recipe() -> None:
    assert recipe_of("summary", flows.spline_coupling()) is None
    assert recipe_of("flow", lambda size, features, rng: None) is None
    assert not is_factory("flow", summaries.structured)


def test_unknown_factories_are_refused() -> None:
    with pytest.raises(ValueError, match=f"expected a factory of {MODULES['flow']}"):
        built_by("flow", {"factory": "Conditioner", "options": {}})

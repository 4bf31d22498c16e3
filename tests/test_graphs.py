"""Copies of a model's graphs at its present data."""

import numpy as np
import pymc as pm
import pytest
from models import CASES, build
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.traversal import ancestors

from pymc_amortized.graphs import frozen, variables
from pymc_amortized.structure import shapes


@pytest.mark.parametrize("name", CASES)
def test_frozen_graphs_have_static_shapes_and_no_data(name: str) -> None:
    model = CASES[name].build()
    named = variables(model)
    graphs = frozen(model, list(named.values()))
    assert [graph.type.shape for graph in graphs] == list(shapes(model).values())
    left = {v for v in ancestors(graphs) if isinstance(v, SharedVariable)}
    assert all(isinstance(v.get_value(), np.random.Generator) for v in left)
    assert all(v in ancestors([model[n]]) for n, v in named.items())


def test_frozen_sees_through_dims_of_symbolic_distributions() -> None:
    def fill() -> None:
        w = pm.Mixture("w", [0.5, 0.5], [pm.Normal.dist(), pm.Normal.dist(3, 1)], dims="g")
        pm.Normal("y", w, 1, observed=np.zeros(3), dims="g")

    model = build(fill, g=[0, 1, 2])
    assert frozen(model, [model["w"]])[0].type.shape == (3,)
    assert model["w"].type.shape == (None,)


def test_frozen_follows_the_present_data() -> None:
    model = CASES["linear_regression"].build()
    with model:
        pm.set_data({"x": np.zeros(5)}, coords={"obs": range(5)})
    assert shapes(model)["y"] == (5,)


def test_frozen_leaves_initial_values_and_model_alone() -> None:
    model = CASES["ordered_means"].build()
    assert shapes(model) == {"mu": (2,), "y": (6,)}
    assert model.rvs_to_initial_values[model["mu"]] is not None

"""The registry: all of PyMC is in it, refusals name the variable, models stay as they are."""

import inspect

import numpy as np
import pymc as pm
import pytest
from checks import check_short_fit
from models import PYMC, REGISTRY, SUPPORTED
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.traversal import ancestors

import pymc_amortized as pma
from pymc_amortized.graphs import variables

NO_DISTRIBUTIONS = {"Continuous", "Discrete", "Distribution", "SymbolicRandomVariable"}

REPRESENTATIVE = [
    "cauchy",
    "lkj",
    "mixture",
    "occupancy",
    "truncated_prior",
    "zero_sum_table",
    "latent_ar",
    "hurdle_poisson",
    "nested",
    "with_initial_values",
    "potential",
    "latent_gp",
    "fifty_groups",
    "long_stochastic_volatility",
    "chained_transform",
    "skewed_simulator",
    *(["named_line", "named_and_not"] if PYMC > 5 else []),
]
"""Models of all kinds for which CI trains."""


def exported() -> set[str]:
    """Names of all distributions of the installed PyMC."""
    classes = {
        name
        for name, value in vars(pm).items()
        if inspect.isclass(value) and issubclass(value, pm.Distribution)
    }
    return (classes | set(pm.distributions.__all__)) - NO_DISTRIBUTIONS


def test_every_distribution_has_a_model() -> None:
    shown = {show for case in REGISTRY.values() for show in case.shows}
    aliases = {"Simulator", "CustomDist(dist=)"}
    assert exported() - shown - {"CustomDist"} == set()
    assert aliases <= shown


def test_there_are_more_than_a_hundred() -> None:
    assert len(SUPPORTED) > 100


@pytest.mark.parametrize("name", [name for name in REGISTRY if name not in SUPPORTED])
def test_refused_by_name(name: str) -> None:
    model = REGISTRY[name].build()
    with pytest.raises(pma.UnsupportedModelError, match=REGISTRY[name].refused) as caught:
        pma.fit(model, progressbar=False)
    error = caught.value
    assert error.variable in model.named_vars
    assert str(error) == f"{error.variable!r} {error.reason}; {error.cure}"
    assert error.cure.startswith("expected")


def print_of(model: pm.Model) -> list[object]:
    """What a call could change of a model: variables, graphs, data and generators."""
    graphs = list(variables(model).values())
    held = [v for v in ancestors(graphs) if isinstance(v, SharedVariable)]
    values = [v.get_value() for v in held]
    generators = [v.bit_generator.state for v in values if isinstance(v, np.random.Generator)]
    data = [v.tolist() for v in values if isinstance(v, np.ndarray)]
    return [
        list(model.named_vars.items()),
        [v.owner and list(v.owner.inputs) for v in graphs],
        list(model.rvs_to_values.items()),
        list(model.rvs_to_transforms.items()),
        list(model.rvs_to_initial_values.items()),
        list(model.observed_RVs),
        list(model.potentials),
        {name: list(dims) for name, dims in model.named_vars_to_dims.items()},
        generators,
        data,
    ]


@pytest.mark.parametrize("name", REPRESENTATIVE)
def test_short_fit_leaves_the_model_alone(name: str) -> None:
    model = REGISTRY[name].build()
    before = print_of(model)
    check_short_fit(REGISTRY[name], model)
    assert print_of(model) == before

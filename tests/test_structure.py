"""What a model says of itself, and what is refused by name."""

import re
import warnings
from collections.abc import Callable

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from models import CASES
from pymc.distributions import transforms
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.traversal import ancestors

from pymc_amortized import structure
from pymc_amortized.graphs import variables

Fill = Callable[[], object]


def build(fill: Fill, **coords: list) -> pm.Model:
    with pm.Model(coords=coords) as model:
        fill()
    return model


@pytest.mark.parametrize("name", CASES)
def test_registry(name: str) -> None:
    case = CASES[name]
    model = case.build()
    structure.check_model(model)
    assert structure.has_likelihood(model) == case.likelihood
    assert structure.sorted_names(model) == case.sort


@pytest.mark.parametrize("name", CASES)
def test_frozen_graphs_have_static_shapes_and_no_data(name: str) -> None:
    model = CASES[name].build()
    named = variables(model)
    graphs = structure.frozen(model, list(named.values()))
    assert [graph.type.shape for graph in graphs] == list(structure.shapes(model).values())
    left = {v for v in ancestors(graphs) if isinstance(v, SharedVariable)}
    assert all(isinstance(v.get_value(), np.random.Generator) for v in left)
    assert all(v in ancestors([model[n]]) for n, v in named.items())


def test_frozen_sees_through_dims_of_symbolic_distributions() -> None:
    def fill() -> None:
        w = pm.Mixture("w", [0.5, 0.5], [pm.Normal.dist(), pm.Normal.dist(3, 1)], dims="g")
        pm.Normal("y", w, 1, observed=np.zeros(3), dims="g")

    model = build(fill, g=[0, 1, 2])
    assert structure.frozen(model, [model["w"]])[0].type.shape == (3,)
    assert model["w"].type.shape == (None,)


def test_frozen_follows_the_present_data() -> None:
    model = CASES["linear_regression"].build()
    with model:
        pm.set_data({"x": np.zeros(5)}, coords={"obs": range(5)})
    assert structure.shapes(model)["y"] == (5,)


def test_frozen_leaves_initial_values_and_model_alone() -> None:
    model = CASES["ordered_means"].build()
    assert structure.shapes(model) == {"mu": (2,), "y": (6,)}
    assert model.rvs_to_initial_values[model["mu"]] is not None


def test_shape_that_depends_on_draws_is_refused() -> None:
    def fill() -> None:
        a = pm.Normal("a", shape=5)
        pm.Deterministic("positive", a[a > 0])
        pm.Normal("y", a, observed=np.zeros(5))

    with pytest.raises(ValueError, match="shape of 'positive' depends on random draws"):
        structure.shapes(build(fill))


def test_names_come_once_and_in_order() -> None:
    model = CASES["two_observed"].build()
    model.observed_RVs.append(model["y"])  # as PyMC 5.28's sample_posterior_predictive does
    assert structure.observed_names(model) == ["y", "count"]
    assert structure.free_names(model) == ["a"]
    hierarchical = CASES["hierarchical"].build()
    assert structure.free_names(hierarchical) == ["mu", "tau", "z"]
    assert structure.deterministic_names(hierarchical) == ["theta"]


def test_constant_data_are_those_used_as_more_than_observations() -> None:
    def fill() -> None:
        a = pm.Normal("a")
        x = pm.Data("x", np.arange(3.0))
        only_observed = pm.Data("only_observed", np.array([1.0, 2.0, 3.0]))
        both = pm.Data("both", np.arange(3.0))
        pm.Poisson("counts", pt.exp(a), observed=only_observed)
        pm.Normal("y", a * x, 1, observed=both)
        pm.Normal("z", both, pt.exp(a), observed=np.zeros(3))

    data = structure.constant_data(build(fill))
    assert set(data) == {"x", "both"}
    np.testing.assert_array_equal(data["x"], [0.0, 1.0, 2.0])


def test_observed_values_are_the_present_ones_in_the_variable_dtype() -> None:
    model = CASES["two_observed"].build()
    with model:
        pm.set_data({"counts": np.array([4, 5, 6])})
    values = structure.observed_values(model)
    np.testing.assert_array_equal(values["count"], [4, 5, 6])
    assert values["count"].dtype == "int64"
    np.testing.assert_array_equal(values["y"], np.zeros(4))


def custom_dist_without_logp_as_prior() -> None:
    a = pm.CustomDist("a", 0.0, random=lambda mu, rng=None, size=None: rng.normal(mu, 1, size))
    pm.Normal("y", a, 1, observed=np.zeros(3))


def custom_dist_with_derived_logp() -> None:
    a = pm.CustomDist("a", 0.0, dist=lambda mu, size: pt.exp(pm.Normal.dist(mu, 1, size=size)))
    pm.Normal("y", a, 1, observed=np.zeros(3))


def test_likelihood_needs_every_density() -> None:
    assert not structure.has_likelihood(build(custom_dist_without_logp_as_prior))
    assert structure.has_likelihood(build(custom_dist_with_derived_logp))


def no_observed() -> None:
    pm.Normal("a")


def no_free() -> None:
    pm.Normal("y", 0, 1, observed=np.zeros(3))


def named_draw() -> None:
    pm.Normal("y", pm.Normal("draw"), 1, observed=np.zeros(3))


def flat() -> None:
    pm.Normal("y", pm.Flat("level"), 1, observed=np.zeros(3))


def half_flat() -> None:
    pm.Normal("y", 0, pm.HalfFlat("level"), observed=np.zeros(3))


def icar() -> None:
    w = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    pm.Normal("y", pm.ICAR("level", W=w), 1, observed=np.zeros(3))


def only_logp() -> None:
    level = pm.CustomDist("level", logp=lambda x: -(x**2))
    pm.Normal("y", level, 1, observed=np.zeros(3))


def nested_only_logp() -> None:
    a = pm.Normal("a")
    component = pm.CustomDist.dist(a, logp=lambda x, a: -((x - a) ** 2), shape=3)
    pm.Mixture("level", [0.5, 0.5], [component, pm.Normal.dist(a, shape=3)], observed=np.zeros(3))


def potential() -> None:
    a = pm.Normal("a")
    pm.Potential("level", -(a**2))
    pm.Normal("y", a, 1, observed=np.zeros(3))


def minibatch() -> None:
    data = pm.Minibatch(np.zeros(10), batch_size=5)
    pm.Normal("level", pm.Normal("a"), 1, observed=data, total_size=10)


def minibatch_covariate() -> None:
    x, y = pm.Minibatch(np.zeros(10), np.zeros(10), batch_size=5)
    pm.Normal("level", pm.Normal("a") * x, 1, observed=y, total_size=10)


def total_size() -> None:
    pm.Normal("level", pm.Normal("a"), 1, observed=np.zeros(5), total_size=10)


def discrete() -> None:
    pm.Normal("y", pm.Bernoulli("level", 0.5), 1, observed=np.zeros(3))


def empty() -> None:
    pm.Normal("level", pm.Normal("a"), 1, observed=np.zeros(0))


def missing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pm.exceptions.ImputationWarning)
        pm.Normal("level", pm.Normal("a"), 1, observed=np.array([1.0, np.nan]))


def missing_multivariate() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pm.exceptions.ImputationWarning)
        mu = pm.Normal("a", shape=2)
        pm.MvNormal("level", mu, np.eye(2), observed=np.array([[1.0, np.nan], [0.0, 0.0]]))


@pytest.mark.parametrize(
    ("fill", "error", "match"),
    [
        (no_observed, ValueError, "no observed variable.*`observed=`"),
        (no_free, ValueError, "no free variable.*prior"),
        (named_draw, ValueError, "'draw' is the name of a dim of every result"),
        (flat, NotImplementedError, "'level' cannot be simulated.*flat.*choose another"),
        (half_flat, NotImplementedError, "'level' cannot be simulated.*half_flat"),
        (icar, NotImplementedError, "'level' cannot be simulated.*icar"),
        (only_logp, NotImplementedError, "'level' cannot be simulated.*`random=`"),
        (nested_only_logp, NotImplementedError, "'level' cannot be simulated.*CustomDist"),
        (potential, NotImplementedError, "pm.Potential 'level'.*prior"),
        (minibatch, NotImplementedError, "'level' uses pm.Minibatch.*whole data"),
        (minibatch_covariate, NotImplementedError, "'level' uses pm.Minibatch"),
        (total_size, NotImplementedError, "'level' uses .*total_size="),
        (discrete, NotImplementedError, "'level' is discrete.*not supported yet.*pm.Mixture"),
        (empty, ValueError, "'level' has no elements.*one or more"),
        (missing, NotImplementedError, "'level' is partially observed.*drop or fill"),
        (missing_multivariate, NotImplementedError, "'level' is partially observed"),
    ],
)
def test_refusals(fill: Fill, error: type[Exception], match: str) -> None:
    with pytest.raises(error) as raised:
        structure.check_model(build(fill))
    assert re.search(match, str(raised.value), flags=re.IGNORECASE)


def test_no_model_is_refused() -> None:
    with pytest.raises(TypeError, match=r"expected a pm\.Model, got dict"):
        structure.check_model({})


def with_prior(prior: Callable[[], pt.TensorVariable]) -> Fill:
    def fill() -> None:
        pm.Normal("y", prior().sum(), 1, observed=np.zeros(3))

    return fill


def after_random_parent(**arguments: object) -> pt.TensorVariable:
    return pm.Normal("mu", pm.Normal("center"), pm.HalfNormal("scale"), **arguments)


CORRELATED = np.array([[1.0, 0.5, 0.5], [0.5, 1.0, 0.5], [0.5, 0.5, 1.0]])
ORDERED = {"transform": transforms.ordered}


SORTED = {
    "iid": lambda: pm.Normal("mu", 0, 1, shape=3, **ORDERED),
    "rows": lambda: pm.Normal("mu", np.array([[0.0], [5.0]]), 1, shape=(2, 3), **ORDERED),
    "random parents": lambda: after_random_parent(shape=3, **ORDERED),
    "chained": lambda: pm.HalfNormal("mu", 1, shape=3, **ORDERED),
    "correlated": lambda: pm.MvNormal("mu", np.zeros(3), CORRELATED, **ORDERED),
}
UNRESTRICTED = {
    "softplus": lambda: positive(transform=transforms.log_exp_m1),
    "log": lambda: positive(transform=transforms.log),
    "none": lambda: positive(),
}


def positive(**arguments: object) -> pt.TensorVariable:
    return pm.HalfNormal("mu", default_transform=None, **arguments)


@pytest.mark.parametrize("prior", SORTED.values(), ids=SORTED)
def test_sorting_mends_exchangeable_order(prior: Callable[[], pt.TensorVariable]) -> None:
    assert structure.sorted_names(build(with_prior(prior))) == {"mu"}


@pytest.mark.parametrize("prior", UNRESTRICTED.values(), ids=UNRESTRICTED)
def test_other_transforms_of_the_whole_support(prior: Callable[[], pt.TensorVariable]) -> None:
    assert structure.sorted_names(build(with_prior(prior))) == frozenset()


def test_sorted_parents_of_a_transformed_variable() -> None:
    def fill() -> None:
        mu = pm.Normal("mu", 0, 1, shape=2, transform=transforms.ordered)
        inside = pm.distributions.transforms.Interval(
            bounds_fn=lambda *inputs: (inputs[2], inputs[3])
        )
        u = pm.Uniform("u", mu[0], mu[1], default_transform=None, transform=inside)
        pm.Normal("y", u, 1, observed=np.zeros(3))

    assert structure.sorted_names(build(fill)) == {"mu"}


UNEQUAL = np.diag([1.0, 1.0, 4.0])
DESCENDING = transforms.Ordered(ascending=False)
POSITIVE = transforms.Ordered(positive=True)


RESTRICTED = {
    "means": lambda: pm.Normal("mu", np.array([0.0, 1.0, 2.0]), 1, **ORDERED),
    "scales": lambda: pm.Normal("mu", 0, np.array([1.0, 1.0, 1.1]), **ORDERED),
    "variances": lambda: pm.MvNormal("mu", np.zeros(3), UNEQUAL, **ORDERED),
    "scalar": lambda: pm.Normal("mu", 0, 1, transform=transforms.log),
    "interval": lambda: pm.Normal("mu", 0, 1, shape=3, transform=transforms.Interval(-1, 1)),
    "descending": lambda: pm.Normal("mu", 0, 1, shape=3, transform=DESCENDING),
    "positive": lambda: pm.Normal("mu", 0, 1, shape=3, transform=POSITIVE),
    "zero sum": lambda: pm.Normal("mu", shape=3, transform=transforms.ZeroSumTransform([-1])),
}


@pytest.mark.parametrize("prior", RESTRICTED.values(), ids=RESTRICTED)
def test_restrictions_that_sorting_cannot_mend(prior: Callable[[], pt.TensorVariable]) -> None:
    with pytest.raises(ValueError, match=r"restricts 'mu'.*cannot mend.*use a distribution"):
        structure.sorted_names(build(with_prior(prior)))

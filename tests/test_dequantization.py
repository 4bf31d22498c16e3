"""Discrete variables on the real line: supports, exact densities, masses and posteriors."""

from functools import cache
from itertools import product

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from models import CASES, CENTERS
from scipy import stats
from trained import untrained

from pymc_amortized.density import density
from pymc_amortized.dequantization import CELL_POINTS, dequantized, within_cells
from pymc_amortized.forward import forward_sampler
from pymc_amortized.graphs import pymc_deprecations
from pymc_amortized.missing import missing_data
from pymc_amortized.parameters import Parameters, parameters

QUIET = {"random_seed": 1, "progressbar": False}
WIDE = 12.0
"""Standard deviation of vectors that are nothing like the prior's."""


def of_random_length() -> pt.TensorVariable:
    return pm.Binomial("x", n=pm.DiscreteUniform("n", 2, 4), p=0.3, shape=2)


def between_random_ends() -> pt.TensorVariable:
    low = pm.Geometric("low", 0.5)
    return pm.DiscreteUniform("x", -low, low)


def truncated(**limits: object) -> pt.TensorVariable:
    with pymc_deprecations():
        return pm.Truncated("x", pm.Poisson.dist(3), **limits)


def hurdle() -> pt.TensorVariable:
    with pymc_deprecations():
        return pm.HurdlePoisson("x", psi=0.6, mu=2)


def mixed(*components: pt.TensorVariable) -> pt.TensorVariable:
    return pm.Mixture("x", [0.3, 0.7], list(components))


def own_distribution(mu: pt.TensorVariable, size: pt.TensorVariable) -> pt.TensorVariable:
    return pm.Poisson.dist(mu, size=size) - 3


SUPPORTS = {
    "bernoulli": (lambda: pm.Bernoulli("x", 0.3, shape=2), 0, 1),
    "bernoulli by logit": (lambda: pm.Bernoulli("x", logit_p=0.3), 0, 1),
    "categorical": (lambda: pm.Categorical("x", [0.2, 0.3, 0.5]), 0, 2),
    "ordered": (lambda: pm.OrderedLogistic("x", 0.1, cutpoints=[-1, 1], compute_p=False), 0, 2),
    "discrete uniform": (lambda: pm.DiscreteUniform("x", -2, np.array([1, 5])), -2, 5),
    "binomial": (lambda: pm.Binomial("x", n=127, p=0.4), 0, 127),
    "beta-binomial": (lambda: pm.BetaBinomial("x", n=4, alpha=1, beta=2), 0, 4),
    "hypergeometric": (lambda: pm.HyperGeometric("x", N=10, k=4, n=7), 1, 4),
    "random length": (of_random_length, 0, 4),
    "random ends": (between_random_ends, -np.inf, np.inf),
    "poisson": (lambda: pm.Poisson("x", 0.8), 0, np.inf),
    "large poisson": (lambda: pm.Poisson("x", 300.0), 0, np.inf),
    "negative binomial": (lambda: pm.NegativeBinomial("x", mu=3, alpha=1), 0, np.inf),
    "geometric": (lambda: pm.Geometric("x", 0.4), 1, np.inf),
    "discrete weibull": (lambda: pm.DiscreteWeibull("x", 0.6, 1.2), 0, np.inf),
    "zero-inflated poisson": (lambda: pm.ZeroInflatedPoisson("x", 0.6, 2), 0, np.inf),
    "zero-inflated binomial": (lambda: pm.ZeroInflatedBinomial("x", 0.6, n=3, p=0.4), 0, 3),
    "hurdle": (hurdle, 0, np.inf),
    "mixture": (lambda: mixed(pm.Geometric.dist(0.4), pm.Binomial.dist(3, 0.5)), 0, np.inf),
    "mixture along an axis": (
        lambda: pm.Mixture("x", [0.3, 0.7], pm.Binomial.dist([2, 5], 0.5)),
        0,
        5,
    ),
    "truncated": (lambda: truncated(lower=1, upper=5), 1, 5),
    "truncated above": (lambda: truncated(upper=4), 0, 4),
    "own": (lambda: pm.CustomDist("x", 2.5, dist=own_distribution), -np.inf, np.inf),
}
"""Distributions, and the bounds of their support under all draws of their parameters."""


rough = cache(untrained)


@cache
def prepared(name: str) -> tuple[pm.Model, dict[str, np.ndarray], Parameters]:
    with pm.Model() as model, pymc_deprecations():
        SUPPORTS[name][0]()
        pm.Normal("y", observed=0.0)
        draws = forward_sampler(model).draw(200, 3)
        return model, draws, parameters(model, draws)


@pytest.mark.parametrize("name", SUPPORTS)
def test_round_trip_and_log_determinant(name: str) -> None:
    """The determinant is that of the coordinates by the integers plus a part of one."""
    _, draws, of_model = prepared(name)
    within = of_model.dequantized(draws, np.random.default_rng(5))
    vector, forward_log_det = of_model.unconstrain(within)
    values, log_det = of_model.constrain(vector)
    for variable in of_model.names:
        np.testing.assert_array_equal(values[variable], draws[variable])
        assert values[variable].dtype == draws[variable].dtype
    np.testing.assert_allclose(forward_log_det, log_det, rtol=1e-7, atol=1e-9)
    slopes = np.zeros(len(vector))
    for variable, index in elements(of_model):
        up, down = (moved(of_model, within, variable, index, by) for by in (1e-6, -1e-6))
        slopes += np.log(np.abs(up - down).sum(axis=1) / 2e-6)
    middle = np.all([near_middle(within[n]) for n in of_model.names], axis=0)
    assert middle.sum() > 50
    np.testing.assert_allclose(log_det[middle], -slopes[middle], atol=1e-4)


def elements(of_model: Parameters) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, i) for name, shape in of_model.shapes.items() for i in np.ndindex(*shape)]


def moved(
    of_model: Parameters,
    within: dict[str, np.ndarray],
    variable: str,
    index: tuple[int, ...],
    by: float,
) -> np.ndarray:
    """Vectors of values of which one element is moved."""
    values = within[variable].copy()
    values[(slice(None), *index)] += by
    return of_model.unconstrain(within | {variable: values})[0]


def near_middle(values: np.ndarray) -> np.ndarray:
    return (np.abs(values % 1 - 0.5) < 0.45).reshape(len(values), -1).all(axis=1)


@pytest.mark.parametrize("name", SUPPORTS)
def test_no_vector_leaves_the_support(name: str) -> None:
    _, _, of_model = prepared(name)
    _, lower, upper = SUPPORTS[name]
    wide = np.random.default_rng(6).normal(0, WIDE, (4000, of_model.size))
    values, _ = of_model.constrain(wide)
    x = values["x"]
    assert x.min() == lower if np.isfinite(lower) else x.min() < 0
    assert x.max() == upper if np.isfinite(upper) else x.max() > 8
    if "n" in values:
        assert (x <= values["n"][:, None]).all()
    if "low" in values:
        assert (np.abs(x) <= values["low"]).all()


@pytest.mark.parametrize("name", [name for name in SUPPORTS if name != "large poisson"])
def test_density_of_the_prior_has_a_total_of_one(name: str) -> None:
    """Importance weights of normal noise: a lost Jacobian would show in their mean."""
    model, _, of_model = prepared(name)
    rng, scale = np.random.default_rng(7), 3.0 if name == "own" else 1.5
    noise = rng.normal(0, scale, (1, 40_000, of_model.size))
    of_prior = density(model, of_model.shapes, likelihood=False)
    log_weight = of_prior.log_joint(noise, {})[0] - stats.norm(0, scale).logpdf(noise[0]).sum(1)
    weight = np.exp(log_weight)
    error = weight.std() / np.sqrt(weight.size)
    assert error < 0.02
    assert weight.mean() == pytest.approx(1, abs=4 * error)


def test_uniforms_are_added_to_discrete_variables_alone() -> None:
    values = {"a": np.repeat(np.arange(3), 20_000), "b": np.ones(3)}
    within = dequantized(values, ["a"], np.random.default_rng(1))
    assert within["b"] is values["b"]
    part = within["a"] - values["a"]
    assert stats.kstest(part, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(part, values["a"])[0, 1]) < 4 / np.sqrt(60_000)


def test_points_fill_the_cells() -> None:
    """Against the exact mean of a product, which takes all three coordinates at once."""
    values = {"a": np.array([[0, 2], [5, -1]]), "b": np.array([0.3, 0.4]), "c": np.array([7, 8])}
    spread = within_cells(values, ["a", "c"])
    at_second = {n: v.reshape(CELL_POINTS, 2, *v.shape[1:])[:, 1] for n, v in spread.items()}
    np.testing.assert_array_equal(at_second["b"], 0.4)
    parts = [at_second["a"][:, 0] - 5, at_second["a"][:, 1] + 1, at_second["c"] - 8]
    middles = (np.arange(CELL_POINTS) + 0.5) / CELL_POINTS
    for part in parts:
        np.testing.assert_allclose(np.sort(part), middles)
    exact = (np.e - 1) ** 3
    assert np.exp(sum(parts)).mean() == pytest.approx(exact, rel=0.01)


def changes() -> dict[tuple[int, ...], float]:
    """Log joint of `change_point` by tau."""
    y, t = np.array([5, 3, 2, 4, 3, 1, 2, 0]), np.arange(8)
    rates = {(tau,): np.where(t < tau, 4.0, 1.5) for tau in range(1, 8)}
    return {k: stats.poisson(r).logpmf(y).sum() - np.log(7) for k, r in rates.items()}


def assignments() -> dict[tuple[int, ...], float]:
    """Log joint of `mixture_assignment` by z, without the level, which is normal."""
    weights, covariance = np.array([0.5, 0.3, 0.2]), 0.49 * np.eye(2) + 1
    of_data = stats.multivariate_normal(cov=covariance)
    y = np.array([-0.5, 1.2])
    return {
        (i, j): np.log(weights[i] * weights[j]) + of_data.logpdf(y - CENTERS[[i, j]])
        for i, j in product(range(3), repeat=2)
    }


def counts() -> dict[tuple[int, ...], float]:
    """Log joint of `latent_counts` by n and seen."""
    return {
        (n, seen): stats.poisson(3).logpmf(n)
        + stats.binom(n, 0.6).logpmf(seen)
        + stats.norm(seen, 1.5).logpdf([2.5, 3.0]).sum()
        for n in range(25)
        for seen in range(n + 1)
    }


EXACT = {
    "change_point": (["tau"], changes),
    "mixture_assignment": (["z"], assignments),
    "latent_counts": (["n", "seen"], counts),
}


def integers(posterior: object, names: list[str]) -> np.ndarray:
    """Draws of discrete variables, (draws, elements)."""
    arrays = [posterior[name].to_numpy() for name in names]
    return np.concatenate([a.reshape(a.shape[0] * a.shape[1], -1) for a in arrays], axis=1)


@pytest.mark.parametrize("name", EXACT)
def test_refined_posterior_of_an_untrained_network_is_exact(name: str) -> None:
    names, enumerate_ = EXACT[name]
    log_joint = enumerate_()
    evidence = np.logaddexp.reduce(list(log_joint.values()))
    idata = rough(name).sample(draws=2500, **QUIET)
    found = idata.amortized
    assert found["pareto_k"] < 0.7
    error = float(found["log_marginal_likelihood_error"])
    assert error < 0.02
    assert float(found["log_marginal_likelihood"]) == pytest.approx(evidence, abs=4 * error)
    drawn = integers(idata.posterior, names)
    assert drawn.dtype.kind == "i"
    effective = 1 / (1 / len(drawn) + 1 / float(found["importance_ess"]))
    for values, joint in log_joint.items():
        probability = np.exp(joint - evidence)
        error = np.sqrt(probability * (1 - probability) / effective)
        share = (drawn == values).all(axis=1).mean()
        assert share == pytest.approx(probability, abs=4 * error + 1e-4)


def test_the_continuous_variable_beside_them_is_exact_too() -> None:
    """Its posterior is a mixture of normals, one for each assignment."""
    idata = rough("mixture_assignment").sample(draws=2500, **QUIET)
    log_joint = assignments()
    weights = np.exp(np.array(list(log_joint.values())))
    residuals = np.array([-0.5, 1.2]) - CENTERS[np.array(list(log_joint))]
    precision = 1 + 2 / 0.49
    means, variance = residuals.sum(axis=1) / 0.49 / precision, 1 / precision
    mean = np.average(means, weights=weights)
    sd = np.sqrt(variance + np.average((means - mean) ** 2, weights=weights))
    mu = idata.posterior["mu"].to_numpy().ravel()
    error = sd * np.sqrt(1 / mu.size + 1 / float(idata.amortized["importance_ess"]))
    assert mu.mean() == pytest.approx(mean, abs=4 * error)
    assert mu.std() == pytest.approx(sd, abs=4 * error)


def test_deterministics_are_made_of_the_integers() -> None:
    posterior = rough("change_point").sample(draws=20, refine=None, **QUIET).posterior
    before = np.arange(8) < posterior["tau"].to_numpy()[..., None]
    np.testing.assert_array_equal(posterior["rate"], np.where(before, 4.0, 1.5))


@pytest.mark.parametrize("name", ["change_point", "latent_counts"])
def test_log_prob_is_the_mass_of_the_draws(name: str) -> None:
    amortized = rough(name)
    names, _ = EXACT[name]
    axes = [np.arange(9)] if name == "change_point" else [np.arange(40)] * 2
    grid = dict(zip(names, map(np.ravel, np.meshgrid(*axes)), strict=True))
    mass = np.exp(amortized.log_prob(grid).to_numpy())
    assert mass.sum() == pytest.approx(1, abs=1e-4 if len(names) == 1 else 3e-3)
    posterior = amortized.sample(draws=5000, refine=None, **QUIET).posterior
    drawn = integers(posterior, names)
    for k in np.flatnonzero(mass > 1e-3):
        share = (drawn == [grid[n][k] for n in names]).all(axis=1).mean()
        assert share == pytest.approx(mass[k], abs=4.5 * np.sqrt(mass[k] / 20_000))


def test_nothing_lies_between_integers_or_outside_the_support() -> None:
    amortized = rough("latent_counts")
    points = {"n": np.array([3, 3.5, 3, 3, -1]), "seen": np.array([2, 2, 2.5, 4, -1])}
    found = np.isfinite(amortized.log_prob(points).to_numpy())
    np.testing.assert_array_equal(found, [True, False, False, False, False])


def test_training_sees_another_uniform_each_time() -> None:
    """The vectors of all simulations with one change point fill its cell."""
    from pymc_amortized.fitting import _simulator

    model = CASES["change_point"].build()
    gaps = missing_data(model, None)
    simulator = _simulator(model, ["tau"], gaps, vectorized=False, seed=1)
    vector = simulator.draw(7000, 2).vector
    np.testing.assert_array_equal(vector, simulator.draw(7000, 2).vector)
    within = 7 * stats.norm.cdf(vector[:, 0])
    assert stats.kstest(within, "uniform", (0, 7)).pvalue > 1e-3


def test_ranks_of_discrete_variables() -> None:
    """Of the log densities too, which are those of the dequantized variables."""
    checked = rough("latent_counts").calibrate(simulations=200, draws=50, **QUIET)
    assert set(checked.prior_sbc.data_vars) == {"n", "seen", "log_likelihood", "log_joint"}
    assert all(np.isfinite(ranks).all() for ranks in checked.prior_sbc.data_vars.values())
    truth = checked.calibration["truth"]
    assert (truth.sel(quantity="seen") <= truth.sel(quantity="n")).all()
    assert (truth.sel(quantity=["n", "seen"]) % 1 == 0).all()

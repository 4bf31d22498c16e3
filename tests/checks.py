"""What is asked of every model of the registry, by the tests and by `make coverage`."""

import warnings

import numpy as np
import pymc as pm
import pytensor
from models import Case
from trained import small

import pymc_amortized as pma
from pymc_amortized.density import density
from pymc_amortized.forward import forward_sampler
from pymc_amortized.graphs import pymc_deprecations, variables
from pymc_amortized.inference_data import group
from pymc_amortized.named_dims import plain_model
from pymc_amortized.parameters import Parameters, parameters, split
from pymc_amortized.structure import observed_values, sorted_names

__all__ = ["check_short_fit", "densities", "pointwise", "prepared", "pymc_draws", "round_trip"]

Draws = dict[str, np.ndarray]


def pymc_draws(case: Case, number: int) -> Draws:
    """PyMC's own draws of all variables."""
    named = variables(case.build())
    with warnings.catch_warnings():  # pip's PyTensor, about PyMC's graph of LKJCholeskyCov
        warnings.filterwarnings("ignore", "PyTensor could not link to a BLAS")
        draws = pm.draw(list(named.values()), number, random_seed=12, mode="FAST_COMPILE")
    return dict(zip(named, draws, strict=True))


def prepared(case: Case) -> tuple[pm.Model, Draws, np.ndarray, Parameters]:
    """A model, six draws, their unconstrained vectors and what made these."""
    model = plain_model(case.build())
    draws = forward_sampler(model, sort=sorted_names(model)).draw(6, 5)
    of_vector = parameters(model, draws)
    vector, _ = of_vector.unconstrain(of_vector.dequantized(draws, np.random.default_rng(6)))
    return model, draws, vector, of_vector


def round_trip(case: Case) -> float:
    """Largest relative error of values, log-determinants and deterministics there and back."""
    _, draws, vector, of_vector = prepared(case)
    within = of_vector.dequantized(draws, np.random.default_rng(6))
    _, forward_log_det = of_vector.unconstrain(within)
    values, log_det = of_vector.constrain(vector)
    pairs = [(values[n], draws[n]) for n in of_vector.names]
    pairs += [(v, draws[n]) for n, v in of_vector.deterministics(draws).items()]
    errors = [_error(a, b) for a, b in [*pairs, (forward_log_det, log_det)]]
    return max(errors)


def _error(found: np.ndarray, exact: np.ndarray) -> float:
    return float(np.max(np.abs(found - exact) / (1 + np.abs(exact)), initial=0.0))


def pointwise(model: pm.Model, of_vector: Parameters):
    """PyMC's own log density, as a function of one vector; of discrete variables the mass."""
    with pymc_deprecations():
        compiled = model.compile_logp(mode="FAST_COMPILE", jacobian=False)

    def log_joint(vector: np.ndarray) -> float:
        values, (log_det,) = of_vector.constrain(vector[None])
        pieces = dict(zip(of_vector.names, split(vector, of_vector.shapes), strict=True))
        integers = {name: values[name][0] for name in of_vector.discrete}
        point = {model.rvs_to_values[model[n]].name: v for n, v in (pieces | integers).items()}
        return float(compiled(point)) + log_det

    return log_joint


def densities(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Log joints of two draws under each of three datasets, batched and by PyMC: (3, 2) each.

    The first dataset is the model's own.
    """
    model, draws, vector, of_vector = prepared(case)
    of_model = density(model, of_vector.shapes)
    own = observed_values(model)
    data = {n: np.stack([own[n], *draws[n][:2]]) for n in of_model.observed}
    found = of_model.log_joint(vector.reshape(3, 2, -1), data)
    shared = _with_settable_data(model)
    log_joint = pointwise(model, of_vector)
    exact = np.empty((3, 2))
    for dataset, draw in np.ndindex(3, 2):
        for observed, value in shared.items():
            value.set_value(data[observed][dataset])
        exact[dataset, draw] = log_joint(vector[2 * dataset + draw])
    return found, exact


def _with_settable_data(model: pm.Model) -> dict[str, pytensor.compile.SharedVariable]:
    """Replace the model's observed values by shared variables; returns these by name."""
    data = {n: pytensor.shared(v, name=n) for n, v in observed_values(model).items()}
    model.rvs_to_values |= {model[n]: value for n, value in data.items()}
    return data


def check_short_fit(case: Case, model: pm.Model) -> None:
    """Train, draw and predict; the result looks like PyMC's."""
    amortized = pma.fit(model, simulations=300, random_seed=1, progressbar=False, **small())
    idata = amortized.sample(
        draws=20, chains=2, refine=None, predictive=True, random_seed=2, progressbar=False
    )
    posterior = group(idata)
    with case.build(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it ignores potentials
        prior = group(pm.sample_prior_predictive(draws=2, random_seed=1), "prior")
    assert set(posterior.data_vars) == set(prior.data_vars)
    for variable, values in posterior.items():
        assert values.dims == prior[variable].dims
        assert values.shape == (2, 20, *prior[variable].shape[2:])
        assert values.dtype == prior[variable].dtype
        assert np.isfinite(values).all()
    predicted = group(idata, "posterior_predictive")
    assert set(predicted.data_vars) == {rv.name for rv in model.observed_RVs}
    assert ("lp" in group(idata, "sample_stats")) == case.likelihood

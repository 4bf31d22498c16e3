"""Draws from posteriors of the tasks: by formula where there is one, else by long runs of NUTS."""

from collections.abc import Callable
from typing import NamedTuple

import arviz as az
import numpy as np
import pymc as pm
from scipy import stats

from pymc_amortized.density import density
from pymc_amortized.forward import forward_sampler
from pymc_amortized.inference_data import group
from pymc_amortized.parameters import parameters
from pymc_amortized.structure import observed_values

DRAWS = 10_000
CHAINS, TUNE = 4, 2000
PRIOR_DRAWS = 100_000
"""Of which chains start at those where the posterior is highest."""


class Reference(NamedTuple):
    """Draws given one dataset, (draws, parameters), and what NUTS says of them."""

    draws: np.ndarray
    r_hat: float = 1.0
    ess: float = DRAWS


Referee = Callable[[np.ndarray, int], Reference]
"""Of one dataset and a seed."""


def two_moons(x: np.ndarray, seed: int) -> Reference:
    """Noise from its prior, the two thetas that then give x, and those of them inside the prior.

    x - centre(theta) has the same Jacobian everywhere, and two thetas give the same centre.
    """
    rng = np.random.default_rng(seed)
    kept = np.empty((0, 2))
    while len(kept) < DRAWS:
        angle, radius = rng.uniform(-np.pi / 2, np.pi / 2, DRAWS), rng.normal(0.1, 0.01, DRAWS)
        across = 0.25 + radius * np.cos(angle) - x[0]
        up = x[1] - radius * np.sin(angle)
        total = np.sqrt(2) * across * rng.choice([-1, 1], DRAWS)
        difference = np.sqrt(2) * up
        theta = np.column_stack([total - difference, total + difference]) / 2
        inside = (across > 0) & (np.abs(theta) < 1).all(axis=1)
        kept = np.concatenate([kept, theta[inside]])
    return Reference(kept[:DRAWS])


def gaussian_linear(x: np.ndarray, seed: int) -> Reference:
    noise = np.random.default_rng(seed).normal(size=(DRAWS, len(x)))
    return Reference(x / 2 + np.sqrt(0.05) * noise)


def gaussian_linear_uniform(x: np.ndarray, seed: int) -> Reference:
    sd = np.sqrt(0.1)
    within = stats.truncnorm((-1 - x) / sd, (1 - x) / sd, loc=x, scale=sd)
    return Reference(within.rvs((DRAWS, len(x)), random_state=np.random.default_rng(seed)))


def by_nuts(
    build: Callable[[np.ndarray], pm.Model], thin: int = 8, likeliest: bool = False
) -> Referee:
    """Every so many draws of chains that are so many times longer.

    Chains start at random, or where the posterior is highest: by differential equations it has
    modes that hold chains for good, hundreds of nats below the highest.
    """

    def run(y: np.ndarray, seed: int) -> Reference:
        starts = {"init": "adapt_diag", "initvals": highest(build(y), seed)} if likeliest else {}
        with build(y) as model:
            idata = pm.sample(
                DRAWS * thin // CHAINS,
                tune=TUNE,
                chains=CHAINS,
                cores=2,
                target_accept=0.9,
                random_seed=seed,
                progressbar=False,
                **starts,
            )
        names = [variable.name for variable in model.free_RVs]
        table = az.summary(idata, var_names=names, round_to="none")
        r_hat, ess = table["r_hat"].astype(float), table["ess_bulk"].astype(float)
        return Reference(columns(idata, names)[::thin], r_hat.max(), ess.min())

    return run


def highest(model: pm.Model, seed: int) -> list[dict[str, np.ndarray]]:
    """Draws from the prior where the posterior is highest, one for each chain."""
    sampler = forward_sampler(model)
    draws = sampler.draw(PRIOR_DRAWS, seed)
    of_model = parameters(model, sampler.complete(2, 1))
    vector, _ = of_model.unconstrain(draws)
    observed = {name: values[None] for name, values in observed_values(model).items()}
    log_joint = density(model, of_model.shapes).log_joint(vector[None], observed)[0]
    best = np.argsort(log_joint)[-CHAINS:]
    return [{name: draws[name][k] for name in of_model.names} for k in best]


def slcp(build: Callable[[np.ndarray], pm.Model]) -> Referee:
    """One of four modes that mirror each other, and which of them is a matter of two coins."""
    run = by_nuts(build)

    def mirrored(y: np.ndarray, seed: int) -> Reference:
        found = run(y, seed)
        found.draws[:, 2:4] *= np.random.default_rng(seed).choice([-1, 1], (DRAWS, 2))
        return found

    return mirrored


def of_datasets(idata, model: pm.Model) -> np.ndarray:
    """Draws of the free variables given many datasets, (datasets, draws, parameters)."""
    names = [variable.name for variable in model.free_RVs]
    datasets = range(group(idata).sizes["dataset"])
    return np.stack([columns(idata, names, dataset) for dataset in datasets])


def columns(idata, names: list[str], dataset: int | None = None) -> np.ndarray:
    """Draws of variables of any shape, (draws, parameters), of one of many datasets."""
    posterior = group(idata)
    posterior = posterior if dataset is None else posterior.isel(dataset=dataset)
    draws = posterior.sizes["chain"] * posterior.sizes["draw"]
    return np.hstack([np.asarray(posterior[name]).reshape(draws, -1) for name in names])

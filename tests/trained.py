"""Amortized posteriors for tests that need no training."""

from __future__ import annotations

import numpy as np
import pymc as pm
from models import SUPPORTED

import pymc_amortized as pma
from pymc_amortized.data import flat
from pymc_amortized.discovery import layout_of
from pymc_amortized.exchangeability import Found
from pymc_amortized.familiarity import fit_familiarity, traits
from pymc_amortized.forward import forward_sampler
from pymc_amortized.networks import Network
from pymc_amortized.parameters import parameters
from pymc_amortized.preconditioning import fit_preconditioner
from pymc_amortized.structure import observed_names, sorted_names

__all__ = ["small", "untrained"]


def small() -> dict[str, object]:
    """Networks that compile and train in seconds."""
    return {
        "summary": pma.summaries.residual_mlp(width=16, blocks=1, features=4),
        "flow": pma.flows.spline_coupling(couplings=2, width=8, bins=3),
    }


def untrained(
    model: pm.Model | str, var_names: list[str] | None = None, **networks: object
) -> pma.AmortizedPosterior:
    """Random networks on top of the linear part: a poor posterior, but one in every respect."""
    model = SUPPORTED[model].build() if isinstance(model, str) else model
    sampler = forward_sampler(model, sort=sorted_names(model))
    draws = sampler.draw(500, 1)
    of_model = parameters(model, draws, var_names)
    vector, _ = of_model.unconstrain(of_model.dequantized(draws, np.random.default_rng(3)))
    data = flat({name: draws[name] for name in observed_names(model)})
    layout = layout_of(model, of_model, Found([], {}))
    preconditioner = fit_preconditioner(vector, data, layout)
    inputs, size = preconditioner.encoder.inputs, vector.shape[1]
    network = Network(inputs=inputs, size=size, seed=1, **small() | networks)
    rng = np.random.default_rng(2)
    weights = {n: w + rng.normal(0, 0.1, w.shape) for n, w in network.weights().items()}
    network.assign(weights)
    features = preconditioner.encoder.encode(data).features
    found = traits(network.summaries(features), features)
    familiarity = fit_familiarity(found[:300], found[300:])
    settings = {
        "rounds": [[256, 1.5, 1.25, 1e-3, 0.5]],
        "converged": True,
        "vectorized": sampler.vectorized,
        "exchangeable": [],
        "exchangeable_within": {},
    }
    return pma.AmortizedPosterior(model, of_model, preconditioner, network, familiarity, settings)

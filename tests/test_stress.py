"""Random models on wild scales: finite draws given data as simulated, none that is NaN far away."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytest
from trained import small

import pymc_amortized as pma
from pymc_amortized.inference_data import group

CONFIGURATIONS = 24
QUIET = {"random_seed": 1, "progressbar": False}

pytestmark = pytest.mark.filterwarnings(
    "ignore:max_seconds",
    "ignore:Pareto k",
    "ignore:The weighted",
    "ignore:The data",
    "ignore:Draws of",
)


def wild(rng: np.random.Generator) -> pm.Model:
    """Location and scales between a millionth and a million, and a column that never changes."""
    size = int(rng.choice([1, 3]))
    scale, noise, location = 10 ** rng.uniform(-6, 6, 3) * [1, 1, rng.choice([-1, 0, 1])]
    with pm.Model() as model:
        theta = pm.Normal("theta", location, scale, shape=size)
        spread = pm.HalfNormal("spread", noise)
        pm.Normal("y", theta.sum(), spread, observed=np.zeros(3))
        pm.Poisson("constant", 1e-9, observed=0)
    return model


@pytest.mark.parametrize("seed", range(CONFIGURATIONS))
def test_nothing_is_nan(seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = wild(rng)
    simulated = pma.simulate(model, draws=200, **QUIET)
    amortized = pma.fit(model, simulations=simulated, max_seconds=1, **small(), **QUIET)
    y = group(simulated, "prior_predictive")["y"].to_numpy()[0, :4]
    far = [y[:1] * 1e6, -y[:1] * 1e6, np.full((1, 3), 1e12), np.zeros((1, 3))]
    data = {"y": np.concatenate([y, *far]), "constant": np.zeros(8, int)}
    for refine in (None, "psis"):
        idata = amortized.sample(data, draws=50, refine=refine, **QUIET)
        posterior, found = group(idata), group(idata, "amortized")
        for name in ("theta", "spread"):
            draws = posterior[name].transpose("dataset", ...).to_numpy()
            assert np.isfinite(draws[:4]).all()
            assert not np.isnan(draws).any()
        assert np.isfinite(group(idata, "sample_stats")["log_q"].to_numpy()).all()
        assert not np.isnan(found["pareto_k"].to_numpy()).any()
        assert ((found["surprise"] >= 0) & (found["surprise"] <= 1)).all()
    one = group(amortized.sample(draws=50, refine=None, **QUIET))
    assert np.isfinite(amortized.log_prob(one).to_numpy()).all()

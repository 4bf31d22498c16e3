"""What is trained on: fresh simulations, a fixed number again and again, or given ones."""

import numpy as np
import pymc as pm
import pytest
from models import CASES

import pymc_amortized as pma
from pymc_amortized import sources
from pymc_amortized.forward import forward_sampler
from pymc_amortized.missing import missing_data
from pymc_amortized.parameters import parameters
from pymc_amortized.simulation import Simulator
from pymc_amortized.sources import Source, simulation_source
from pymc_amortized.structure import observed_names


def source(simulations: object, seed: int = 1) -> Source:
    model = CASES["one_parameter"].build()
    sampler = forward_sampler(model)
    of_model = parameters(model, sampler.draw(2, 0))
    simulator = Simulator(sampler, of_model, observed_names(model), missing_data(model, None))
    return simulation_source(model, simulator, simulations, seed, progressbar=False)


def test_a_fixed_number_is_split_and_seen_equally_often() -> None:
    fixed = source(700)
    assert (fixed.fresh, fixed.dropped) == (False, 0)
    assert (len(fixed.training), len(fixed.held_out)) == (630, 70)
    assert fixed.epoch == pytest.approx(630 / fixed.batch)
    first, second = fixed.draw(1), fixed.draw(2)
    assert len(first) == len(second) == fixed.steps * fixed.batch
    for round_ in (first, second):
        assert set(round_.vector.ravel()) == set(fixed.training.vector.ravel())
    both = np.concatenate([first.vector, second.vector])
    _, times = np.unique(both, return_counts=True)
    assert np.ptp(times) <= 1
    assert not set(first.vector.ravel()) & set(fixed.held_out.vector.ravel())
    assert not np.array_equal(first.vector, second.vector)


def test_rounds_go_on_where_the_last_one_ended(monkeypatch):
    """Two rounds of fewer steps than simulations need to be seen once."""
    monkeypatch.setattr(sources, "STEPS", 2)
    monkeypatch.setattr(sources, "FEWEST_STEPS", 1)
    fixed = source(1000)
    seen = np.concatenate([fixed.draw(seed).vector.ravel() for seed in (1, 2)])
    assert (len(fixed.training), len(seen)) == (900, 1024)
    assert len(np.unique(seen[:900])) == 900


def test_fresh_simulations_are_never_the_same() -> None:
    fresh = source(None)
    rounds = [fresh.training, fresh.held_out, fresh.draw(5), fresh.draw(6)]
    assert fresh.fresh
    assert fresh.epoch is None
    assert len(fresh.draw(5)) == fresh.steps * fresh.batch
    values = np.concatenate([round_.vector.ravel() for round_ in rounds])
    assert len(np.unique(values)) == len(values)
    np.testing.assert_array_equal(fresh.draw(5).vector, rounds[2].vector)


def test_pairs_stay_together() -> None:
    """The mean of ten counts is the rate, give or take its standard error."""
    for simulations in (700, None):
        pairs = source(simulations).draw(3)
        rate = np.exp(pairs.vector[:, 0])
        z = (pairs.data.mean(axis=1) - rate) / np.sqrt(rate / 10)
        assert np.mean(z**2) == pytest.approx(1, abs=5 * np.sqrt(2 / 630))


def other_shape() -> pm.Model:
    with pm.Model() as model:
        pm.Poisson("y", pm.Gamma("rate", 2, 0.5), observed=np.ones(9, int))
    return model


@pytest.mark.parametrize(
    ("build", "draws", "match"),
    [
        (CASES["one_parameter"].build, 99, "simulations: expected at least 100 draws, got 99"),
        (CASES["known_noise"].build, 200, "simulations: expected 'rate' in the group 'prior'"),
        (other_shape, 200, r"simulations: expected 'y' of shape \(10,\), got \(9,\)"),
    ],
)
def test_given_simulations_are_checked(build: object, draws: int, match: str) -> None:
    given = pma.simulate(build(), draws=draws, random_seed=1, progressbar=False)
    with pytest.raises(ValueError, match=match):
        source(given)


def test_simulations_at_other_constant_data_are_refused() -> None:
    with pm.Model() as model:
        x = pm.Data("x", [1.0, 2.0])
        pm.Normal("y", pm.Normal("slope") * x, 1, observed=np.zeros(2))
    given = pma.simulate(model, draws=200, random_seed=1, progressbar=False)
    pm.set_data({"x": [1.0, 3.0]}, model=model)
    with pytest.raises(ValueError, match="simulations: expected the data 'x' of this model"):
        pma.fit(model, simulations=given, progressbar=False)

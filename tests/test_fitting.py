import subprocess
import sys

import numpy as np
import pymc as pm
import pytest
from models import CASES

import pymc_amortized as pma
from pymc_amortized.inference_data import group
from pymc_amortized.training import COOLING, LEARNING_RATE, PATIENCE, WARM_UP, Schedule

QUIET = {"random_seed": 1, "progressbar": False}
SMALL = {
    "summary": pma.summaries.residual_mlp(width=8, features=4),
    "flow": pma.flows.spline_coupling(couplings=1, width=8),
}


def test_import_is_cheap_and_does_not_load_tensorflow():
    code = (
        "import sys, time, pymc; start = time.perf_counter(); import pymc_amortized; "
        "print(time.perf_counter() - start, 'tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        for _ in range(3)
    ]
    rows = [run.stdout.split() for run in runs]
    assert all(row[1:] == ["False", "False"] for row in rows)
    assert min(float(row[0]) for row in rows) < 0.3


def test_simulations_from_simulate_and_from_its_file(tmp_path):
    model = CASES["one_parameter"].build()
    simulated = pma.simulate(model, draws=300, **QUIET)
    path = tmp_path / "simulations.nc"
    simulated.to_netcdf(path, engine="h5netcdf")
    results = [
        pma.fit(model, simulations=s, **SMALL, **QUIET).sample(**QUIET).posterior["rate"]
        for s in (simulated, path)
    ]
    np.testing.assert_array_equal(*results)
    foreign = pma.simulate(CASES["known_noise"].build(), draws=300, **QUIET)
    with pytest.raises(ValueError, match="'rate' in the group 'prior'"):
        pma.fit(model, simulations=foreign, **QUIET)


def test_looped_models_without_likelihood_train():
    model = CASES["simulator"].build()
    amortized = pma.fit(model, simulations=300, **SMALL, **QUIET)
    assert amortized.settings["vectorized"] is False
    idata = amortized.sample(draws=20, **QUIET)
    assert list(group(idata, "sample_stats").data_vars) == ["log_q"]


def test_running_out_of_time_warns():
    model = CASES["one_parameter"].build()
    with pytest.warns(UserWarning, match="max_seconds=0.01 cut training off"):
        amortized = pma.fit(model, simulations=500, max_seconds=0.01, **SMALL, **QUIET)
    assert amortized.settings["converged"] is False


def model_with_broken_simulations(part):
    with pm.Model() as model:
        top = pm.Uniform("top", 0, 1)
        pm.Normal("y", pm.math.log(top - part), 1, observed=0.0)
    return model


def test_simulations_that_are_not_finite_are_counted_or_refused():
    model = model_with_broken_simulations(0.2)
    with pytest.warns(UserWarning, match=r"of \d+ simulations came out NaN"):
        amortized = pma.fit(model, simulations=1000, **SMALL, **QUIET)
    dropped = amortized.settings["dropped_simulations"]
    assert dropped == pytest.approx(250, abs=5 * np.sqrt(250))  # a fifth of 1250 draws
    with pytest.raises(ValueError, match="in 'y'"):
        pma.fit(model_with_broken_simulations(0.8), simulations=1000, **QUIET)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"simulations": 5}, "simulations: expected at least 100"),
        ({"max_seconds": 0}, "max_seconds: expected a positive"),
    ],
)
def test_options_are_checked(options, match):
    with pytest.raises(ValueError, match=match):
        pma.fit(CASES["one_parameter"].build(), **options, **QUIET)


def test_models_that_cannot_be_amortized_are_refused_before_training():
    with pm.Model() as model:
        pm.Normal("y", pm.Flat("free"), 1, observed=0.0)
    with pytest.raises(NotImplementedError, match="'free'"):
        pma.fit(model, **QUIET)


def test_schedule_rises_stays_and_falls_to_zero():
    schedule, rates = Schedule(), []
    while (more := schedule.rates(100)) is not None:
        rates.append(more)
        schedule.update(1 / (1 + len(rates)) if len(rates) < 20 else 0.05, seconds=len(rates))
    rates = np.concatenate(rates)
    assert rates[0] == pytest.approx(LEARNING_RATE / WARM_UP)
    assert rates.max() == pytest.approx(LEARNING_RATE)
    assert rates[-1] < LEARNING_RATE / 100
    assert schedule.plateau
    constant = int((rates == rates.max()).sum() + WARM_UP) / 100
    assert 20 <= constant <= 20 + 2 * PATIENCE
    assert len(rates) / 100 == pytest.approx(constant * (1 + COOLING), abs=2)


def test_schedule_falls_in_time():
    schedule = Schedule(max_seconds=30)
    rounds = 0
    while schedule.rates(100) is not None:
        rounds += 1
        schedule.update(-rounds, seconds=rounds)
    assert 27 <= rounds <= 30
    assert not schedule.plateau

"""From a model to its posterior: what is simulated, counted, warned of and refused."""

import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pymc as pm
import pytest
from models import CASES
from pymc.distributions.transforms import Interval
from trained import small

import pymc_amortized as pma
from pymc_amortized import fit_warnings, sources, training
from pymc_amortized.inference_data import group

QUIET = {"random_seed": 1, "progressbar": False}
SMALL = small() | {"flow": pma.flows.spline_coupling(couplings=1, width=8, bins=3)}
ROUNDS = 2


@pytest.fixture
def without_training(monkeypatch):
    """Rounds that take their simulations and leave the network as it was."""

    def train(network, batches, held_out, *, steps, batch, **_):
        for _ in range(ROUNDS):
            parameters, data = batches()
            assert parameters.shape == (steps * batch, network.size)
            assert data.shape == (steps * batch, network.inputs.size)
        seen = ROUNDS * steps * batch
        return training.History([training.Round(seen, 1.0, 1.0, 1e-3, 1.0)], converged=True)

    monkeypatch.setattr(training, "train", train)


def test_import_is_cheap_and_does_not_load_tensorflow():
    code = (
        "import sys, time, pymc; start = time.perf_counter(); import pymc_amortized; "
        "print(time.perf_counter() - start, 'tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    for _ in range(3):  # other programs may slow one down
        run = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )
        seconds, *loaded = run.stdout.split()
        assert loaded == ["False", "False"]
        if float(seconds) < 0.3:
            break
    assert float(seconds) < 0.3


@pytest.mark.parametrize("simulations", [300, None])
def test_training_knows_which_simulations_it_sees_again(monkeypatch, simulations):
    epochs = []

    def train(*_, batch, epoch, **__):
        epochs.append(epoch and epoch * batch)
        return training.History([training.Round(1, 1.0, 1.0, 1e-3, 1.0)], converged=True)

    monkeypatch.setattr(training, "train", train)
    pma.fit(CASES["one_parameter"].build(), simulations=simulations, **SMALL, **QUIET)
    assert epochs == [simulations and pytest.approx(0.9 * simulations)]


@pytest.mark.usefixtures("without_training")
def test_simulations_from_simulate_and_from_its_file(tmp_path):
    model = CASES["one_parameter"].build()
    simulated = pma.simulate(model, draws=300, **QUIET)
    path = tmp_path / "simulations.nc"
    simulated.to_netcdf(path, engine="h5netcdf")
    results = [
        group(pma.fit(model, simulations=s, **SMALL, **QUIET).sample(**QUIET))["rate"]
        for s in (simulated, path, 300)
    ]
    np.testing.assert_array_equal(*results[:2])
    assert not np.array_equal(*results[1:])  # other simulations are another posterior
    foreign = pma.simulate(CASES["known_noise"].build(), draws=300, **QUIET)
    with pytest.raises(ValueError, match="'rate' in the group 'prior'"):
        pma.fit(model, simulations=foreign, **QUIET)


@pytest.mark.usefixtures("without_training")
def test_looped_models_without_likelihood():
    model = CASES["simulator"].build()
    amortized = pma.fit(model, simulations=300, **SMALL, **QUIET)
    assert amortized.settings["vectorized"] is False
    idata = amortized.sample(draws=20, **QUIET)
    assert list(group(idata, "sample_stats").data_vars) == ["log_q"]


@pytest.mark.usefixtures("without_training")
@pytest.mark.parametrize(("long", "warns"), [(0.0, True), (1e3, False)])
def test_loops_that_take_long_are_warned_of(monkeypatch, long, warns):
    monkeypatch.setattr(fit_warnings, "LONG", long)
    monkeypatch.setattr(sources, "FIRST_SIMULATIONS", 300)
    monkeypatch.setattr(sources, "STEPS", 2)
    told = pytest.warns(UserWarning, match=r"one by one, \d+ a second, because .*random function")
    with told if warns else nullcontext():
        pma.fit(CASES["simulator"].build(), **SMALL, **QUIET)


def test_running_out_of_time_warns():
    model = CASES["one_parameter"].build()
    with pytest.warns(UserWarning, match="max_seconds=0.01 cut training off"):
        amortized = pma.fit(model, simulations=500, max_seconds=0.01, **SMALL, **QUIET)
    assert amortized.settings["converged"] is False


def test_an_interrupt_warns(monkeypatch):
    def train(*_, **__):
        rounds = [training.Round(1, 1.0, 1.0, 1e-3, 1.0)] * 3
        return training.History(rounds, converged=False, interrupted=True)

    monkeypatch.setattr(training, "train", train)
    with pytest.warns(UserWarning, match="Training was interrupted after 3 rounds, .* are kept"):
        pma.fit(CASES["one_parameter"].build(), simulations=300, **SMALL, **QUIET)


def test_time_without_end_is_no_limit():
    model = CASES["one_parameter"].build()
    amortized = pma.fit(model, simulations=100, max_seconds=np.inf, **SMALL, **QUIET)
    assert amortized.settings["converged"] is True


def model_with_broken_simulations(part):
    with pm.Model() as model:
        top = pm.Uniform("top", 0, 1)
        pm.Normal("y", pm.math.log(top - part), 1, observed=0.0)
    return model


@pytest.mark.usefixtures("without_training")
@pytest.mark.parametrize("simulations", [1000, None])
def test_simulations_that_are_not_finite_are_counted_and_reported(simulations):
    """Of those drawn to fit scales to, and of those of every round where they are fresh."""
    model = model_with_broken_simulations(0.2)
    with pytest.warns(UserWarning, match=r"(\d+) of \d+ simulations came out NaN") as warned:
        amortized = pma.fit(model, simulations=simulations, **SMALL, **QUIET)
    used, dropped = (amortized.settings[k] for k in ("simulations", "dropped_simulations"))
    counted = f"{dropped} of {used + dropped} simulations"
    assert any(str(warning.message).startswith(counted) for warning in warned)
    assert used == 1000 if simulations else used > 20_000
    drawn = used + dropped
    assert dropped == pytest.approx(0.2 * drawn, abs=5 * np.sqrt(0.16 * drawn))


@pytest.mark.parametrize("simulations", [1000, None, "simulated"])
def test_more_than_half_not_finite_is_refused(simulations):
    model = model_with_broken_simulations(0.8)
    if simulations == "simulated":
        simulations = pma.simulate(model, draws=1000, **QUIET)
    with pytest.raises(ValueError, match=r"NaN or infinity in \d+ of \d+ \(in 'y'\)"):
        pma.fit(model, simulations=simulations, **QUIET)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"simulations": 5}, ValueError, "simulations: expected an integer of at least 100, got 5"),
        ({"simulations": True}, ValueError, "simulations: .* got True"),
        ({"simulations": np.True_}, ValueError, "simulations: .* got np.True_"),
        ({"simulations": 1e4}, ValueError, "simulations: .* got 10000.0"),
        ({"max_seconds": 0}, ValueError, "max_seconds: expected a positive number, got 0"),
        ({"max_seconds": True}, ValueError, "max_seconds: .* got True"),
        ({"max_seconds": np.nan}, ValueError, "max_seconds: .* got nan"),
        ({"max_seconds": "10"}, ValueError, "max_seconds: .* got '10'"),
        ({"summary": "mlp"}, TypeError, "summary: expected what a factory returns.* got 'mlp'"),
        ({"flow": pma.flows.spline_coupling}, TypeError, "flow: .* got spline_coupling itself"),
    ],
)
def test_options_are_checked(options, error, match):
    with pytest.raises(error, match=match):
        pma.fit(CASES["one_parameter"].build(), **options, **QUIET)


@pytest.mark.parametrize(
    ("values", "match"),
    [([3, -1], "'y' inside the support .* such as -1"), ([3, 1], None)],
)
@pytest.mark.usefixtures("without_training")
def test_own_data_outside_their_support_are_refused(values, match):
    with pm.Model() as model:
        pm.Poisson("y", pm.Gamma("rate", 2, 1), observed=values)
    with nullcontext() if match is None else pytest.raises(ValueError, match=match):
        pma.fit(model, simulations=200, **SMALL, **QUIET)


def test_own_data_that_are_not_finite_are_refused():
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("level"), observed=[0.0, np.inf])
    with pytest.raises(ValueError, match="finite values of 'y', got 1 "):
        pma.fit(model, simulations=200, **SMALL, **QUIET)


def flat():
    pm.Normal("y", pm.Flat("level"), 1, observed=0.0)


def potential():
    y = pm.Normal("y", pm.Normal("level"), 1, observed=0.0)
    pm.Potential("penalty", -(y**2))


def minibatch():
    data = pm.Minibatch(np.zeros(10), batch_size=5)
    pm.Normal("y", pm.Normal("level"), 1, observed=data, total_size=10)


def restricted():
    level = pm.Normal("level", transform=Interval(-1, 1))
    pm.Normal("y", level, 1, observed=0.0)


@pytest.mark.parametrize("function", [pma.fit, pma.simulate])
@pytest.mark.parametrize(
    ("fill", "error", "match"),
    [
        (lambda: pm.Normal("level"), ValueError, "no observed variable"),
        (lambda: pm.Normal("y", observed=0.0), ValueError, "no free variable"),
        (flat, NotImplementedError, "'level'"),
        (potential, NotImplementedError, "'penalty'"),
        (minibatch, NotImplementedError, "'y'"),
        (restricted, ValueError, "'level'"),
    ],
    ids=["no_observed", "no_free", "flat", "potential", "minibatch", "restricted"],
)
def test_models_are_refused_before_a_draw(function, fill, error, match, monkeypatch):
    for module in ("fitting", "simulation"):
        monkeypatch.setattr(f"pymc_amortized.{module}.forward_sampler", None)
    with pm.Model() as model:
        fill()
    with pytest.raises(error, match=match):
        function(model, **QUIET)


def test_a_series_written_by_hand_is_warned_of():
    with pm.Model() as model:
        series = pm.Data("series", np.arange(6.0))
        rho = pm.Normal("rho", 0, 0.5)
        pm.Normal("y", rho * series[:-1], 1, observed=series[1:])
    with pytest.warns(UserWarning, match="'series' is both observed and a covariate"):
        pma.fit(model, simulations=200, random_seed=1, progressbar=False, **small())

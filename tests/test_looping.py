"""Draws made one by one: the same wherever they are made, and errors find their way."""

import os

import numpy as np
import pymc as pm
import pytest
from models import SUPPORTED, build

import pymc_amortized as pma
from pymc_amortized import looping
from pymc_amortized.forward import forward_sampler
from pymc_amortized.inference_data import group

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of joblib
PIECES = [(7, 1), (5, 2), (6, 3), (4, 4)]


@pytest.fixture
def at_once(monkeypatch):
    """Start two worker processes after the first piece, on a single core too."""
    monkeypatch.setattr(looping, "WORTH", -1.0)
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)


@pytest.mark.parametrize("name", ["custom_random", "simulator", "potential_of_a_simulator"])
@pytest.mark.usefixtures("at_once")
def test_the_same_draws_in_workers(name):
    sampler = forward_sampler(SUPPORTED[name].build())
    found = list(sampler.pieces(PIECES))
    assert len(found) == len(PIECES)
    for piece, (draws, seed) in zip(found, PIECES, strict=True):
        for variable, values in sampler.draw(draws, seed).items():
            np.testing.assert_array_equal(piece[variable], values)


def test_few_draws_need_no_workers(monkeypatch):
    monkeypatch.setattr(looping, "_in_workers", None)
    sampler = forward_sampler(SUPPORTED["simulator"].build())
    assert len(list(sampler.pieces(PIECES))) == len(PIECES)


@pytest.mark.usefixtures("at_once")
def test_what_cannot_be_sent_stays():
    draw = forward_sampler(SUPPORTED["simulator"].build()).draw
    lock = os.scandir()  # not to be pickled
    found = list(looping.in_pieces(draw, lambda: lock, PIECES))
    assert [len(piece["y"]) for piece in found] == [draws for draws, _ in PIECES]
    lock.close()


def of_a(function):
    def fill():
        a = pm.Normal("a")
        pm.Simulator("y", function, a, observed=np.zeros(2))

    return build(fill)


def failing_in_worker(here):
    def my_simulator(rng, a, size):
        if os.getpid() != here:
            raise ZeroDivisionError("the user's own error")
        return rng.normal(a, 1, size=size)

    return my_simulator


def dying_in_worker(here):
    def my_simulator(rng, a, size):
        if os.getpid() != here:
            os._exit(1)
        return rng.normal(a, 1, size=size)

    return my_simulator


@pytest.mark.usefixtures("at_once")
def test_an_error_in_a_worker_is_the_users():
    sampler = forward_sampler(of_a(failing_in_worker(os.getpid())))
    with pytest.raises(ZeroDivisionError, match="the user's own error") as caught:
        list(sampler.pieces(PIECES))
    assert "my_simulator" in str(caught.value.__cause__)


@pytest.mark.usefixtures("at_once")
def test_a_worker_that_dies_is_an_error():
    sampler = forward_sampler(of_a(dying_in_worker(os.getpid())))
    with pytest.raises(RuntimeError, match="random functions that return"):
        list(sampler.pieces(PIECES))


def noise(rng, a, size):
    return rng.normal(a, 1, size=size)


def noise_of_mean(rng, a, size):
    return rng.normal(np.mean(a), 1, size=size)


def of_one(rng, a, size):
    return rng.normal(a.item(), 1, size=size)


def test_a_vectorized_function_is_believed_once_tried():
    model = of_a(noise)
    draws = pma.simulate(model, draws=5000, vectorized=True, random_seed=1, progressbar=False)
    a, y = (
        group(draws, "prior")["a"].to_numpy()[0],
        group(draws, "prior_predictive")["y"].to_numpy()[0],
    )
    residual = y - a[:, None]
    assert np.abs(residual.mean(axis=0)).max() < 5 / np.sqrt(5000)
    assert np.corrcoef(a, y[:, 0])[0, 1] == pytest.approx(np.sqrt(0.5), abs=0.05)
    assert not forward_sampler(model).vectorized


@pytest.mark.parametrize(
    ("function", "message"),
    [(noise_of_mean, "standard errors apart"), (of_one, "ValueError")],
)
def test_what_only_seems_vectorized_is_refused(function, message):
    with pytest.raises(ValueError, match=f"(?s)^vectorized: expected batches of .*{message}"):
        pma.fit(of_a(function), vectorized=True, progressbar=False)

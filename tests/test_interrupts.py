"""Interrupts: unheeded for the length of a block, heeded again after it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from models import CASES
from trained import small

import pymc_amortized as pma
from pymc_amortized import fitting, training
from pymc_amortized.interrupts import uninterrupted


@pytest.fixture(autouse=True)
def _heeding() -> Iterator[None]:
    """What test runners do with interrupts put aside."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_interrupts_are_heeded_after_the_block() -> None:
    with uninterrupted():
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_an_error_in_the_block_leaves_nothing_unheeded() -> None:
    with pytest.raises(ZeroDivisionError), uninterrupted():
        1 / 0  # noqa: B018
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_go_on() -> None:
    def block() -> str:
        with uninterrupted():
            return "done"

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(block).result() == "done"


def test_a_second_interrupt_after_training_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*_: object, **__: object) -> training.History:
        rounds = [training.Round(1, 1.0, 1.0, 1e-3, 1.0)] * 3
        return training.History(rounds, converged=False, interrupted=True)

    def interrupted(*references: object) -> object:
        signal.raise_signal(signal.SIGINT)
        return fit_familiarity(*references)

    fit_familiarity = fitting.fit_familiarity
    monkeypatch.setattr(training, "train", train)
    monkeypatch.setattr(fitting, "fit_familiarity", interrupted)
    options = {"simulations": 300, "random_seed": 1, "progressbar": False}
    with pytest.warns(UserWarning, match="Training was interrupted after 3 rounds"):
        amortized = pma.fit(CASES["one_parameter"].build(), **small(), **options)
    amortized.sample(draws=10, progressbar=False)

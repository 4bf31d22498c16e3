"""Rounds of prepared simulations: counted, in order, given up when no one wants them."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from trained import untrained

from pymc_amortized.feeding import feed, prepared
from pymc_amortized.preconditioning import Preconditioner
from pymc_amortized.simulation import Simulations
from pymc_amortized.sources import Source

NUMBER = 20


def preconditioner() -> Preconditioner:
    return untrained("one_parameter")._preconditioner


def pairs(seed: int) -> Simulations:
    rng = np.random.default_rng(seed)
    return Simulations(rng.normal(size=(NUMBER, 1)), rng.poisson(3, (NUMBER, 10)), dropped=seed % 3)


def source(draw: Callable[..., Simulations]) -> Source:
    return Source(pairs(1), pairs(2), True, 0, NUMBER, 1, draw)


def test_rounds_are_prepared_and_what_was_dropped_is_told() -> None:
    linear, seeds = preconditioner(), []

    def draw(seed: int, _: Callable[[float], None]) -> Simulations:
        seeds.append(seed)
        return pairs(seed)

    with feed(source(draw), linear, seed=5) as rounds:
        found = [next(rounds) for _ in range(3)]
    assert len(set(seeds)) == len(seeds)
    for seed, (dropped, arrays) in zip(seeds, found, strict=False):
        assert dropped == seed % 3
        for array, expected in zip(arrays, prepared(linear, pairs(seed)), strict=True):
            np.testing.assert_array_equal(array, expected)


def test_what_no_one_waits_for_is_given_up() -> None:
    told = []

    def draw(seed: int, advance: Callable[[float], None]) -> Simulations:
        for _ in range(1000 if told else 0):
            time.sleep(0.01)
            advance(1)
        told.append(seed)
        return pairs(seed)

    start = time.perf_counter()
    with feed(source(draw), preconditioner(), seed=5) as rounds:
        next(rounds)
    assert len(told) == 1
    assert time.perf_counter() - start < 5

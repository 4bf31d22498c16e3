"""The schedule and the loop of optimizer steps."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import numpy as np
import pytest
from trained import small

from pymc_amortized import decay as weight_decay
from pymc_amortized import flows, summaries, trainer, training
from pymc_amortized import schedule as schedules
from pymc_amortized.layout import flat_inputs
from pymc_amortized.networks import Network
from pymc_amortized.schedule import Schedule
from pymc_amortized.training import train

STEPS, BATCH, ELEMENTS = 10, 32, 3


def run(schedule: Schedule, losses: Iterable[float], seconds: float = 0.0) -> list[np.ndarray]:
    """Rates of each round until the schedule is over."""
    every = []
    for done, loss in enumerate(losses, start=1):
        rates = schedule.rates()
        if rates is None:
            break
        every.append(rates)
        schedule.update(loss, loss, seconds * done)
    return every


def test_rates_rise_stay_and_fall_to_zero() -> None:
    warm_up = schedules.WARM_UP // STEPS
    falling = np.r_[-np.arange(warm_up + 10.0), np.full(1000, -(warm_up + 9.0))]
    schedule = Schedule(STEPS)
    rates = np.array(run(schedule, falling))
    constant = warm_up + 10 + schedules.PATIENCE
    cooling = max(schedules.SHORTEST_COOLING, round(schedules.COOLING * constant))
    assert schedule.plateau
    assert len(rates) == constant + cooling
    assert (np.diff(rates[:warm_up].ravel()) > 0).all()
    np.testing.assert_allclose(rates[warm_up:constant], schedules.LEARNING_RATE, rtol=1e-6)
    assert (np.diff(rates[constant - 1 :].ravel())[STEPS:] < 0).all()
    last = rates[-1, -1] / schedules.LEARNING_RATE
    assert last == pytest.approx(1 / (STEPS * cooling), rel=1e-3)


@pytest.mark.parametrize(("gain", "stalls"), [(0.5, True), (2.0, False)])
def test_only_gains_that_count_put_the_fall_off(gain: float, stalls: bool) -> None:
    """A loss that gains so many thresholds over the rounds of the patience."""
    schedule = Schedule(STEPS)
    slope = gain * schedules.GAIN / schedules.PATIENCE
    run(schedule, -slope * np.arange(5 * schedules.PATIENCE))
    assert schedule.plateau == stalls


@pytest.mark.parametrize(("gap", "rounds"), [(1e-3, 5), (0.0, 10), (-1.0, 10)])
def test_rounds_without_gain_are_waited_for_until_learning_is_by_heart(
    monkeypatch: pytest.MonkeyPatch, gap: float, rounds: int
) -> None:
    """By so much is the held-out loss the larger one."""
    monkeypatch.setattr(schedules, "PATIENT_STEPS", 10 * STEPS)
    schedule = Schedule(STEPS)
    while not schedule.plateau:
        schedule.update(-gap, 0.0, 0.0)
    assert len(schedule.losses) == rounds + 1


def test_time_starts_the_fall_and_ends_it_in_time() -> None:
    schedule = Schedule(STEPS, max_seconds=30.0)
    rates = run(schedule, -np.arange(1000.0), seconds=1.0)
    assert not schedule.plateau
    assert 28 <= len(rates) <= 31
    assert rates[-1][-1] < 0.05 * schedules.LEARNING_RATE


@pytest.mark.parametrize(("first", "rounds"), [(1.0, 45), (9.0, 13), (11.0, 5)])
def test_time_to_compile_is_no_time_of_a_round(first: float, rounds: int) -> None:
    """A first round of so many seconds, others of a quarter of one, twelve seconds in all."""
    schedule = Schedule(STEPS, max_seconds=12.0)
    done = 0
    while schedule.rates() is not None:
        seconds = first + done / 4
        schedule.update(-done, -done, seconds)
        done += 1
    assert done == rounds
    assert seconds == 12.0


@pytest.mark.parametrize(("epoch", "gains"), [(None, 12), (4.0, 5)])
def test_a_fall_that_the_loss_started_ends_in_time_too(
    few_decays: None, epoch: float | None, gains: int
) -> None:
    """So few gains that the fall may begin early, and so late that it has to be shorter."""
    schedule = Schedule(STEPS, max_seconds=30.0, epoch=epoch)
    rates = run(schedule, -np.minimum(np.arange(1000.0), gains), seconds=1.0)
    assert schedule.plateau
    assert 28 <= len(rates) <= 31
    assert rates[-1][-1] < 0.05 * schedules.LEARNING_RATE


def test_slowing_down_halves_all_rates() -> None:
    schedule = Schedule(STEPS)
    before = schedule.rates()
    schedule.slow_down()
    np.testing.assert_allclose(schedule.rates(), before / 2)


@pytest.fixture
def few_decays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two, from the stronger one on."""
    monkeypatch.setattr(weight_decay, "PARTS", (0.0, 0.1))
    monkeypatch.setattr(weight_decay, "FIRST", 1)


def parts(schedule: Schedule, losses: Iterable[float], epoch: float) -> list[float]:
    """What decays in an epoch, as it was in each round and will be in the next."""
    found = []
    for loss in losses:
        found.append(schedule.decay)
        schedule.update(loss, loss, 0.0)
    return list(
        np.round([d * epoch * schedules.LEARNING_RATE for d in [*found, schedule.decay]], 6)
    )


STALL = schedules.PATIENCE + 1


@pytest.mark.parametrize(
    ("gains", "path", "constant"),
    [
        ([1, 0, 0], [0.07, 0.2, 0.02, 0.07], 1),
        ([1, 0, 1, 0], [0.07, 0.2, 0.02, 0.007, 0.02], 2),
        ([1, 1, 0, 0], [0.07, 0.2, 0.6, 0.07, 0.2], 2),
        ([1, 1, 1, 0], [0.07, 0.2, 0.6, 0.2, 0.6], 3),
        ([1, 0, 1, 1, 1], [0.07, 0.2, 0.02, 0.007, 0.0, 0.0], 4),
    ],
)
def test_weights_decay_more_while_that_gains_then_less_while_that_gains(
    gains: list[int], path: list[float], constant: int
) -> None:
    """Each decay stalls after it gained or did not; what did not leads back to the best one."""
    schedule, epoch = Schedule(STEPS, epoch=30.0), 30.0
    losses = np.repeat(-np.cumsum(gains) + (np.array(gains) == 0), STALL)
    found = parts(schedule, losses, epoch)
    assert found == [*np.repeat(path[:-1], STALL), path[-1]]
    assert schedule.plateau
    assert schedule.back == (not gains[-1])
    left = sum(1 for _ in iter(lambda: proceed(schedule), None))
    cooling = round(schedules.COOLING * constant * STALL)
    assert left == max(schedules.SHORTEST_COOLING, cooling)


def proceed(schedule: Schedule) -> float | None:
    """Decay of another round, None after the last."""
    if schedule.rates() is None:
        return None
    schedule.update(0.0, 0.0, 0.0)
    return schedule.decay


def test_training_goes_back_once_for_each_decay_that_gains_nothing() -> None:
    schedule = Schedule(STEPS, epoch=30.0)
    back = []
    for loss in np.repeat([-1.0, 0.0, 0.0], STALL):
        schedule.update(loss, loss, 0.0)
        back.append(schedule.back)
    assert np.flatnonzero(back).tolist() == [2 * STALL - 1, 3 * STALL - 1]


def test_time_ends_the_path_of_decays() -> None:
    schedule = Schedule(STEPS, max_seconds=30.0, epoch=30.0)
    rates = run(schedule, -np.arange(1000.0), seconds=1.0)
    assert (schedule.back, schedule.plateau) == (False, False)
    assert schedule.decay == pytest.approx(0.07 / 30 / schedules.LEARNING_RATE)
    assert 28 <= len(rates) <= 31


def test_time_that_ends_a_decay_without_gain_leads_back() -> None:
    """In its midst."""
    schedule = Schedule(STEPS, max_seconds=30.0, epoch=30.0)
    losses = np.r_[-np.minimum(np.arange(17.0), 9.0), np.full(20, 5.0)]
    back = []
    for done, loss in enumerate(losses[:22], start=1):
        schedule.update(loss, loss, float(done))
        back.append(schedule.back)
    assert np.flatnonzero(back).tolist() == [19]
    assert schedule.decay == pytest.approx(0.07 / 30 / schedules.LEARNING_RATE)
    assert not schedule.plateau


def test_decay_forgets_over_as_many_epochs_of_any_length() -> None:
    short, long = (Schedule(STEPS, epoch=epoch).decay for epoch in (10.0, 1000.0))
    assert short * 10 == pytest.approx(long * 1000)
    kept = (1 - schedules.LEARNING_RATE * long) ** 1000
    assert kept == pytest.approx(np.exp(-0.07), rel=1e-4)


def network() -> Network:
    """A conditional normal distribution, which compiles fast."""
    flow = flows.spline_coupling(couplings=0, width=8)
    return Network(**small() | {"flow": flow}, inputs=flat_inputs(ELEMENTS), size=1, seed=1)


def pairs(seed: int, number: int = STEPS * BATCH, shift: float = 0.0) -> tuple:
    """One parameter, skewed, and data about it."""
    rng = np.random.default_rng(seed)
    parameters = rng.gumbel(shift, 1, (number, 1))
    data = parameters + rng.normal(size=(number, ELEMENTS))
    return parameters.astype(np.float32), data.astype(np.float32)


def trained(net: Network, batches: Callable[[], tuple], **options: object) -> training.History:
    options = {"held_out": pairs(0, 500), "advance": lambda *_, **__: None, **options}
    return train(net, batches, steps=STEPS, batch=BATCH, **options)


def held_out_loss(net: Network) -> float:
    return loss_of(net, *pairs(0, 500))


def loss_of(net: Network, parameters: np.ndarray, features: np.ndarray) -> float:
    return float(-net.log_prob(parameters[:, None], net.summaries(features)).mean())


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "LEARNING_RATE", 0.01)
    monkeypatch.setattr(schedules, "WARM_UP", 20)
    monkeypatch.setattr(schedules, "PATIENT_STEPS", schedules.PATIENCE * STEPS)


def test_the_best_weights_are_kept() -> None:
    """The simulations turn wrong on the way, and the held-out loss with them."""
    net, seeds = network(), itertools.count(1)
    before = held_out_loss(net)

    def batches() -> tuple:
        seed = next(seeds)
        return pairs(seed, shift=0.0 if seed <= 10 else 8.0)

    history = trained(net, batches)
    losses = np.array([r.held_out_loss for r in history.rounds])
    assert history.converged
    assert losses.min() < before - 0.3
    assert losses[-1] > losses.min() + 0.3
    assert held_out_loss(net) == pytest.approx(losses.min(), abs=1e-4)
    assert [r.simulations for r in history.rounds[:2]] == [STEPS * BATCH, 2 * STEPS * BATCH]


def test_training_goes_back_to_the_best_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulations turn wrong on the way: neither more decay nor less helps."""
    begun, begin = [], trainer.Trainer.begin

    def spy(self: trainer.Trainer, weights: np.ndarray) -> None:
        begun.append(weights)
        begin(self, weights)

    monkeypatch.setattr(trainer.Trainer, "begin", spy)
    net, seeds = network(), itertools.count(1)

    def batches() -> tuple:
        seed = next(seeds)
        return pairs(seed, shift=0.0 if seed <= 10 else 8.0)

    losses = [r.held_out_loss for r in trained(net, batches, epoch=4).rounds]
    assert len(begun) == 3
    for weights in begun[1:]:
        net.assign_flat(weights)
        assert held_out_loss(net) == pytest.approx(min(losses), abs=1e-4)


def test_simulations_that_are_seen_again_are_not_learned_by_heart() -> None:
    """A hundred of them, and a summary of forty values that mean nothing."""
    rng = np.random.default_rng(8)

    def with_noise(seed: int, number: int) -> tuple:
        parameters, data = pairs(seed, number)
        noise = rng.normal(size=(number, 40)).astype(np.float32)
        return parameters, np.hstack([data, noise])

    few, held_out = with_noise(1, 4 * BATCH), with_noise(2, 500)
    parameters, features = with_noise(3, 20_000)
    again = tuple(np.tile(values, (STEPS // 4 + 1, 1))[: STEPS * BATCH] for values in few)
    losses = []
    for epoch in (None, 4):
        flow = flows.spline_coupling(couplings=0, width=8)
        summary = summaries.residual_mlp(width=32, blocks=1, features=4)
        net = Network(summary, flow, flat_inputs(ELEMENTS + 40), 1, seed=1)
        trained(net, lambda: again, held_out=held_out, epoch=epoch)
        losses.append(loss_of(net, parameters, features))
    assert losses[1] < losses[0] - 0.05, losses


def test_a_round_without_finite_loss_is_recovered_from() -> None:
    net, seeds = network(), itertools.count(1)
    before = held_out_loss(net)

    def batches() -> tuple:
        seed = next(seeds)
        parameters, data = pairs(seed)
        return (np.full_like(parameters, np.nan) if seed == 3 else parameters), data

    history = trained(net, batches)
    losses = [r.held_out_loss for r in history.rounds]
    assert np.isfinite(losses).all()
    assert held_out_loss(net) == pytest.approx(min(losses), abs=1e-4)
    assert min(losses[2:]) < min(losses[:2]) < before
    assert max(r.learning_rate for r in history.rounds[3:]) <= 0.005 * (1 + 1e-6)
    assert history.rounds[2].simulations == 4 * STEPS * BATCH


def test_rounds_without_finite_loss_are_counted_in_a_row_alone() -> None:
    """One in three, more often in all than training puts up with in a row."""
    calls = itertools.count()

    def batches() -> tuple:
        call = next(calls)
        parameters, data = pairs(call)
        bad = call % 3 == 2 and call < 3 * (training.RETRIES + 2)
        return (np.full_like(parameters, np.nan) if bad else parameters), data

    history = trained(network(), batches)
    assert history.converged
    assert next(calls) == len(history.rounds) + training.RETRIES + 2


def test_what_an_interrupt_leaves_are_the_best_weights_so_far() -> None:
    net, seeds = network(), itertools.count(1)

    def batches() -> tuple:
        seed = next(seeds)
        if seed > 20:
            raise KeyboardInterrupt
        return pairs(seed, shift=0.0 if seed <= 10 else 8.0)

    history = trained(net, batches)
    losses = [r.held_out_loss for r in history.rounds]
    assert (len(losses), history.interrupted, history.converged) == (20, True, False)
    assert losses[-1] > min(losses) + 0.1
    assert held_out_loss(net) == pytest.approx(min(losses), abs=1e-4)


def test_an_interrupt_before_anything_was_learned_is_one() -> None:
    def batches() -> tuple:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(network(), batches)


def test_averaged_weights_are_free_of_the_noise_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Next to no memory leaves the weights themselves."""
    monkeypatch.setattr(schedules, "LEARNING_RATE", 0.05)
    losses = {}
    for memory in (1e-9, trainer.AVERAGED):
        monkeypatch.setattr(trainer, "AVERAGED", memory)
        monkeypatch.setattr(trainer, "_kept", {})
        seeds = itertools.count(1)
        history = trained(network(), lambda seeds=seeds: pairs(next(seeds)))
        losses[memory] = [r.held_out_loss for r in history.rounds[5:10]]
    alone, averaged = losses.values()
    assert np.mean(averaged) < np.mean(alone) - 0.01
    assert np.std(averaged) < np.std(alone)


def test_a_round_keeps_the_weights_or_their_mean_whichever_does_better(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the loss falls fast the mean is behind; later it is ahead."""
    every, better, seeds = [], training._better, itertools.count(1)

    def spy(lent: trainer.Trainer, evaluate: Callable[[np.ndarray], float]) -> object:
        every.append([evaluate(lent.weights()), evaluate(lent.mean_weights())])
        return better(lent, evaluate)

    monkeypatch.setattr(training, "_better", spy)
    rounds = trained(network(), lambda: pairs(next(seeds))).rounds
    losses = np.array(every)
    np.testing.assert_allclose([r.held_out_loss for r in rounds], losses.min(axis=1), rtol=1e-6)
    assert losses[0, 0] < losses[0, 1] - 1e-3
    assert (losses[:, 1] < losses[:, 0] - 1e-3).any()


def test_rounds_that_never_are_finite_end_in_an_error() -> None:
    calls = itertools.count(1)

    def batches() -> tuple:
        next(calls)
        parameters, data = pairs(1)
        return parameters, data * np.float32(np.nan)

    with pytest.raises(FloatingPointError, match=rf"{training.RETRIES + 1} rounds .* pma.simulate"):
        trained(network(), batches)
    assert next(calls) == training.RETRIES + 2


def test_time_ends_training() -> None:
    history = trained(network(), lambda: pairs(1), max_seconds=1e-3)
    assert len(history.rounds) == 1
    assert not history.converged

"""Differential equations of sbibm, solved in the model: an epidemic, and predators with prey."""

from collections.abc import Callable

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt

SIR_DAYS, SIR_SEEN, PEOPLE = 160, 10, 1_000_000
YEARS, STEPS_A_YEAR, YEARS_SEEN = 20, 20, 10


def solved(
    rates: Callable[..., list], start: np.ndarray, steps: int, step: float, *parameters
) -> pt.TensorVariable:
    """States after each of so many steps of Runge and Kutta, (steps, states)."""

    def advance(state, *rest):
        k1 = pt.stack(rates(state, *rest))
        k2 = pt.stack(rates(state + step / 2 * k1, *rest))
        k3 = pt.stack(rates(state + step / 2 * k2, *rest))
        k4 = pt.stack(rates(state + step * k3, *rest))
        return state + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    return pytensor.scan(
        advance,
        outputs_info=pt.constant(start, dtype="float64"),
        non_sequences=list(parameters),
        n_steps=steps,
        return_updates=False,
    )


def sir(infected: np.ndarray) -> pm.Model:
    """Infected people in ten samples of a thousand; solved in logarithms, which stay in range."""

    def rates(logs, contact, recovery):
        return [-contact * pt.exp(logs[1]), contact * pt.exp(logs[0]) - recovery]

    with pm.Model() as model:
        contact = pm.LogNormal("contact", np.log(0.4), 0.5)
        recovery = pm.LogNormal("recovery", np.log(0.125), 0.2)
        start = np.log([1 - 1 / PEOPLE, 1 / PEOPLE])
        states = solved(rates, start, SIR_DAYS, 1.0, contact, recovery)
        every = SIR_DAYS // SIR_SEEN
        part = pt.exp(states[every - 1 :: every, 1])
        pm.Binomial("y", 1000, part, observed=infected)
    return model


def lotka_volterra(sizes: np.ndarray) -> pm.Model:
    """Prey and predators, ten times each; solved in logarithms, which stay in range."""

    def rates(logs, births, hunted, deaths, fed):
        prey, predators = pt.exp(logs[0]), pt.exp(logs[1])
        return [births - hunted * predators, fed * prey - deaths]

    with pm.Model() as model:
        births, hunted, deaths, fed = (
            pm.LogNormal(name, mean, 0.5)
            for name, mean in [("births", -0.125), ("hunted", -3), ("deaths", -0.125), ("fed", -3)]
        )
        steps, start = YEARS * STEPS_A_YEAR, np.log([30.0, 1.0])
        states = solved(rates, start, steps, 1 / STEPS_A_YEAR, births, hunted, deaths, fed)
        every = steps // YEARS_SEEN
        pm.LogNormal("y", states[every - 1 :: every], 0.1, observed=sizes)
    return model

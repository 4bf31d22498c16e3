"""An epidemic without a likelihood, a chain binomial: infections and recoveries of each day.

The default network, and one with statistics beside it.
"""

import numpy as np
import pymc as pm
from _report import Figure, at_most, report, shown
from data_shapes import QUIET, SERIES, columns, moments_on_grid, trained
from scipy import special, stats

import pymc_amortized as pma
from pymc_amortized.inference_data import group

MAX_SECONDS = 280
DAYS, PEOPLE = 40, 1000


def epidemic(rng, contact, recovery, size=None):
    """New infections and recoveries of each day: size is (*batch, days, 2)."""
    contact, recovery = (np.reshape(rate, size[:-2]) for rate in (contact, recovery))
    susceptible = np.full(contact.shape, PEOPLE - 10)
    infected = np.full(contact.shape, 10)
    days = []
    for _ in range(DAYS):
        infections = rng.binomial(susceptible, 1 - np.exp(-contact * infected / PEOPLE))
        recoveries = rng.binomial(infected, 1 - np.exp(-recovery))
        susceptible, infected = susceptible - infections, infected + infections - recoveries
        days.append(np.stack([infections, recoveries], axis=-1))
    return np.stack(days, axis=-2)


def sir(observed: np.ndarray) -> pm.Model:
    with pm.Model(coords={"day": range(DAYS), "event": ["infection", "recovery"]}) as model:
        contact, recovery = pm.LogNormal("contact", -0.7, 0.5), pm.LogNormal("recovery", -2, 0.4)
        dims = ("day", "event")
        pm.Simulator("cases", epidemic, contact, recovery, observed=observed, dims=dims)
    return model


def exact_sir(cases: np.ndarray) -> tuple[np.ndarray, ...]:
    infections, recoveries = cases.T.astype(float)
    susceptible = PEOPLE - 10 - np.r_[0, np.cumsum(infections)[:-1]]
    infected = 10 + np.r_[0, np.cumsum(infections - recoveries)[:-1]]

    def log_density(contact, recovery):
        rate = contact[..., None] * infected / PEOPLE
        found = np.sum(
            special.xlogy(infections, -np.expm1(-rate)) - (susceptible - infections) * rate, axis=-1
        )
        leave = -np.expm1(-recovery)
        found = found + recoveries.sum() * np.log(leave)
        found = found - (infected - recoveries).sum() * recovery
        prior = stats.lognorm(0.5, scale=np.exp(-0.7)).logpdf(contact)
        return found + prior + stats.lognorm(0.4, scale=np.exp(-2)).logpdf(recovery)

    return moments_on_grid(log_density, np.linspace(0.01, 3, 3000), np.linspace(0.005, 0.8, 1500))


def rates(data: dict[str, np.ndarray]) -> np.ndarray:
    """Infections for each chance to be infected, and recoveries for each day of an infection."""
    infections, recoveries = np.moveaxis(data["cases"], -1, 0)
    infected = 10 + np.cumsum(infections - recoveries, axis=1) - (infections - recoveries)
    susceptible = PEOPLE - 10 - np.cumsum(infections, axis=1) + infections
    chances = (susceptible * infected).sum(axis=1) / PEOPLE
    new = np.log((infections.sum(axis=1) + 0.5) / (chances + 0.5))
    return np.column_stack([new, np.log((recoveries.sum(axis=1) + 0.5) / infected.sum(axis=1))])


def accuracy(name: str, cases: np.ndarray, summary: object) -> list[Figure]:
    model = sir(np.zeros((DAYS, 2), int))
    amortized, seconds = trained(
        name, model, summary=summary, vectorized=True, max_seconds=MAX_SECONDS
    )
    mean, sd = (np.stack(part) for part in zip(*map(exact_sir, cases), strict=True))
    draws = columns(amortized.sample({"cases": cases}, random_seed=8), ["contact", "recovery"])
    error = np.abs(draws.mean(axis=0) - mean) / sd
    what = f"{name}: mean error of {len(cases)} epidemics, posterior sd"
    ratio = (draws.std(axis=0) / sd).mean()
    return [seconds, at_most(what, error.mean(), 0.15), shown(f"{name}: mean ratio of sds", ratio)]


def main() -> None:
    empty = np.zeros((DAYS, 2), int)
    simulated = pma.simulate(sir(empty), draws=SERIES, random_seed=7, vectorized=True, **QUIET)
    cases = group(simulated, "prior_predictive")["cases"].to_numpy()[0]
    figures = accuracy("default", cases, None)
    figures += accuracy("two statistics beside it", cases, [pma.summaries.structured(), rates])
    report("epidemic", figures, "seeds 7 and 8")


if __name__ == "__main__":
    main()

"""An epidemic without a likelihood: the default network, and one with statistics beside it."""

import numpy as np
from _report import Figure, at_most, report, shown
from data_shapes import DAYS, PEOPLE, QUIET, SERIES, columns, exact_sir, group, sir, trained

import pymc_amortized as pma


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
    amortized, seconds = trained(name, model, summary=summary, vectorized=True)
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
    report("epidemic", figures)


if __name__ == "__main__":
    main()

"""The demo's model: unknown noise, five countries, against long NUTS."""

import sys
from pathlib import Path

import pandas as pd
import pymc as pm
import xarray as xr
from _report import Figure, at_least, at_most, report, within

import pymc_amortized as pma
from pymc_amortized.inference_data import Fit

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from gapminder import FIVE, growth, life_expectancy

LONG = {"draws": 10_000, "tune": 2000, "chains": 4, "random_seed": 1, "progressbar": False}


def long_nuts(y: xr.DataArray) -> xr.Dataset:
    with growth(y):
        fit = pm.sample(**LONG)
    return fit.posterior.to_dataset() if isinstance(fit, xr.DataTree) else fit.posterior


def distances(name: str, idata: Fit, reference: xr.Dataset) -> list[Figure]:
    """Differences of means and ratios of sds, for one way of drawing."""
    table = pma.compare({name: idata, "NUTS": reference})
    print(f"{name}:\n{table.round(3).to_string()}\n")
    ratios = table["sd_ratio"]
    return [
        *(
            at_most(f"{name}: difference of means, NUTS sd, {label}", abs(difference), 0.1)
            for label, difference in table["mean_difference"].dropna().items()
        ),
        within(f"{name}: smallest sd ratio", ratios.min(), 0.9, 1.1),
        within(f"{name}: largest sd ratio", ratios.max(), 0.9, 1.1),
    ]


def main() -> None:
    y = life_expectancy().sel(country=FIVE)
    reference = xr.concat([long_nuts(one) for one in y], pd.Index(FIVE, name="country"))
    amortized = pma.fit(growth(y[0]), random_seed=1)
    ways = {"default": {}, "network alone": {"refine": None}}
    fits = {
        name: amortized.sample({"y": y}, draws=10_000, random_seed=2, **options)
        for name, options in ways.items()
    }
    figures = [row for name, fit in fits.items() for row in distances(name, fit, reference)]
    diagnosis = fits["network alone"].amortized
    efficiency = diagnosis["importance_ess"].min().item() / 40_000
    report(
        "five_countries",
        [
            *figures,
            at_least("network alone: least importance efficiency", efficiency, 0.5),
            at_most("default: largest Pareto k", fits["default"].amortized["pareto_k"].max(), 0.7),
            at_most("seconds of training", amortized.history["seconds"].to_numpy()[-1], 150),
        ],
        "seeds 1 and 2",
    )


if __name__ == "__main__":
    main()

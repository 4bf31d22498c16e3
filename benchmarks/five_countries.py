"""The demo's model: unknown noise, five countries, against long NUTS."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from _report import at_least, at_most, report, within

import pymc_amortized as pma

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from gapminder import FIVE, growth, life_expectancy

LONG = {"draws": 10_000, "tune": 2000, "chains": 4, "random_seed": 1, "progressbar": False}


def long_nuts(y: xr.DataArray) -> xr.Dataset:
    with growth(y):
        fit = pm.sample(**LONG)
    return fit.posterior.to_dataset() if isinstance(fit, xr.DataTree) else fit.posterior


def main() -> None:
    y = life_expectancy().sel(country=FIVE)
    reference = xr.concat([long_nuts(one) for one in y], pd.Index(FIVE, name="country"))
    amortized = pma.fit(growth(y[0]), random_seed=1)
    idata = amortized.sample({"y": y}, draws=10_000, random_seed=2)
    table = pma.compare({"amortized": idata, "NUTS": reference})
    print(table.round(3).to_string())
    figures = [
        at_most(f"difference of means, NUTS sd, {label}", abs(difference), 0.1)
        for label, difference in table["mean_difference"].items()
    ]
    ratios = table["sd_ratio"]
    sample = ("chain", "draw")
    log_weight = idata.sample_stats["log_weight"]
    weights = np.exp(log_weight - log_weight.max(sample))
    efficiency = weights.mean(sample) ** 2 / (weights**2).mean(sample)
    report(
        "five_countries",
        [
            *figures,
            within("smallest sd ratio", ratios.min(), 0.9, 1.1),
            within("largest sd ratio", ratios.max(), 0.9, 1.1),
            at_least("least importance efficiency", float(efficiency.min()), 0.5),
            at_most("seconds of training", amortized.history["seconds"].to_numpy()[-1], 150),
        ],
    )


if __name__ == "__main__":
    main()

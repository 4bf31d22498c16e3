"""Life expectancy in 142 countries: one training, 142 posteriors, and NUTS beside five of them.

Run with ``make demo``, or ``python examples/gapminder.py [folder for the results]``.
"""

import logging
import sys
import time
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr

import pymc_amortized as pma

FIVE = ["Bolivia", "Norway", "Pakistan", "Poland", "Rwanda"]
DATA = Path(__file__).parent / "data" / "gapminder.csv"
SEED = 20261123


def life_expectancy() -> xr.DataArray:
    """Years of life expected at birth, of dims (country, year)."""
    table = pd.read_csv(DATA).pivot_table(values="lifeExp", index="country", columns="year")
    return xr.DataArray(table)


def growth(y: xr.DataArray) -> pm.Model:
    """A line through one country's life expectancy, with unknown noise."""
    with pm.Model(coords={"year": y["year"].to_numpy()}) as model:
        decades = pm.Data("decades", (y["year"].to_numpy() - 1979.5) / 10, dims="year")
        b0 = pm.Normal("b0", 60, 15)  # in the middle of the years seen
        b1 = pm.Normal("b1", 0, 5)  # gain in a decade
        sigma = pm.HalfNormal("sigma", 5)
        pm.Normal("y", b0 + b1 * decades, sigma, observed=y.to_numpy(), dims="year")
    return model


def nuts(y: xr.DataArray) -> xr.Dataset:
    """Posterior of one country by MCMC, as most people would do it."""
    with growth(y):
        fit = pm.sample(chains=4, random_seed=SEED, progressbar=False)
    return fit.posterior.to_dataset() if isinstance(fit, xr.DataTree) else fit.posterior


def plot_slopes(slopes: xr.DataArray, path: Path) -> None:
    """Draw the gain in a decade of every country, sorted, with 94 % intervals."""
    import matplotlib.pyplot as plt

    ordered = slopes.sortby(slopes.mean(("chain", "draw")))
    low, middle, high = ordered.quantile([0.03, 0.5, 0.97], dim=("chain", "draw")).to_numpy()
    rows = np.arange(len(middle))
    figure, ax = plt.subplots(figsize=(8, 17), layout="constrained")
    ax.hlines(rows, low, high, color="tab:blue", alpha=0.5)
    ax.plot(middle, rows, ".", color="tab:blue")
    ax.axvline(0, color="0.6", linewidth=1)
    ax.set_yticks(rows, ordered["country"].to_numpy(), fontsize=6)
    ax.set(ylim=(-1, len(rows)), xlabel="years of life expectancy gained in a decade")
    ax.set_title("142 posteriors from one training: median and 94 % interval")
    figure.savefig(path, dpi=120)


def main(folder: Path) -> None:
    matplotlib.use("agg")
    logging.getLogger("pymc").setLevel(logging.ERROR)  # five runs would fill the screen
    folder.mkdir(parents=True, exist_ok=True)
    y = life_expectancy()

    seconds = {}
    start = time.perf_counter()
    with growth(y.sel(country=FIVE[0])):
        amortized = pma.fit(random_seed=SEED)
    seconds["one training"] = time.perf_counter() - start

    start = time.perf_counter()
    every = amortized.sample({"y": y}, random_seed=SEED)
    seconds[f"amortized posteriors of {y.sizes['country']} countries"] = time.perf_counter() - start

    start = time.perf_counter()
    five = xr.concat([nuts(y.sel(country=name)) for name in FIVE], pd.Index(FIVE, name="country"))
    seconds[f"NUTS posteriors of {len(FIVE)} countries"] = time.perf_counter() - start

    fits = {"amortized": every.sel(country=FIVE), "NUTS": five}
    table = pma.compare(fits)
    columns = ["mean", "reference_mean", "sd", "reference_sd", "mean_difference", "sd_ratio"]
    print(f"\nAmortized against NUTS (the reference), 4000 draws each:\n{'-' * 86}")
    print(table[columns].dropna().round(3).to_string())
    jointly = table[["c2st", "c2st_p_value", "mmd", "mmd_p_value"]].dropna()
    print(f"\nAll parameters of a country (a C2ST of 0.5: nothing to tell apart):\n{'-' * 86}")
    print(jointly.round(4).to_string())
    print(f"\nWhat the {y.sizes['country']} posteriors say of themselves:\n{'-' * 86}")
    diagnosis = every["amortized"]
    strangest = diagnosis["surprise"].sortby(diagnosis["surprise"])[:3]
    names = ", ".join(f"{one['country'].item()} ({one.item():.4f})" for one in strangest)
    largest = float(diagnosis["pareto_k"].max())
    print(f"{'largest Pareto k (below 0.7: trust them)':45s} {largest:8.2f}")
    print(f"{'least like the simulations (surprise)':45s} {names}")
    print(f"\nSeconds:\n{'-' * 86}")
    for what, spent in seconds.items():
        print(f"{what:45s} {spent:8.2f}")

    amortized.save(folder / "growth.safetensors")
    every.to_netcdf(folder / "amortized.nc", engine="h5netcdf")
    five.to_netcdf(folder / "nuts.nc", engine="h5netcdf")
    axes = pma.plot_compare(fits)
    axes.ravel()[0].figure.savefig(folder / "forest.png", dpi=120)
    plot_slopes(every.posterior["b1"], folder / "slopes.png")
    files = ", ".join(sorted(path.name for path in folder.iterdir()))
    print(f"\nResults and pictures are in {folder}/: {files}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "gapminder-results"))

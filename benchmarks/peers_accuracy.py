"""C2ST of sbi's, BayesFlow's and our default networks, after the same 10,000 simulations.

``python benchmarks/peers_accuracy.py [--of WHO ...] [--datasets NUMBER] [names ...]``, after
``tasks.py``. Who is not named keeps what the table has for as many datasets.
"""

from argparse import ArgumentParser
from collections.abc import Callable

import numpy as np
from _c2st import mean_c2st
from _peers import DRAWS, EPOCHS, Found, as_groups, as_vectors, drawn, run
from _references import of_datasets
from _tables import add, read
from tasks import DATASETS, TASKS, references

import pymc_amortized as pma

TABLE = "peers_accuracy"
MARGIN = 0.01
"""By how much ours may be worse than the best of sbi's."""


def ours(name: str, arrays: Found) -> np.ndarray:
    y, _ = references(name)
    y = y[: len(arrays["observed"])]
    model, draws = drawn(name)
    given = as_groups(model, draws)
    amortized = pma.fit(model, simulations=given, random_seed=1, progressbar=False)
    options = {"draws": DRAWS, "chains": 1, "random_seed": 2, "progressbar": False}
    idata = amortized.sample({"y": y}, refine=None, **options)
    return of_datasets(idata, model)


def nsf(name: str, arrays: Found) -> np.ndarray:
    return run("sbi", arrays, flow="nsf", train={})["draws"]


def maf(name: str, arrays: Found) -> np.ndarray:
    return run("sbi", arrays, flow="maf", train={})["draws"]


def bayesflow(name: str, arrays: Found) -> np.ndarray:
    return run("bayesflow", arrays, network={}, epochs=EPOCHS, batch=32)["draws"]


WHO: dict[str, Callable[[str, Found], np.ndarray]] = {
    "sbi NSF": nsf,
    "sbi MAF": maf,
    "BayesFlow": bayesflow,
    "ours": ours,
}
"""Who draws given the observed data: (datasets, draws, parameters)."""


def measure(name: str, who: list[str], datasets: int) -> None:
    """Write a task's row, anew after each."""
    row = former_row(name, datasets)
    arrays = as_vectors(name)
    arrays["observed"] = arrays["observed"][:datasets]
    reference = references(name)[1][:datasets]
    for one in who:
        draws = WHO[one](name, arrays)
        row[one] = mean_c2st(reference, draws)
        add(TABLE, row | verdict(row), "seeds 1 and 2", ["task"])


def former_row(name: str, datasets: int) -> dict[str, object]:
    """What is known of these very datasets."""
    blank = {"task": name, "datasets": datasets, **dict.fromkeys(WHO, np.nan)}
    same = (row for row in read(TABLE) if (row["task"], row["datasets"]) == (name, datasets))
    return next(same, blank)


def verdict(row: dict[str, object]) -> dict[str, object]:
    bar = min(row["sbi NSF"], row["sbi MAF"]) + MARGIN
    known = np.isfinite([bar, row["ours"]]).all()
    return {"bar": bar, "reached": ["no", "yes"][row["ours"] <= bar] if known else ""}


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(TASKS))
    parser.add_argument("--of", nargs="*", metavar="WHO", choices=WHO, default=list(WHO))
    parser.add_argument("--datasets", type=int, default=DATASETS, metavar="NUMBER")
    options = parser.parse_args()
    for name in options.names or TASKS:
        measure(name, options.of, options.datasets)


if __name__ == "__main__":
    main()

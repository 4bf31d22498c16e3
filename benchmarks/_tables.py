"""Tables in CSV and Markdown: a row measured anew replaces its former self."""

import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

import pandas as pd

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("pymc", "pytensor", "arviz", "tensorflow", "tensorflow-probability", "numpy")
CPUS, PROCESSOR = Path("/proc/cpuinfo"), "processor"

Row = dict[str, object]


def write(name: str, rows: Sequence[Row], seeds: str, keys: Sequence[str] = ()) -> None:
    """Write rows to ``results/<name>-pymc<major>``, in the places of those with equal keys.

    Without keys, no former row stays. The processor of each is in the CSV.
    """
    rows = [row | {PROCESSOR: processor()} for row in rows]
    found = pd.DataFrame(_merged(read(name), rows, keys) if keys else rows)
    RESULTS.mkdir(exist_ok=True)
    found.to_csv(path_of(name), index=False, lineterminator="\n")
    seen = found.drop(columns=PROCESSOR)
    lines = [line(seen.columns), "|" + "---|" * len(seen.columns)]
    lines += [line(map(shown_as, cells)) for cells in seen.itertuples(index=False)]
    head = f"`python benchmarks/{name}.py`: {setting()}, {seeds}"
    path_of(name).with_suffix(".md").write_text("\n".join([head, "", *lines]) + "\n")


def add(name: str, row: Row, seeds: str, keys: Sequence[str]) -> None:
    """Print a wide row, and write it in the place of the one with equal keys."""
    print(line(f"{key} {shown_as(value)}" for key, value in row.items()), flush=True)
    write(name, [row], seeds, keys)


def read(name: str) -> list[Row]:
    """All rows so far."""
    path = path_of(name)
    return pd.read_csv(path).to_dict("records") if path.exists() else []


def setting() -> str:
    """What figures are measured with."""
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return f"Python {platform.python_version()}, {versions}, {processor()}, {os.cpu_count()} cores"


def processor() -> str:
    """The name that it has."""
    lines = CPUS.read_text().splitlines() if CPUS.exists() else []
    names = [text.split(": ")[1] for text in lines if text.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def path_of(name: str) -> Path:
    return RESULTS / f"{name}-pymc{version('pymc').split('.')[0]}.csv"


def line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def shown_as(value: object) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.4g}"
    return "**no**" if value == "no" else str(value)


def _merged(former: list[Row], rows: Sequence[Row], keys: Sequence[str]) -> list[Row]:
    merged = list(former)
    for row in rows:
        same = [all(old[key] == row[key] for key in keys) for old in merged]
        place = same.index(True) if any(same) else len(merged)
        merged[place : place + 1] = [row]
    return merged

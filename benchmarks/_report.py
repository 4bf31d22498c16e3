"""What all benchmarks share: figures against their bars, printed and written as a table."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

RESULTS = Path(__file__).parent / "results"
REACHED = {True: "yes", False: "**no**", None: ""}


class Figure(NamedTuple):
    """A measured number, and the bar it is held against, if there is one."""

    what: str
    value: float
    bar: str = ""
    reached: bool | None = None


def at_most(what: str, value: float, bar: float) -> Figure:
    return Figure(what, value, f"at most {bar:g}", bool(value <= bar))


def at_least(what: str, value: float, bar: float) -> Figure:
    return Figure(what, value, f"at least {bar:g}", bool(value >= bar))


def within(what: str, value: float, low: float, high: float) -> Figure:
    return Figure(what, value, f"{low:g} to {high:g}", bool(low <= value <= high))


def shown(what: str, value: float) -> Figure:
    return Figure(what, float(value))


def report(name: str, figures: list[Figure], *, part: bool = False) -> None:
    """Print the figures, and write them to ``results/<name>-pymc<major>.md``.

    The figures of a `part` of the benchmark take the places of former ones, whose others stay.
    """
    path = RESULTS / f"{name}-pymc{version('pymc').split('.')[0]}.md"
    rows = {
        f.what: f"| {f.what} | {f.value:.4g} | {f.bar} | {REACHED[f.reached]} |" for f in figures
    }
    print(*rows.values(), sep="\n")
    lines = [
        f"`python benchmarks/{name}.py`: {machine()}",
        "",
        "| figure | measured | bar | reached |",
        "|---|---|---|---|",
        *((former(path) if part else {}) | rows).values(),
    ]
    RESULTS.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def machine() -> str:
    """What it was measured with."""
    packages = ("pymc", "pytensor", "arviz", "tensorflow", "tensorflow-probability", "numpy")
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return f"Python {platform.python_version()}, {versions}, {os.cpu_count()} cores"


def former(path: Path) -> dict[str, str]:
    """Rows of a table that was written before, by figure."""
    rows = path.read_text().splitlines()[4:] if path.exists() else []
    return {row.split(" | ")[0].removeprefix("| "): row for row in rows}

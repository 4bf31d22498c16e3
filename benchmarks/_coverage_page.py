"""Make ``docs/coverage.md`` of what ``language.py`` found on both stacks."""

import csv
from pathlib import Path

from _tables import RESULTS

PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"
HEAD = """# Which models

<!-- made by `make coverage` of benchmarks/results/language_models-pymc*.csv: do not edit -->

If `pm.sample_prior_predictive` and `pm.sample` agree on what a model is, `pma.fit` takes it. Below
is every distribution that PyMC exports and every feature of its models that the tests know, each in
a model of the registry in `tests/models/`, which is held against PyMC itself: the joint
distribution of forward draws, every transform there and back, the log joint, and a short training.

- **batched**: all draws are made at once.
- **looped**: draws are made one by one, in worker processes where there are many; the reason is
  given.
- **refused**: `UnsupportedModelError`, before anything is simulated, with the variable's name.

Draws a second are those of the whole model, once compiled, on two cores.
"""
TITLES = {"5": "PyMC 5", "6": "PyMC 6"}


def tables() -> dict[str, dict[str, dict[str, str]]]:
    """Rows by model, by generation of PyMC."""
    found = {}
    for generation in TITLES:
        path = RESULTS / f"language_models-pymc{generation}.csv"
        if path.exists():
            with path.open(newline="") as file:
                found[generation] = {row["model"]: row for row in csv.DictReader(file)}
    return found


def verdict(row: dict[str, str] | None) -> str:
    if row is None:
        return ""
    speed = row["draws_per_second"]
    return f"{row['how']}, {float(speed):,.0f}/s" if speed else row["how"]


def line(name: str, rows: dict[str, dict[str, str] | None]) -> str:
    some = next(row for row in rows.values() if row)
    reasons = dict.fromkeys(row["reason"] for row in rows.values() if row and row["reason"])
    why = " / ".join(reasons).replace("|", "\\|")
    shows = some["shows"] or name.replace("_", " ")
    return f"| {shows} | `{name}` | " + " | ".join(map(verdict, rows.values())) + f" | {why} |"


def main() -> None:
    found = tables()
    names = dict.fromkeys(name for table in found.values() for name in table)
    titles = [TITLES[generation] for generation in found]
    head = "| distribution or feature | model | " + " | ".join(titles) + " | why |"
    lines = [HEAD, head, "|---" * (3 + len(titles)) + "|"]
    lines += [line(name, {g: table.get(name) for g, table in found.items()}) for name in names]
    PAGE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

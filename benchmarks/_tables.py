"""Wide tables, in CSV and Markdown: a row measured anew replaces its former self."""

from importlib.metadata import version
from pathlib import Path

import pandas as pd
from _report import RESULTS, machine


def add(name: str, row: dict[str, object], keys: list[str]) -> None:
    """Write a row to ``results/<name>-pymc<major>`` in the place of the one with equal keys."""
    path, rows = _path(name), read(name)
    same = [all(old[key] == row[key] for key in keys) for old in rows]
    place = same.index(True) if any(same) else len(rows)
    rows[place : place + 1] = [row]
    table = pd.DataFrame(rows)
    RESULTS.mkdir(exist_ok=True)
    table.to_csv(path, index=False, lineterminator="\n")
    lines = [_line(table.columns), "|" + "---|" * len(table.columns)]
    lines += [_line(_shown(value) for value in cells) for cells in table.itertuples(index=False)]
    head = f"`python benchmarks/{name}.py`: {machine()}"
    path.with_suffix(".md").write_text("\n".join([head, "", *lines]) + "\n")
    print(_line(f"{key} {_shown(value)}" for key, value in row.items()), flush=True)


def read(name: str) -> list[dict[str, object]]:
    """All rows so far."""
    path = _path(name)
    return pd.read_csv(path).to_dict("records") if path.exists() else []


def _path(name: str) -> Path:
    return RESULTS / f"{name}-pymc{version('pymc').split('.')[0]}.csv"


def _line(cells) -> str:
    return f"| {' | '.join(cells)} |"


def _shown(value: object) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.4g}"
    return str(value)

"""Figures against their bars, printed and written as a table."""

from typing import NamedTuple

from _tables import line, shown_as, write

REACHED = {True: "yes", False: "no", None: ""}


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


def report(name: str, figures: list[Figure], seeds: str, *, part: bool = False) -> None:
    """Print the figures, and write them to ``results/<name>-pymc<major>``.

    The figures of a `part` of the benchmark take the places of former ones, whose others stay.
    """
    rows = [
        {"figure": f.what, "measured": float(f.value), "bar": f.bar, "reached": REACHED[f.reached]}
        for f in figures
    ]
    print(*(line(map(shown_as, row.values())) for row in rows), sep="\n")
    write(name, rows, seeds, keys=("figure",) if part else ())

"""Progress bars with the look of PyMC's."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from pymc.progress_bar import CustomProgress, default_progress_theme
from rich.console import Console
from rich.progress import (
    BarColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.style import Style
from rich.table import Column
from rich.text import Text

__all__ = ["Advance", "progress_bar"]

BLUE = Style.parse("rgb(31,119,180)")  # what PyMC paints its bars with


class Advance(Protocol):
    """How a block reports its progress."""

    def __call__(self, units: float = 1, **values: object) -> None:
        """So many units more, and the newest value of any column."""


@contextmanager
def progress_bar(
    description: str,
    total: float | None = None,
    *,
    unit: str = "draws",
    columns: Mapping[str, str] | None = None,
    disable: bool = False,
    console: Console | None = None,
) -> Iterator[Advance]:
    """Show a progress bar while the block runs.

    As PyMC's, it is drawn in terminals and notebooks; where the output is neither, its last
    state alone is written, when the block ends. It goes to standard error, so that standard
    output holds results only. Bars do not nest.

    Parameters
    ----------
    description : str
        What is going on: "Simulating", "Training", "Sampling".
    total : float, optional
        Units of work in all; None if it cannot be known, and the bar pulses.
    unit : str, default "draws"
        What is counted, in the plural.
    columns : mapping of str to str, optional
        Further columns: the name of the value that `advance` receives, to its format
        specification, as in ``{"loss": ".3f"}``. They stay empty until a value comes.
    disable : bool, default False
        Show nothing.
    console : rich.console.Console, optional
        Where to draw.

    Yields
    ------
    Advance
        ``advance(units=1, **values)``. It costs microseconds, and the drawing is a thread of
        its own: call it as often as work gets done.

    Examples
    --------
    >>> columns = {"loss": ".3f"}
    >>> with progress_bar("Training", 500, unit="steps", columns=columns) as advance:
    ...     advance(500, loss=1.5)
    """
    if disable:
        yield lambda units=1, **values: None
        return
    formats = dict(columns or {})
    progress = CustomProgress(
        *_columns(description, unit, formats, timed=total is not None),
        console=console or Console(file=sys.stderr, theme=default_progress_theme),
        include_headers=True,
        expand=True,
    )
    with progress:
        task = progress.add_task(description, total=total, **dict.fromkeys(formats))

        def advance(units: float = 1, **values: object) -> None:
            progress.update(task, advance=units, **values)

        yield advance
        if total is None:
            progress.update(task, total=progress.tasks[0].completed)


def _columns(
    description: str, unit: str, formats: Mapping[str, str], *, timed: bool
) -> list[ProgressColumn]:
    """Bar, count, the caller's values, speed and times, as ``pm.sample`` has them."""
    heading = Column(description, ratio=1, no_wrap=True, min_width=max(8, len(description)))
    columns = [
        BarColumn(None, "bar.back", BLUE, BLUE, pulse_style=BLUE, table_column=heading),
        TextColumn("{task.completed:,.0f}", table_column=_column(unit)),
        *(_ValueColumn(name, spec) for name, spec in formats.items()),
        _SpeedColumn(table_column=_column("speed")),
        TimeElapsedColumn(table_column=_column("elapsed")),
    ]
    return [*columns, TimeRemainingColumn(table_column=_column("remaining"))] if timed else columns


def _column(name: str) -> Column:
    """A column never cut short, with a heading made of `name`."""
    return Column(name.replace("_", " ").capitalize(), no_wrap=True, min_width=6)


class _ValueColumn(ProgressColumn):
    """The newest value of one of the caller's columns."""

    def __init__(self, name: str, spec: str) -> None:
        self.name, self.spec = name, spec
        super().__init__(table_column=_column(name))

    def render(self, task: Task) -> Text:
        value = task.fields[self.name]
        return Text("" if value is None else format(value, self.spec))


class _SpeedColumn(ProgressColumn):
    """Units a second, or seconds a unit if that is the larger number, over the whole run."""

    def render(self, task: Task) -> Text:
        seconds = task.finished_time if task.finished else task.elapsed
        if not seconds or not task.completed:
            return Text("")
        speed = task.completed / seconds
        if speed < 1:
            return Text(f"{1 / speed:,.2f} s each")
        return Text(f"{speed:,.{0 if speed >= 100 else 2}f}/s")

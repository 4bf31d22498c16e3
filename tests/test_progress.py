"""What a progress bar shows, on a recording console."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time

import pytest
from rich.console import Console

from pymc_amortized.progress import progress_bar

BAR = """
from pymc_amortized.progress import progress_bar
with progress_bar("Simulating", 10, disable={disable}) as advance:
    advance(4); advance(6)
print("results")
"""

FULL = re.escape("\x1b[38;2;31;119;180m" + 20 * "━")  # a pulse changes its colour at every step


def console(*, terminal: bool = True, width: int = 80) -> Console:
    return Console(
        file=io.StringIO(),
        force_terminal=terminal,
        force_jupyter=False,
        width=width,
        color_system="truecolor",
        legacy_windows=False,
    )


def last_row(drawn: Console) -> list[str]:
    """Cells of the last line that holds a bar, without colours."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.file.getvalue())
    return re.split(r"\s{2,}", [line for line in text.splitlines() if "━" in line][-1].strip())


def headings(drawn: Console) -> list[str]:
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.file.getvalue())
    return re.split(r"\s{2,}", next(ln for ln in text.splitlines() if "Elapsed" in ln).strip())


def test_columns_and_last_values() -> None:
    drawn, formats = console(), {"loss": ".3f", "held_out_loss": ".2f"}
    with progress_bar("Training", 3000, unit="steps", columns=formats, console=drawn) as advance:
        advance(1000, loss=4.0)
        time.sleep(0.02)
        advance(500, loss=2.34567, held_out_loss=-1.5)
    assert headings(drawn) == [
        "Training", "Steps", "Loss", "Held out loss", "Speed", "Elapsed", "Remaining"
    ]  # fmt: skip
    _, count, loss, held_out, speed, elapsed, _ = last_row(drawn)
    assert (count, loss, held_out, elapsed) == ("1,500", "2.346", "-1.50", "0:00:00")
    assert re.fullmatch(r"[\d,]+/s", speed)
    assert 1500 < int(speed.removesuffix("/s").replace(",", "")) < 1500 / 0.02


def test_values_before_the_first_report_are_blank() -> None:
    drawn = console()
    with progress_bar("Training", 5, columns={"loss": ".3f"}, console=drawn):
        pass
    assert last_row(drawn)[1:] == ["0", "0:00:00", "-:--:--"]


def test_unknown_length_ends_full_and_has_no_time_remaining() -> None:
    drawn = console()
    with progress_bar("Training", columns={"loss": ".1f"}, console=drawn) as advance:
        for _ in range(7):
            advance(loss=1)
    assert "Remaining" not in headings(drawn)
    assert last_row(drawn)[1:3] == ["7", "1.0"]
    before, _, last = drawn.file.getvalue().rpartition("\r")
    assert re.search(FULL, last)
    assert not re.search(FULL, before)


def test_slow_work_is_told_in_seconds_a_unit() -> None:
    drawn = console()
    with progress_bar("Sampling", 2, unit="datasets", console=drawn) as advance:
        time.sleep(0.11)
        advance(0.1)
    assert re.fullmatch(r"1\.\d\d s each", last_row(drawn)[2])


def test_narrow_terminals_cut_nothing_short() -> None:
    drawn, formats = console(width=80), {"loss": ".2f", "held_out_loss": ".2f"}
    with progress_bar("Training", 10_000, unit="steps", columns=formats, console=drawn) as advance:
        advance(9_876, loss=-12.345, held_out_loss=-12.345)
        time.sleep(0.1)
    assert "…" not in drawn.file.getvalue()


def test_without_a_terminal_only_the_last_state_is_written() -> None:
    drawn = console(terminal=False)
    with progress_bar("Simulating", 100, console=drawn) as advance:
        for _ in range(4):
            advance(25)
            time.sleep(0.15)
        assert "100" not in drawn.file.getvalue()
    assert drawn.file.getvalue().count("━\n") + drawn.file.getvalue().count("Simulating") == 1
    assert last_row(drawn)[1] == "100"


@pytest.mark.parametrize("disable", [True, False])
def test_standard_output_is_left_to_results(disable: bool) -> None:
    run = subprocess.run(
        [sys.executable, "-c", BAR.format(disable=disable)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "results\n"
    assert ("Simulating" in run.stderr) is not disable


def test_disabled_bar_takes_any_report() -> None:
    with progress_bar("Training", disable=True) as advance:
        assert advance(3, loss=1.0) is None


def test_errors_pass_and_end_the_bar() -> None:
    def interrupted(drawn: Console) -> None:
        with progress_bar("Training", console=drawn) as advance:
            advance(3)
            raise KeyboardInterrupt

    drawn = console()
    with pytest.raises(KeyboardInterrupt):
        interrupted(drawn)
    assert last_row(drawn)[1] == "3"
    with progress_bar("Training", 1, console=drawn) as advance:
        advance()
    assert last_row(drawn)[1] == "1"

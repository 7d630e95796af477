"""The one table: what was to be reached, what was measured, and the ratio of the two."""

from typing import NamedTuple

from rich.console import Console
from rich.table import Table


class Row(NamedTuple):
    """One line. `good`: whether the goal is reached; None where it stands beside another for comparison."""

    what: str
    goal: str
    measured: str
    ratio: str = ""
    good: bool | None = None


def at_least(what: str, goal: float, measured: float, unit: str = "") -> Row:
    """Judge a number that should be large."""
    return Row(what, f"≥ {goal:,.6g}{unit}", f"{measured:,.6g}{unit}", f"{measured / goal:.2f}", measured >= goal)


def at_most(what: str, goal: float, measured: float, unit: str = "") -> Row:
    """Judge a number that should be small; the ratio is 1 or less where the goal is reached."""
    return Row(what, f"≤ {goal:,.6g}{unit}", f"{measured:,.4g}{unit}", f"{measured / goal:.2f}", measured <= goal)


def show(rows: list[Row], *, load_note: str) -> None:
    """Print all rows; colours and lines where somebody looks at a terminal."""
    console = Console(highlight=False)
    if console.is_terminal:
        table = Table("", "what", "goal", "measured", "ratio", caption=load_note)
        for row in rows:
            table.add_row(_mark(row), row.what, row.goal, row.measured, row.ratio)
        console.print(table)
        return
    for row in [Row("what", "goal", "measured", "ratio"), *rows]:
        print(f"{_mark(row):3} {row.what:66} {row.goal:>14} {row.measured:>24} {row.ratio:>7}")  # noqa: T201 - its output
    print(load_note)  # noqa: T201 - its output


def _mark(row: Row) -> str:
    return {True: "ok", False: "--", None: ""}[row.good]

"""Result table of the demo: what came of each job."""

from typing import NamedTuple

from rich.console import Console
from rich.table import Table

#: a summary fits a terminal of the usual width
PLAIN_WIDTH = 80
ID_WIDTH = 40


class Row(NamedTuple):
    """One job in the table; `faults` are what is wrong with it, in words. `before_s` is 0 where only stills were given."""

    skill: str
    job_id: str
    took_s: float
    before_s: float
    duration_s: float
    resolution: str
    changes: tuple[str, ...]
    callback: str
    faults: tuple[str, ...] = ()


def table_of(rows: list[Row]) -> Table:
    """Lay out what a terminal of 80 columns holds: a job's facts on the left, what changed on the right."""
    table = Table(show_lines=True)
    table.add_column("film", width=ID_WIDTH, overflow="fold")
    table.add_column("what changed", overflow="fold")
    for row in rows:
        table.add_row(_facts(row), "\n".join(row.changes))
    return table


def _facts(row: Row) -> str:
    length = f"{row.before_s:.1f} s -> {row.duration_s:.1f} s" if row.before_s else f"{row.duration_s:.1f} s"
    lines = (row.skill, row.job_id, f"{length}, {row.resolution}", f"made in {row.took_s:.1f} s, {row.callback}")
    return "\n".join(lines)


def console() -> Console:
    """Make the console: as wide as the terminal, or of the usual width where there is none."""
    on_screen = Console()
    return on_screen if on_screen.is_terminal else Console(width=PLAIN_WIDTH)

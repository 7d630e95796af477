"""Result table of the demo: what came of each job."""

from typing import NamedTuple

from rich.console import Console
from rich.table import Table

PLAIN_WIDTH = 200
ID_WIDTH = 40


class Row(NamedTuple):
    """One job in the table; `faults` are what is wrong with it, in words."""

    skill: str
    job_id: str
    took_s: float
    duration_s: float
    resolution: str
    changed: str
    callback: str
    faults: tuple[str, ...] = ()


def table_of(rows: list[Row]) -> Table:
    table = Table()
    table.add_column("skill", overflow="fold")
    table.add_column("job", overflow="fold", min_width=ID_WIDTH)
    for heading in ("time", "duration", "resolution"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("what changed", "callback"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(
            row.skill,
            row.job_id,
            f"{row.took_s:.1f} s",
            f"{row.duration_s:.1f} s",
            row.resolution,
            row.changed,
            row.callback,
        )
    return table


def console() -> Console:
    """Make the console: as wide as the terminal, or wide enough for the table where there is none."""
    on_screen = Console()
    return on_screen if on_screen.is_terminal else Console(width=PLAIN_WIDTH)

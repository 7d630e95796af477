"""What commands print on: a table that fits the terminal, and JSON."""

import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.cells import cell_len, set_cell_size

from service.cli.printing import echo, printable, printable_json

_GAP = 2
#: a column that is cut shows so much, or is left out
_NARROWEST = 8


def print_json(value: Any) -> None:
    echo(printable_json(msgspec.json.format(json_of(value), indent=2).decode()))


def json_of(value: Any) -> bytes:
    """Write what the client has read as the API says it: its times have milliseconds."""
    return msgspec.json.encode(_times_as_told(msgspec.to_builtins(value, builtin_types=(datetime,))))


def _times_as_told(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, dict):
        return {name: _times_as_told(inner) for name, inner in value.items()}
    return [_times_as_told(inner) for inner in value] if isinstance(value, list) else value


def print_table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under their titles, no wider than the terminal; into a pipe, whole."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in table_lines(titles, rows, width=width):
        echo(line)


def table_lines(titles: Sequence[str], rows: Sequence[Sequence[object]], *, width: int | None) -> list[str]:
    """Lay a table out. Where it is wider than `width`, columns are cut or left out from the right; the first one stays."""
    cells = [list(titles), *([printable("-" if cell in (None, "") else str(cell)) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    shown = fitting(widths, width)
    return [
        (" " * _GAP).join(set_cell_size(cell, size) for cell, size in zip(row, shown, strict=False)).rstrip()
        for row in cells
    ]


def fitting(widths: Sequence[int], width: int | None) -> list[int]:
    """Give the widths of the columns that are shown."""
    shown = list(widths)
    while width is not None and len(shown) > 1 and (over := sum(shown) + _GAP * (len(shown) - 1) - width) > 0:
        if shown[-1] - over >= _NARROWEST:
            shown[-1] -= over
        else:
            shown.pop()
    return shown


def local(at: datetime | None, *, short: bool = False) -> str:
    """Write a time as this machine's."""
    return at.astimezone().strftime("%m-%d %H:%M" if short else "%Y-%m-%d %H:%M:%S") if at else ""

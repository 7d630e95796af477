"""How operators' commands print what they have found: one JSON document, or words and tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from service.cli.printing import printable
from service.cli.terminal import print_json, print_table


def show_page(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, next_after: str | None, as_json: bool
) -> None:
    """Print a page: in a table the columns, by title and name of the fact, and how to go on."""
    if as_json:
        print_json({"data": rows, "next_after": next_after})
        return
    print_table(tuple(columns), [[row[name] for name in columns.values()] for row in rows])
    if next_after:
        click.echo(f"to go on: --after {next_after}", err=True)


def show_facts(facts: Mapping[str, Any], *, as_json: bool) -> None:
    """Print facts, one a line; what there is nothing to say of is left out."""
    if as_json:
        print_json(facts)
        return
    for name, value in _flat(facts):
        click.echo(f"{name:20} {printable(str(value))}")


def _flat(facts: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in facts.items():
        match value:
            case None | "" | [] | () | {}:
                continue
            case dict():
                found += _flat(value, f"{before}{name} ")
            case list() | tuple():
                found += [line for place, each in enumerate(value) for line in _item(f"{before}{name}", place, each)]
            case _:
                found.append((printable(before + name), value))
    return found


def _item(name: str, place: int, value: Any) -> list[tuple[str, Any]]:
    return _flat(value, f"{name} {place + 1} ") if isinstance(value, dict) else [(name, value)]

"""`./run bench`: runs the measurements one after the other and prints what came of them."""

from collections.abc import Awaitable, Callable

import click
import uvloop

from tests.bench import flight, growth, jobs, roundtrips, submits, takeover
from tests.bench.machine import steal
from tests.bench.table import Row, show

MEASURES: dict[str, Callable[[], Awaitable[list[Row]]]] = {
    "submit": submits.measure,
    "jobs": jobs.measure,
    "roundtrips": roundtrips.measure,
    "takeover": takeover.measure,
    "growth": growth.measure,
    "flight": flight.measure,
}


async def _all(names: tuple[str, ...]) -> list[Row]:
    rows: list[Row] = []
    for name in names:
        click.echo(f"measuring {name} ...", err=True)
        rows += await MEASURES[name]()
    return rows


@click.command()
@click.option("--only", "names", multiple=True, type=click.Choice(list(MEASURES)), help="May be repeated.")
def main(names: tuple[str, ...]) -> None:
    """Measure the gateway and print one table."""
    busy_s, idle_s = steal()
    rows = uvloop.run(_all(names or tuple(MEASURES)))
    busy_s, idle_s = steal()[0] - busy_s, steal()[1] - idle_s
    show(
        rows,
        load_note=f"The machine was {busy_s / (busy_s + idle_s):.0%} busy meanwhile, with this and with others' work.",
    )


if __name__ == "__main__":
    main(prog_name="./run bench")

"""`./run bench`: runs the measurements one after the other and prints what came of them."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter

import click
import uvloop

from sandbox.world.child_process import ChildFailed
from tests.bench import concurrency, growth, latency, roundtrips, submits, takeover
from tests.bench.machine import steal
from tests.bench.plot_dashboard import run_and_plot
from tests.bench.table import Row, show

MEASURES: dict[str, Callable[[], Awaitable[list[Row]]]] = {
    "submit": submits.measure,
    "latency": latency.measure,
    "roundtrips": roundtrips.measure,
    "takeover": takeover.measure,
    "concurrency": concurrency.measure,
    "growth": growth.measure,
}
#: the whole takes no longer than this, however slow the machine
LIMIT_S = 480.0


async def _all(names: tuple[str, ...]) -> list[Row]:
    rows: list[Row] = []
    until_s = perf_counter() + LIMIT_S
    for name in names:
        click.echo(f"measuring {name} ...", err=True)
        rows += await _measured(name, until_s - perf_counter())
    return rows


async def _measured(name: str, within_s: float) -> list[Row]:
    """Measure one thing; what takes too long here, or breaks, leaves a line and does not take the others with it."""
    try:
        async with asyncio.timeout(max(within_s, 1.0)):
            return await MEASURES[name]()
    except TimeoutError as late:
        return [Row(name, "", f"not measured: {str(late) or 'no time left'}", good=False)]
    except (ChildFailed, RuntimeError, OSError) as broken:
        return [Row(name, "", f"not measured: {broken}", good=False)]


@click.command()
@click.option("--only", "names", multiple=True, type=click.Choice(list(MEASURES)), help="May be repeated.")
@click.option(
    "--picture", type=click.Path(path_type=Path), help="Plot the dashboard of a run there, and measure nothing."
)
def main(names: tuple[str, ...], picture: Path | None) -> None:
    """Measure the gateway and print one table."""
    if picture:
        uvloop.run(run_and_plot(picture))
        return
    busy_s, idle_s = steal()
    rows = uvloop.run(_all(names or tuple(MEASURES)))
    busy_s, idle_s = steal()[0] - busy_s, steal()[1] - idle_s
    show(
        rows,
        load_note=f"The machine was {busy_s / (busy_s + idle_s):.0%} busy meanwhile, with this and with others' work.",
    )


if __name__ == "__main__":
    main(prog_name="./run bench")

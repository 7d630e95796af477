"""`./run bench`: runs the measurements one after the other, and prints, writes and plots what came of them."""

import sys
from pathlib import Path

import click
import uvloop

from tests.bench import concurrency, growth, idle, latency, overload, roundtrips, submits, takeover, throughput, work
from tests.bench.goals import Results
from tests.bench.machine import Reference, busy_and_idle_s, describe_machine, in_words, measure_reference, median_of
from tests.bench.plot import plot
from tests.bench.plot_dashboard import run_and_plot
from tests.bench.report import write_json
from tests.bench.run import measure_all, verdict
from tests.bench.table import show

PARTS = {
    part.name: part
    for part in (
        submits.PART,
        work.PART,
        latency.PART,
        idle.PART,
        roundtrips.PART,
        throughput.PART,
        takeover.PART,
        concurrency.PART,
        overload.PART,
        growth.PART,
    )
}
#: the whole takes no longer than this, however slow the machine
LIMIT_S = 600.0
OUTPUT = Path("bench-output")


@click.command()
@click.option("--only", "names", multiple=True, type=click.Choice(list(PARTS)), help="May be repeated.")
@click.option("--check", is_flag=True, help="Exit 1 where a goal of what was run is missed, and name each.")
@click.option(
    "--picture", type=click.Path(path_type=Path), help="Plot the dashboard of a run there, and measure nothing."
)
def main(names: tuple[str, ...], *, check: bool, picture: Path | None) -> None:
    """Measure the gateway: one table, bench-output/bench.json, and pictures beside it."""
    if picture:
        uvloop.run(run_and_plot(picture))
        return
    references: list[Reference] = []
    busy_s, idle_s = busy_and_idle_s()
    measuring = measure_all(
        [PARTS[name] for name in names or PARTS],
        within_s=LIMIT_S,
        before_each=lambda: references.append(measure_reference()),
    )
    results = uvloop.run(measuring)
    now_busy_s, now_idle_s = busy_and_idle_s()
    busy = (now_busy_s - busy_s) / (now_busy_s - busy_s + now_idle_s - idle_s)
    _tell(results, busy=busy, reference=median_of([*references, measure_reference()]))
    sys.exit(verdict(results, check=check))


def _tell(results: Results, *, busy: float, reference: Reference) -> None:
    machine = describe_machine() | {
        "busy": round(busy, 2),
        "reference_ms": round(reference.loop_ms, 1),
        "reference_work_ms": round(reference.work_ms, 1),
    }
    OUTPUT.mkdir(exist_ok=True)
    write_json(OUTPUT / "bench.json", results, machine=machine)
    plot(OUTPUT, results)
    busy_note = f"The machine was {busy:.0%} busy meanwhile, with this and with others' work; pictures: {OUTPUT}/."
    show(results, load_note=f"{busy_note}\n{in_words(reference)}")


if __name__ == "__main__":
    main(prog_name="./run bench")

"""Plots the dashboard of `deploy/` from a run: a real Prometheus scrapes the gateway while jobs come and a worker is killed.

`./run bench --picture FILE` calls it.
"""

import asyncio
import itertools
import shutil
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.bench.harness import Harness, running_harness
from tests.bench.load import send_all
from tests.bench.stub import HOLD_RENDER, HOLD_STREAM, PLAIN, new_trace
from tests.monitoring.dashboard import Panel, legend_of, panels
from tests.monitoring.prometheus import Prometheus, scraping

#: the whole run, and its phases: jobs a second, and for how long
RATES = ((2, 15.0), (12, 20.0), (4, 20.0), (0, 10.0))
#: lines that are drawn of one panel at most
_LINES = 8
_COLUMNS = 4
_SCALE = {"s": 1.0, "bytes": 1 / 2**20, "percentunit": 100.0}
_NAME = {"s": "s", "bytes": "MiB", "percentunit": "%", "ops": "1/s", "reqps": "1/s", "short": ""}


async def run_and_plot(path: Path) -> None:
    """Take a minute and a half, and write a PNG."""
    program = shutil.which("prometheus")
    if program is None:
        raise RuntimeError("there is no prometheus on this machine's PATH")
    settings = {
        "REELGATE_SWEEP_S": "0.5",
        "REELGATE_WORKER_JOBS": "40",
        "REELGATE_LEASE_S": "3",
        "REELGATE_RENDER_POLL_S": "2",
        "REELGATE_TENANT_RUNNING_JOBS": "50",
    }
    async with running_harness("dashboard", workers=2, **settings) as harness:
        folder = Path(tempfile.mkdtemp(dir=harness.world.folders.world))
        targets: dict[str, Sequence[str]] = {
            "api": [f"{api.address}/metrics" for api in harness.world.apis],
            "worker": [f"{worker.address.removesuffix('/metrics')}/metrics" for worker in harness.world.workers],
        }
        began_s = time.time()
        with scraping(program, targets, folder) as prometheus:
            await _run(harness)
            await asyncio.sleep(2)
            await asyncio.to_thread(_plot, prometheus, path, began_s, time.time())


async def _run(harness: Harness) -> None:
    """Bring the jobs: some whose streams stay open, some that render for ever, and the others. In the busiest phase one
    worker is killed, and comes back; then the tenant is at its cap, too.
    """
    held = [new_trace(kind) for kind, number in ((HOLD_STREAM, 5), (HOLD_RENDER, 25)) for _ in range(number)]
    await send_all(harness.jobs_url, harness.requests(held), connections=2)
    for number, (rate, for_s) in enumerate(RATES):
        if number == 1:
            harness.world.workers[1].signal(signal.SIGKILL)
        await _bring(harness, rate, for_s)
        if number == 1:
            await harness.world.workers[1].end()
            await harness.world.workers[1].start()


async def _bring(harness: Harness, rate: int, for_s: float) -> None:
    until_s = time.monotonic() + for_s
    for second in itertools.count(1):
        if rate:
            await send_all(harness.jobs_url, harness.requests(new_trace(PLAIN) for _ in range(rate)), connections=2)
        left_s = until_s - time.monotonic()
        if left_s <= 0 or second > for_s:
            return
        await asyncio.sleep(min(1.0, left_s))


def _plot(prometheus: Prometheus, path: Path, start_s: float, end_s: float) -> None:
    mpl.rcParams.update({"font.size": 6, "axes.titlesize": 7, "lines.linewidth": 0.9, "legend.fontsize": 5})
    shown = panels(rate_interval="10s")
    rows = -(-len(shown) // _COLUMNS)
    figure = Figure(figsize=(3.1 * _COLUMNS, 1.7 * rows), layout="constrained")
    for place, (axes, panel) in enumerate(itertools.zip_longest(figure.subplots(rows, _COLUMNS).flat, shown)):
        if panel is None:
            axes.set_axis_off()
        else:
            _plot_panel(prometheus, axes, panel, start_s, end_s, labels_time=place >= len(shown) - _COLUMNS)
    figure.suptitle("The dashboard of deploy/chart, from a run of the bench; x: seconds", fontsize=8)
    figure.savefig(path, dpi=80, pil_kwargs={"optimize": True})


def _plot_panel(
    prometheus: Prometheus, axes: Axes, panel: Panel, start_s: float, end_s: float, *, labels_time: bool
) -> None:
    scale, lines = _SCALE.get(panel.unit, 1.0), _lines(prometheus, panel, start_s, end_s)
    seen = [line for line in sorted(lines, key=_highest, reverse=True) if _highest(line)]
    for legend, points in (seen or lines)[:_LINES]:
        axes.plot([at_s - start_s for at_s, _ in points], [value * scale for _, value in points], label=legend)
    axes.set_title(f"{panel.title} [{_NAME[panel.unit]}]" if _NAME[panel.unit] else panel.title)
    axes.set_xlim(0, end_s - start_s)
    axes.set_ylim(bottom=0)
    axes.tick_params(labelbottom=labels_time, length=2)
    axes.grid(visible=True, linewidth=0.3)
    if axes.lines:
        axes.legend(loc="upper left", frameon=False, ncols=2)


Line = tuple[str, list[tuple[float, float]]]


def _lines(prometheus: Prometheus, panel: Panel, start_s: float, end_s: float) -> list[Line]:
    found: list[Line] = []
    for target in panel.targets:
        rows: list[dict[str, Any]] = prometheus.query_range(target.query, start_s=start_s, end_s=end_s, step_s=1)
        for row in rows:
            points = [(float(at_s), float(value)) for at_s, value in row["values"] if value != "NaN"]
            found.append((legend_of(target, row["metric"]), points))
    return found


def _highest(line: Line) -> float:
    return max((value for _, value in line[1]), default=0.0)

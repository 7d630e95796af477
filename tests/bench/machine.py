"""What the kernel knows of a process: the processor time it has used, how long it waited for a processor, its memory."""

import json
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any, NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
#: pieces of Python of always the same length: one that stays in the processor, one that goes through memory and the kernel
_LOOP_STEPS = 2_000_000
_ROWS = [{"id": f"job_{number}", "seconds": number * 1.5, "tags": [str(number), None]} for number in range(3000)]
_PIPE_CALLS = 3000


def cpu_s(pid: int) -> float:
    """Read the processor time of a process, its own and the kernel's for it, in seconds."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICKS


def waited_s(pid: int) -> float:
    """Read how long a process's main thread was ready to run and had no processor, in seconds."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def rss_mib(pid: int) -> float:
    """Read the memory that a process holds."""
    line = next(r for r in Path(f"/proc/{pid}/status").read_text().splitlines() if r.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def busy_and_idle_s() -> tuple[float, float]:
    """Read how long all processors together were busy and idle, in seconds."""
    words = [int(w) / _TICKS for w in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = words[3] + words[4]
    return sum(words) - idle, idle


class Reference(NamedTuple):
    """Processor time of fixed pieces of work, in milliseconds: by it runs of different machines, or hours, can be told apart.

    `loop_ms` tells how fast the processor is; `work_ms` also how much others are in its way: JSON of some 200 kB, made and read
    twice, and calls of the system.
    """

    loop_ms: float
    work_ms: float


#: of this bench's own machine, in its best hours: `tests/bench/README.md` was measured in such
QUIET = Reference(loop_ms=20.7, work_ms=9.5)


def measure_reference() -> Reference:
    """Do the fixed pieces of work once."""
    return Reference(_taken_ms(_loop), _taken_ms(_work))


def _taken_ms(work: Callable[[], None]) -> float:
    began_s = process_time()
    work()
    return (process_time() - began_s) * 1000


def _loop() -> None:
    for _ in range(_LOOP_STEPS):
        pass


def _work() -> None:
    for _ in range(2):
        json.loads(json.dumps(_ROWS))
    reading, writing = os.pipe()
    for _ in range(_PIPE_CALLS):
        os.write(writing, bytes(200))
        os.read(reading, 200)
    os.close(reading)
    os.close(writing)


def median_of(references: Sequence[Reference]) -> Reference:
    """Take the middle of what was measured over a run."""
    return Reference(*(median(values) for values in zip(*references, strict=True)))


def in_words(now: Reference) -> str:
    """Say how many times slower than in its best hours the machine was, for who reads milliseconds of processor time."""
    return (
        f"Fixed work took {now.work_ms / QUIET.work_ms:.2f} times as long as in this machine's best hours (a bare loop "
        f"{now.loop_ms / QUIET.loop_ms:.2f} times), and what is in milliseconds here about as much longer; ratios and counts hold."
    )


def describe_machine() -> dict[str, Any]:
    """Say what a reader of numbers wants to know of where they came from."""
    return {"python": platform.python_version(), "system": platform.platform(terse=True), "cores": os.cpu_count()}

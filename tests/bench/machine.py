"""What the kernel knows of a process: the processor time it has used, how long it waited for a processor, its memory."""

import os
import platform
from pathlib import Path
from time import process_time
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")
#: a piece of Python of always the same length
_REFERENCE_STEPS = 2_000_000


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


def reference_ms() -> float:
    """Measure the processor time of a fixed loop: by it runs of different machines, or hours, can be told apart."""
    began_s = process_time()
    for _ in range(_REFERENCE_STEPS):
        pass
    return (process_time() - began_s) * 1000


def describe_machine() -> dict[str, Any]:
    """Say what a reader of numbers wants to know of where they came from."""
    return {"python": platform.python_version(), "system": platform.platform(terse=True), "cores": os.cpu_count()}

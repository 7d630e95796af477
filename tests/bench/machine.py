"""What the kernel knows of a process: the processor time it has used, and the memory it holds."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Read the processor time of a process, its own and the kernel's for it, in seconds."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICKS


def rss_mib(pid: int) -> float:
    """Read the memory that a process holds."""
    line = next(r for r in Path(f"/proc/{pid}/status").read_text().splitlines() if r.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def steal() -> tuple[float, float]:
    """Read how long all processors together were busy and idle, in seconds."""
    words = [int(w) / _TICKS for w in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    idle = words[3] + words[4]
    return sum(words) - idle, idle

"""The clock: the one module that reads the time. Everybody else is handed a `Clock`, so a test can turn it."""

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache


class Clock:
    """Wall-clock time in milliseconds since the epoch."""

    def now_ms(self) -> int:
        """Read now, e.g. ``1795213575346``."""
        return time.time_ns() // 1_000_000

    def steady_ms(self) -> int:
        """Read a counter that goes on by 1,000 a second, also where somebody sets the time: only differences mean anything."""
        return int(stopwatch_s() * 1000)

    def for_operations(self) -> dict[str, int]:
        """Tell an operation in Redis the time: nothing, since it reads Redis's own, by which all hosts' leases agree."""
        return {}


class HandClock(Clock):
    """A clock that stands still until a test turns it."""

    def __init__(self, now_ms: int = 1_795_000_000_000) -> None:
        self._now_ms = now_ms
        self._set_ms = 0

    def now_ms(self) -> int:
        return self._now_ms

    def steady_ms(self) -> int:
        return self._now_ms - self._set_ms

    def for_operations(self) -> dict[str, int]:
        return {"now_ms": self._now_ms}

    def turn(self, *, by_s: float) -> None:
        """Move the hands forward by `by_s` seconds."""
        self._now_ms += int(by_s * 1000)

    def set(self, *, by_s: float) -> None:
        """Set the time forward or back, as somebody does who finds it wrong."""
        self._now_ms += int(by_s * 1000)
        self._set_ms += int(by_s * 1000)


def stopwatch_s() -> float:
    """Read a monotonic counter in seconds; only differences mean anything."""
    return time.perf_counter()


def rfc3339(at_ms: int) -> str:
    """Write a time as callers read it: ``2026-11-20T22:59:44.120Z``."""
    at_s, ms = divmod(at_ms, 1000)
    return f"{_whole_seconds(at_s)}.{ms:03d}Z"


@lru_cache(maxsize=1024)  # what happens in one second is many times told: in answers, events and callbacks
def _whole_seconds(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat().removesuffix("+00:00")


def parse_rfc3339_ms(text: str) -> int:
    """Read an RFC 3339 time with an offset into milliseconds. Raises ValueError for anything else."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("the time has no offset; write it like 2026-11-20T22:59:44Z")
    return int(moment.timestamp() * 1000)


def month_of(at_ms: int) -> str:
    """Name the UTC month of a time: ``2026-11``. Budgets and usage count by it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m")


def month_before(at_ms: int) -> str:
    """Name the UTC month before that of a time."""
    first = datetime.fromtimestamp(at_ms / 1000, UTC).replace(day=1)
    return (first - timedelta(days=1)).strftime("%Y-%m")

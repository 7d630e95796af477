"""The sandbox's one module that reads the time and waits. Nominal seconds are the real backend's, unscaled."""

import asyncio
import time
from datetime import UTC, datetime


class Clock:
    """Real time, in which the backend's own spans pass `scale` times faster."""

    def __init__(self, scale: float = 1.0) -> None:
        self._scale = scale

    def now_s(self) -> float:
        """Seconds since the epoch, not scaled, so that callers can compare them with theirs."""
        return time.time()

    def real_s(self, nominal_s: float) -> float:
        """How long a span of the real backend takes here."""
        return nominal_s / self._scale

    async def pass_time(self, nominal_s: float) -> None:
        await asyncio.sleep(self.real_s(nominal_s))


def rfc3339(at_s: float) -> str:
    """Write a time: ``2026-11-20T22:59:44.120Z``."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

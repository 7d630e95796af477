"""Counts of how long jobs took and what they cost, group by group, that `commit_job` keeps; read for estimates."""

import msgspec

from core.clock import Clock
from core.model.estimate import NOTHING_MEASURED, Counts, Measurements, measurements_of
from core.store.redis.client import Store
from core.store.redis.keys import key
from core.store.redis.remembered import Remembered

#: read anew after so long: some hundred groups at most, and an estimate moves slowly
_FRESH_MS = 10_000
_decoder = msgspec.msgpack.Decoder(dict[str, int])


class JobOutcomes(Remembered[Measurements]):
    """What was measured of all jobs of this installation."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(self._measure, NOTHING_MEASURED, clock, fresh_ms=_FRESH_MS)
        self._store = store

    async def _measure(self) -> Measurements:
        found: list[bytes] = await self._store.ask("HGETALL", key("job_outcomes"))
        groups = zip(found[::2], found[1::2], strict=True)
        return measurements_of({group.decode(): counts for group, raw in groups if (counts := _counts(raw))})


def _counts(raw: bytes) -> Counts | None:
    """Read a group's counts. None for what this release cannot read: it costs itself alone."""
    try:
        return _decoder.decode(raw)
    except msgspec.DecodeError:
        return None

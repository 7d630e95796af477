"""Counts of how long jobs took and what they cost, group by group, that `commit_job` keeps; read for estimates."""

from collections.abc import Sequence
from typing import Any

from core.clock import Clock
from core.model.estimate import NOTHING_MEASURED, Counts, Measurements, measurements_of
from core.store.redis.client import Store
from core.store.redis.keys import key
from core.store.redis.refusals import is_of_another_type
from core.store.redis.remembered import Remembered

#: read anew after so long: some hundred groups at most, and an estimate moves slowly
_FRESH_MS = 10_000
_LONGEST_COUNT = 15


class JobOutcomes(Remembered[Measurements]):
    """What was measured of all jobs of this installation."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(self._measure, NOTHING_MEASURED, clock, fresh_ms=_FRESH_MS)
        self._store = store

    async def _measure(self) -> Measurements:
        """Read what can be read: what somebody has written over is left out, and hides no other group."""
        [groups] = await self._read_some([("SMEMBERS", key("job_groups"))])
        names = sorted(group for group in groups or () if group.isascii())
        rows = await self._read_some([("HGETALL", key("job_outcomes", name.decode())) for name in names])
        counted = zip(names, rows, strict=True)
        return measurements_of({name.decode(): _counts(row) for name, row in counted if row})

    async def _read_some(self, commands: Sequence[tuple[str, str]]) -> list[Any]:
        """Ask for several keys in one round trip. None: one is of another type."""
        pipe = self._store.redis.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        answers = await pipe.execute(raise_on_error=False)
        return [None if is_of_another_type(answer) else answer for answer in answers]


def _counts(row: dict[bytes, bytes]) -> Counts:
    """Read the counts that are some: an installation does not count to more than fifteen digits."""
    return {
        outcome_class.decode(): int(count)
        for outcome_class, count in row.items()
        if outcome_class.isascii() and count.isdigit() and len(count) <= _LONGEST_COUNT
    }

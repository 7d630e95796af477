"""Counts of how long jobs took and what they cost, group by group, that `commit_job` keeps; read for estimates."""

from core.clock import Clock
from core.model.estimate import NOTHING_MEASURED, Counts, Measurements, measurements_of
from core.store.redis.client import Store
from core.store.redis.keys import key
from core.store.redis.remembered import Remembered

#: read anew after so long: some hundred groups at most, and an estimate moves slowly
_FRESH_MS = 10_000


class JobOutcomes(Remembered[Measurements]):
    """What was measured of all jobs of this installation."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(self._measure, NOTHING_MEASURED, clock, fresh_ms=_FRESH_MS)
        self._store = store

    async def _measure(self) -> Measurements:
        groups = sorted(group.decode() for group in await self._store.ask("SMEMBERS", key("job_groups")))
        pipe = self._store.redis.pipeline(transaction=False)
        for group in groups:
            pipe.hgetall(key("job_outcomes", group))
        rows = zip(groups, await pipe.execute(), strict=True)
        return measurements_of({group: _counts(row) for group, row in rows})


def _counts(row: dict[bytes, bytes]) -> Counts:
    return {outcome_class.decode(): int(count) for outcome_class, count in row.items() if count.isdigit()}

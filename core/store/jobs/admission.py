"""Admission: fair turns over the tenants that wait, the repair of the queue, and what is due to expire or to be forgotten."""

from typing import Literal, NamedTuple

import msgspec

from core.clock import Clock
from core.settings import Settings
from core.store.redis.client import Store
from core.store.redis.codec import raw
from core.store.redis.keys import key
from core.store.redis.lists import postpone
from core.store.redis.results import Nothing
from core.store.workers import WorkerFacts

#: what is due at a time, each by its id
DueList = Literal["retire", "queued_all", "uploads", "upload_urls"]


class _Repaired(NamedTuple):
    enqueued: int
    cursor: int


class Admission:
    """Admits jobs, and finds those that are late."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock

    async def admit(
        self,
        *,
        worker: str | None = None,
        slots: int = 0,
        alive_s: float = 0,
        facts: WorkerFacts | None = None,
        most: int = 256,
    ) -> None:
        """Move jobs from backlogs into arq, round the tenants; say how long a worker lives yet (0: it goes), and what it does."""
        told = raw(msgspec.json.encode(facts)) if facts else None
        beat = {"worker": worker, "slots": slots, "alive_ms": int(alive_s * 1000), "facts": told}
        limits = {"most": most, "tenant_running_jobs": self._settings.tenant_running_jobs}
        await self._store.run("admit_jobs", self._clock.for_operations() | beat | limits, Nothing)

    async def repair(self, cursor: int, *, most: int = 500) -> tuple[int, int]:
        """Enqueue again what a dead worker or arq left behind. Returns how many, and the next cursor."""
        arguments = self._clock.for_operations() | {"cursor": cursor, "most": most}
        return await self._store.run("repair_queue", arguments, _Repaired)

    async def to_retire(self, *, most: int = 100) -> list[str]:
        """Name ended jobs and deliveries whose time is over."""
        now_ms = self._clock.now_ms()
        found = await self._store.redis.zrangebyscore(key("retire"), "-inf", now_ms, start=0, num=most)
        return [i.decode() for i in found]

    async def look_again_later(self, list_name: DueList, item_id: str) -> None:
        """Put off what is due there and cannot be read or removed, so that it stands in nobody's way."""
        await postpone(self._store, self._clock, list_name, item_id)

    async def not_started_in_time(self, *, most: int = 100) -> list[str]:
        """Name the queued jobs that should have expired by now."""
        now_ms = self._clock.now_ms()
        found = await self._store.redis.zrangebyscore(key("queued_all"), "-inf", now_ms, start=0, num=most)
        return [i.decode() for i in found]

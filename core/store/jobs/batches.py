"""Batches in Redis: written as their jobs are accepted, counted down as these end, and read here."""

import msgspec

from core.events.batch import Batch
from core.store.redis.client import Store
from core.store.redis.keys import key


class Batches:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def load(self, batch_id: str) -> Batch | None:
        """Read a batch, whoever's it is: the caller compares the tenant. Raises Unreadable."""
        found = await self._store.redis.hmget(key("batch", batch_id), ["rec", "fmt", "finished_at_ms"])  # type: ignore[misc]
        raw, fmt, finished = found
        if raw is None:
            return None
        batch = self._store.read(Batch, raw, fmt, item_id=batch_id)
        return msgspec.structs.replace(batch, finished_at_ms=int(finished) if finished else None)

    async def ends(self, batch_id: str) -> dict[str, str]:
        """Read how each job that has ended did: ``{"job_…": "succeeded"}``. They are kept longer than the jobs may be."""
        row = await self._store.redis.hgetall(key("batch", batch_id))  # type: ignore[misc]
        return {n.decode().removeprefix("end:"): v.decode() for n, v in row.items() if n.startswith(b"end:")}

"""Removal of an ended job's data: its record becomes a tombstone, its events and tracks go, and all processes hear of it."""

from typing import Any

from core.model.job import Job
from core.store.events import stream_id
from core.store.redis.client import Store
from core.store.redis.codec import pack
from core.store.redis.keys import REMOVALS_CHANNEL, key


class JobRemoval:
    """Removes the data of jobs. Files are deleted by the caller, first."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def bury(self, job: Job, tombstone: Job) -> None:
        """Write the tombstone over an ended job, unless it was removed meanwhile. Safe to repeat."""
        name = key("job", job.id)
        told = await self._store.redis.xrange(key("events", job.id))
        ids = [stream_id(row[b"id"].decode()) for _, row in told]

        async def write(pipe: Any) -> None:
            there = await pipe.exists(name)
            pipe.multi()
            if there:
                pipe.hset(name, mapping={"rec": pack(tombstone), "ver": tombstone.version})
                pipe.hdel(name, "tracks", "before", "answered")
            pipe.delete(key("events", job.id))
            pipe.publish(REMOVALS_CHANNEL, job.id)
            if ids:
                pipe.xdel(key("feed", job.tenant), *ids)

        await self._store.redis.transaction(write, name)

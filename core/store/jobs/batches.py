"""Batches in Redis: written as their jobs are accepted, counted down as these end, and read here."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from core.events.batch import Batch
from core.model.job import Status
from core.store.redis.client import Store
from core.store.redis.keys import key
from core.store.redis.lists import page_of, readable

_STATUSES = frozenset(str(status) for status in Status)


class BatchedJob(NamedTuple):
    """How a job of a batch stands. `output`: the path of ours at which its film is, where there is one."""

    status: Status
    output: str | None = None


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

    async def page(self, tenant: str, *, after: str | None = None, limit: int = 20) -> list[Batch]:
        """Read up to `limit` batches older than `after`, newest first. One that cannot be read is passed over."""
        load = partial(readable, self.load)
        return await page_of(self._store, [key("batches", tenant)], load, after=after, limit=limit)

    async def statuses(self, job_ids: Sequence[str]) -> dict[str, BatchedJob]:
        """Read where jobs stand that have not ended, by their ids, and nothing else of their records: a hundred may be of 25 MB.

        Left out are those that are gone, and those that stand where only a newer release knows.
        """
        pipe = self._store.redis.pipeline(transaction=False)
        for job_id in job_ids:
            pipe.hget(key("job", job_id), "status")
        found = zip(job_ids, await pipe.execute(), strict=True)
        return {job_id: BatchedJob(Status(raw.decode())) for job_id, raw in found if raw and raw.decode() in _STATUSES}

    async def ends(self, batch_id: str) -> dict[str, BatchedJob]:
        """Read how each job that has ended did, by its id. They are kept longer than the jobs may be."""
        row = await self._store.redis.hgetall(key("batch", batch_id))  # type: ignore[misc]
        found = {name.decode(): value.decode() for name, value in row.items() if name[:4] in (b"end:", b"out:")}
        return {
            name.removeprefix("end:"): BatchedJob(Status(status), found.get(name.replace("end:", "out:")))
            for name, status in found.items()
            if name.startswith("end:")
        }

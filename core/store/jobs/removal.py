"""Removal of an ended job's data: whatever it said or named, wherever that is kept; a tombstone stays, till it is forgotten."""

from core.model.job import Job
from core.model.job_view import view
from core.model.tombstone import tombstone_of
from core.store.idempotency import StoredResponses
from core.store.redis.client import Store
from core.store.redis.codec import raw_record
from core.store.redis.functions import EVENTS_PER_JOB
from core.store.redis.keys import key
from core.store.redis.results import Nothing

#: entries of a feed that are looked through at once
_PAGE = 200
#: a job was made by an API's clock, and its events stand in the feed by Redis's: so much they may be apart
_CLOCKS_APART_MS = 600_000


class JobRemoval:
    """Removes the data of jobs. Files are deleted by the caller, first."""

    def __init__(self, store: Store, *, public_url: str) -> None:
        self._store = store
        self._responses = StoredResponses(store)
        self._public_url = public_url

    async def remove(self, job: Job) -> Job:
        """Write a tombstone over an ended job and return it. Safe to repeat, also where a process died half-way."""
        tombstone = tombstone_of(job)
        await self._forget_response(tombstone)
        arguments = {
            "id": job.id,
            "record": raw_record(tombstone),
            "version": tombstone.version,
            "fed": await self._fed_alone(job),
        }
        await self._store.run("remove_job_data", arguments, Nothing)
        return tombstone

    async def _forget_response(self, tombstone: Job) -> None:
        """Take a job's words out of the response that a repeated submit would get; the key stays used."""
        answered_under = await self._store.redis.hget(key("job", tombstone.id), "answered")  # type: ignore[misc]
        if answered_under:
            shown = view(tombstone, public_url=self._public_url)
            await self._responses.forget_job(tombstone.tenant, answered_under.decode(), shown)

    async def _fed_alone(self, job: Job) -> list[str]:
        """Name the job's events in its tenant's feed that its own stream, which was too long, has no more."""
        first, count = await self._first_and_count(job.id)
        if count < EVENTS_PER_JOB:
            return []
        found, start = [], str(max(0, job.created_at_ms - _CLOCKS_APART_MS))
        while rows := await self._store.redis.xrange(key("feed", job.tenant), start, first, count=_PAGE):
            found += [i.decode() for i, row in rows if row[b"type"] != b"batch.completed" and _names(row[b"body"], job)]
            start = f"({rows[-1][0].decode()}"
        return found

    async def _first_and_count(self, job_id: str) -> tuple[str, int]:
        rows = await self._store.redis.xrange(key("events", job_id), count=1)
        return (rows[0][0].decode() if rows else "+"), await self._store.redis.xlen(key("events", job_id))


def _names(body: bytes, job: Job) -> bool:
    return job.id.encode() in body

"""Events in Redis: one stream per job and one feed per tenant, under the same ids.

An event id is a UUIDv7 made inside the operation that commits the event: its time and counter are the id of the stream
entry, so that any process can go on from any id without an index.
"""

from typing import Any, NamedTuple

from core.clock import Clock
from core.events.event import Event, random_tail
from core.ids import cell_of, id_prefix
from core.model.job import Job
from core.security.redacted_repr import redacted_repr
from core.store.redis.client import Store, Subscription
from core.store.redis.codec import raw, raw_record
from core.store.redis.functions import FEED_LIFE_MS
from core.store.redis.keys import APIS_CHANNEL, EVENTS_CHANNEL, REMOVALS_CHANNEL, key


@redacted_repr("id", "type")
class StoredEvent(NamedTuple):
    """An event as it was committed; `body` is the JSON of `core.events.event.Envelope`."""

    id: str
    type: str
    body: bytes


class History(NamedTuple):
    """Events after an id, or from the first on. `trimmed`: some of them may be gone, or the id is later than all."""

    events: list[StoredEvent]
    trimmed: bool


def stream_id(event_id: str) -> str:
    """Turn ``evt_019a3c1e-7b2f-7003-…`` into the stream's ``1763679042351-3``. Raises ValueError for no such id."""
    digits = event_id.rpartition("_")[2].replace("-", "")
    if len(digits) != 32:  # noqa: PLR2004 - the length of a UUID in hex
        raise ValueError("not an event id")
    return f"{int(digits[:12], 16)}-{int(digits[13:16], 16)}"


def event_argument(event: Event, job: Job) -> dict[str, Any]:
    """Write an event as the operations read it; `id_prefix` and `random` begin and end its id."""
    return {
        "type": event.type,
        "tenant": job.tenant,
        "job": job.id,
        "body": raw(event.body),
        "in_feed": event.type != "job.progress",
        "id_prefix": id_prefix("evt", cell_of(job.id)),
        "random": random_tail(),
        "deliveries": [
            {"id": d.id, "record": raw_record(d), "tenant": d.tenant, "job": d.job_id} for d in event.deliveries
        ],
    }


def is_same_event(one: str, other: str) -> bool:
    """Tell whether two event ids name one entry of a stream, however they are written."""
    return one == other or stream_id(one) == stream_id(other)


class Events:
    """Reads events, and hears of new ones."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def of_job(self, job_id: str, *, after: str | None = None, most: int | None = None) -> History:
        """Read a job's events after an id, oldest first; all that are kept, which is a few more than EVENTS_PER_JOB."""
        stream = key("events", job_id)
        events = await self._read(stream, after, most)
        if after is None:
            return History(events, trimmed=not events or events[0].type != "job.queued")
        return History(
            events, trimmed=await self._trimmed(stream, after) or (not events and await self._is_unknown(stream, after))
        )

    async def of_tenant(self, tenant: str, *, after: str | None = None, most: int = 100) -> History:
        """Read a tenant's feed after an id, oldest first. What went with its job, since that was deleted, nobody misses."""
        stream = key("feed", tenant)
        events = await self._read(stream, after, most)
        return History(events, trimmed=after is not None and await self._is_feed_cut(stream, after, events))

    async def _read(self, stream: str, after: str | None, most: int | None) -> list[StoredEvent]:
        start = f"({stream_id(after)}" if after else "-"
        found = await self._store.redis.xrange(stream, start, "+", count=most)
        return [StoredEvent(row[b"id"].decode(), row[b"type"].decode(), row[b"body"]) for _, row in found]

    async def _is_feed_cut(self, feed: str, after: str, events: list[StoredEvent]) -> bool:
        if _order(stream_id(after))[0] < self._clock.now_ms() - FEED_LIFE_MS:
            return await self._trimmed(feed, after)
        return not events and await self._has_never_given(feed, after)

    async def _has_never_given(self, feed: str, after: str) -> bool:
        """Whether a feed has never had an event so late, though it may have lost some to deletions: Redis has lost it."""
        if not await self._store.redis.exists(feed):
            return True
        last_id = (await self._store.redis.xinfo_stream(feed))["last-generated-id"]
        return _order(last_id.decode()) < _order(stream_id(after))

    async def _trimmed(self, stream: str, after: str) -> bool:
        first = await self._store.redis.xrange(stream, "-", "+", count=1)
        return not first or _order(first[0][0].decode()) > _order(stream_id(after))

    async def _is_unknown(self, stream: str, after: str) -> bool:
        """Whether an id is later than all that is here, as after a failover that lost some: nothing would follow it."""
        last = await self._store.redis.xrevrange(stream, "+", "-", count=1)
        return bool(last) and _order(last[0][0].decode()) < _order(stream_id(after))

    async def last_id(self, job_id: str) -> str | None:
        """Name a job's latest event."""
        last = await self._store.redis.xrevrange(key("events", job_id), "+", "-", count=1)
        return last[0][1][b"id"].decode() if last else None

    async def subscribe(self) -> Subscription:
        """Hear the ids of jobs that have news, or whose content was removed: one subscription serves a whole process."""
        subscription = self._store.redis.pubsub()
        try:
            await subscription.subscribe(EVENTS_CHANNEL, REMOVALS_CHANNEL, APIS_CHANNEL)
        except BaseException:  # a process that ends meanwhile leaves no connection open
            await subscription.aclose()  # type: ignore[no-untyped-call]
            raise
        return subscription


def _order(entry_id: str) -> tuple[int, int]:
    ms, _, seq = entry_id.partition("-")
    return int(ms), int(seq)

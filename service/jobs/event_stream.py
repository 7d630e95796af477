"""A job's events as Server-Sent Events: a snapshot or the events after an id, then each new one until the job ends.

Every reader reads the job's own stream after the last id that it sent, so there is no gap and no repeat, whichever
process it comes to. https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
from collections.abc import AsyncIterator

import msgspec

from core.clock import rfc3339
from core.ids import is_id
from core.model.job import Job
from core.store.events import StoredEvent
from core.store.redis.client import STORE_DOWN
from service.context import ApiContext
from service.jobs.views import shown, with_fresh_link

HEARTBEAT_S = 15.0
#: the pause before another look while Redis is away
_AWAY_S = 1.0
#: events that are read at once
_AT_ONCE = 100
_RETRY = b"retry: 3000\n\n"
_BEAT = b": still here\n\n"
_ENDS = frozenset({"job.succeeded", "job.failed", "job.canceled", "job.expired"})


def frame(event: str, data: bytes, event_id: str | None = None) -> bytes:
    """Write one event; `data` is JSON and so has no line break."""
    name = f"id: {event_id}\n".encode() if event_id else b""
    return name + f"event: {event}\n".encode() + b"data: " + data + b"\n\n"


async def events_of(parts: ApiContext, job: Job, *, after: str | None) -> AsyncIterator[bytes]:
    """Write the stream of a job. It ends with the job, or when this process is to end."""
    with parts.hub.listening(job.id) as bell:
        yield _RETRY
        reader = Reader(parts, job, after)
        while not reader.over and not parts.hub.closing:
            bell.clear()
            for piece in await reader.news():
                yield piece
            if reader.over or reader.behind or parts.hub.closing:
                continue
            if not await _rung(bell):
                yield _BEAT


async def _rung(bell: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(HEARTBEAT_S):
            await bell.wait()
    except TimeoutError:
        return False
    return True


class Reader:
    """One reader's place in a job's events."""

    def __init__(self, parts: ApiContext, job: Job, after: str | None) -> None:
        self._parts = parts
        self._job = job
        self._after = after if after and is_id(after, "evt") else None
        self._asked_for_more = after is not None
        self.over = False
        #: there may be more to read at once
        self.behind = False

    async def news(self) -> list[bytes]:
        """Read what there is to tell: a snapshot first, then what came after the last id. Nothing while Redis is away."""
        try:
            async with self._parts.hub.turn:
                pieces = await (self._snapshot(reset=self._asked_for_more) if self._after is None else self._news())
        except STORE_DOWN:
            await asyncio.sleep(_AWAY_S)
            pieces, self.behind = [], True
        else:
            self.behind = len(pieces) >= _AT_ONCE
        return pieces

    async def _snapshot(self, *, reset: bool) -> list[bytes]:
        """Show the job as it is. Its last event is named first, so that nothing after it can be missed."""
        last_id = await self._parts.events.last_id(self._job.id)
        job = await self._parts.jobs.load(self._job.id) or self._job
        body = {
            "type": "snapshot",
            "timestamp": rfc3339(self._parts.clock.now_ms()),
            "data": {"job": await shown(self._parts, job)},
        }
        self._after, self.over = last_id, job.ended or last_id is None
        first = [frame("reset", b"{}")] if reset else []
        return [*first, frame("snapshot", msgspec.json.encode(body), last_id)]

    async def _news(self) -> list[bytes]:
        history = await self._parts.events.of_job(self._job.id, after=self._after, most=_AT_ONCE)
        if history.trimmed:
            return await self._snapshot(reset=True)
        pieces = [self._told(event) for event in history.events]
        if not pieces:
            job = await self._parts.jobs.load(self._job.id)
            self.over = job is None or (job.ended and await self._nothing_more())
        return pieces

    async def _nothing_more(self) -> bool:
        return await self._parts.events.last_id(self._job.id) in (None, self._after)

    def _told(self, event: StoredEvent) -> bytes:
        self._after = event.id
        self.over = event.type in _ENDS
        return frame(event.type, with_fresh_link(self._parts, event.body), event.id)

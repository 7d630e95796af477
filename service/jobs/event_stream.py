"""A job's events as Server-Sent Events: a snapshot or the events after an id, then each new one until the job ends.

Every reader reads the job's own stream after the last id that it sent, so there is no gap and no repeat, whichever
process it comes to. https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import random
from collections.abc import AsyncGenerator

import msgspec

from core.clock import rfc3339
from core.events.event import END_EVENTS
from core.ids import is_id
from core.metrics import OPEN_STREAMS
from core.model.job import Job
from core.store.events import StoredEvent, is_same_event
from core.store.redis.client import STORE_DOWN
from core.store.redis.codec import Unreadable
from service.context import ApiContext
from service.jobs.current_view import current_view, with_fresh_link

HEARTBEAT_S = 15.0
#: the pause before another look while Redis is away
_RETRY_S = 1.0
#: events that are read at once, of up to 20 kB each: they are in memory until their reader has taken them, who may be one of
#: thousands that have stopped reading
_AT_ONCE = 10
_RETRY_FIELD = b"retry: 3000\n\n"
_HEARTBEAT = b": still here\n\n"
#: when a reader of a process that ends comes back: sooner than after a break, which may be an outage
_COMES_BACK_MS = (200, 2000)
#: no line ends here by the specification, but for readers by Unicode's, as httpx's `iter_lines` and Python's `splitlines`
_BREAKS_TO_SOME = ("\x85", "\u2028", "\u2029")
_DICE = random.SystemRandom()


def encode_frame(event: str, data: bytes, event_id: str | None = None) -> bytes:
    """Write one event; `data` is JSON and so has no line break."""
    for char in _BREAKS_TO_SOME:
        data = data.replace(char.encode(), f"\\u{ord(char):04x}".encode())
    id_line = f"id: {event_id}\n".encode() if event_id else b""
    return id_line + f"event: {event}\n".encode() + b"data: " + data + b"\n\n"


async def has_all(context: ApiContext, job: Job, after: str | None) -> bool:
    """Whether nothing can follow an event any more: it is the last one of an ended job."""
    if not job.ended or after is None or not is_id(after, "evt"):
        return False
    last_id = await _last_id(context, job)
    return last_id is not None and is_same_event(after, last_id)


async def _last_id(context: ApiContext, job: Job) -> str | None:
    """Name what a reader who knows all comes back with.

    Of an ended job whose events are gone that is an id made of the job's own, older than any event that it had: a
    browser keeps the id that it has until it gets another, and would come back with it for ever.
    """
    last_id = await context.events.last_id(job.id)
    return last_id or (f"evt_{job.id.removeprefix('job_')}" if job.ended else None)


async def stream_events(
    context: ApiContext, job: Job, *, after: str | None, key_id: str
) -> AsyncGenerator[bytes, None]:
    """Write the stream of a job. It ends with the job, when the API key is revoked, or when this process is to end."""
    subscriptions = context.subscriptions
    with subscriptions.to_job(job.id) as wakeup, OPEN_STREAMS.labels("events").track_inprogress():
        yield _RETRY_FIELD
        reader = EventReader(context, job, after, key_id=key_id)
        while not reader.over and not subscriptions.closing:
            wakeup.clear()
            for frame in await reader.read():
                yield frame
            if reader.over or reader.behind or subscriptions.closing:
                continue
            if not await _is_set_within(wakeup, HEARTBEAT_S):
                yield _HEARTBEAT
        if not reader.over:
            yield _farewell()


def _farewell() -> bytes:
    """Send a reader on to another process: not all at the same moment, since there may be thousands."""
    return f"retry: {_DICE.randint(*_COMES_BACK_MS)}\n\n".encode()


async def _is_set_within(wakeup: asyncio.Event, patience_s: float) -> bool:
    try:
        async with asyncio.timeout(patience_s):
            await wakeup.wait()
    except TimeoutError:
        return False
    return True


class EventReader:
    """One reader's place in a job's events."""

    def __init__(self, context: ApiContext, job: Job, after: str | None, *, key_id: str) -> None:
        self._context = context
        self._job = job
        self._key_id = key_id
        self._after = after if after and is_id(after, "evt") else None
        self._resumes = after is not None
        self.over = False
        #: there may be more to read at once
        self.behind = False

    async def read(self) -> list[bytes]:
        """Read the frames to send: a snapshot first, then what came after the last id. While Redis is away, a comment."""
        try:
            async with self._context.subscriptions.read_slots:
                frames = await self._frames()
        except STORE_DOWN:
            await asyncio.sleep(_RETRY_S)
            frames, self.behind = [_HEARTBEAT], True  # who hears nothing for long takes its connection for dead
        except Unreadable:  # who comes back is told
            frames, self.over = [], True
        else:
            self.behind = len(frames) >= _AT_ONCE
        return frames

    async def _frames(self) -> list[bytes]:
        if not await self._context.cache.holds(self._key_id):  # a stream goes on for days; who comes back is told
            self.over = True
            return []
        return await (self._snapshot(reset=self._resumes) if self._after is None else self._news())

    async def _snapshot(self, *, reset: bool) -> list[bytes]:
        """Show the job as it is. Its last event is named first, so that nothing after it can be missed."""
        last_id = await _last_id(self._context, self._job)
        job = await self._context.jobs.load(self._job.id) or self._job
        body = {
            "type": "snapshot",
            "timestamp": rfc3339(self._context.clock.now_ms()),
            "data": {"job": await current_view(self._context, job)},
        }
        self._after, self.over = last_id, job.ended or last_id is None
        first = [encode_frame("reset", b"{}")] if reset else []
        return [*first, encode_frame("snapshot", msgspec.json.encode(body), last_id)]

    async def _news(self) -> list[bytes]:
        history = await self._context.events.of_job(self._job.id, after=self._after, most=_AT_ONCE)
        if history.trimmed:
            return await self._snapshot(reset=True)
        frames = [self._advance(event) for event in history.events]
        if not frames:
            job = await self._context.jobs.load(self._job.id)
            self.over = job is None or (job.ended and await self._is_at_last())
        return frames

    async def _is_at_last(self) -> bool:
        last_id = await self._context.events.last_id(self._job.id)
        return last_id is None or (self._after is not None and is_same_event(self._after, last_id))

    def _advance(self, event: StoredEvent) -> bytes:
        """Move behind an event, and write it."""
        self._after = event.id
        self.over = event.type in END_EVENTS
        return encode_frame(event.type, with_fresh_link(self._context, event.body), event.id)

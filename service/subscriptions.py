"""Tells this process what others wrote: its readers that a job has news, its memory that a job's content was removed.

One subscription serves them all, however many readers there are.

A reader's bell says "look", nothing more: it then reads the job's stream after the last id that it has sent. So a lost
message costs nothing but time, and after every break of the subscription all bells ring. What this process remembers of
callers' words goes at every removal, and after every break too.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from core.store.events import Events
from core.store.redis.client import STORE_DOWN, Subscription
from core.store.redis.keys import REMOVALS_CHANNEL

log = logging.getLogger(__name__)

#: how long one look for messages lasts, and the pause before a new subscription
_LOOK_S = 15.0
_AWAY_S = 0.2
#: readers that read at the same time; far fewer than there are connections to Redis
_READERS_AT_ONCE = 16


class Subscriptions:
    """Rings the bells of a job's readers. `closing` is set when the process ends: streams then end too."""

    def __init__(self, events: Events, *, on_removal: Callable[[], None]) -> None:
        self._events = events
        self._on_removal = on_removal
        self._bells: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self.closing = False
        #: held while a reader reads, so that thousands who wake at once take turns
        self.turn = asyncio.Semaphore(_READERS_AT_ONCE)

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._listen_for_ever(), name="hub")

    async def stop(self) -> None:
        """Let every reader end, and stop listening."""
        self.let_go()
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def let_go(self) -> None:
        """Have every stream end now; its client comes back, to another process."""
        self.closing = True
        self._ring_all()

    @contextmanager
    def listening(self, job_id: str) -> Iterator[asyncio.Event]:
        """Give a bell that rings when the job has news. Begin to listen before the first look, so nothing is missed."""
        bell = asyncio.Event()
        self._bells[job_id].add(bell)
        try:
            yield bell
        finally:
            self._bells[job_id].discard(bell)
            if not self._bells[job_id]:
                del self._bells[job_id]

    @property
    def readers(self) -> int:
        """Count the bells that hang."""
        return sum(len(bells) for bells in self._bells.values())

    async def _listen_for_ever(self) -> None:
        while True:
            try:
                subscription = await self._events.subscribe()
                try:
                    self._catch_up()
                    await self._listen(subscription)
                finally:
                    await subscription.aclose()  # type: ignore[no-untyped-call]
            except STORE_DOWN as away:
                log.warning("events: Redis is away (%s), subscribing again", type(away).__name__)
            await asyncio.sleep(_AWAY_S)

    def _catch_up(self) -> None:
        """Count on having missed something."""
        self._ring_all()
        self._on_removal()

    async def _listen(self, subscription: Subscription) -> None:
        while True:
            message = await subscription.get_message(ignore_subscribe_messages=True, timeout=_LOOK_S)
            if message is None:
                await subscription.ping()
            elif message["type"] == "message":
                self._heard(message["channel"].decode(), message["data"].decode())

    def _heard(self, channel: str, job_id: str) -> None:
        if channel == REMOVALS_CHANNEL:
            self._on_removal()
        else:
            self._ring(job_id)

    def _ring(self, job_id: str) -> None:
        for bell in self._bells.get(job_id, ()):
            bell.set()

    def _ring_all(self) -> None:
        for bells in self._bells.values():
            for bell in bells:
                bell.set()

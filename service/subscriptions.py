"""Redis subscription of this process: wakes the readers of a job's events when there are new ones.

One subscription serves all readers, however many there are. A wake-up says "look", nothing more: its reader then reads
the job's stream after the last id that it has sent. So a lost message costs nothing but time, and after every break of
the subscription all readers are woken. What this process has cached of callers' words goes whenever some job's content
is removed, and after every break too.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from core.logs import get_logger
from core.store.events import Events
from core.store.redis.client import STORE_ERROR, Subscription
from core.store.redis.keys import REMOVALS_CHANNEL
from service.problems import ApiError

log = get_logger(__name__)

#: how long one look for messages lasts, and the pause before a new subscription
_LOOK_S = 15.0
_RETRY_S = 0.2
#: readers that read at the same time; far fewer than there are connections to Redis
_READERS_AT_ONCE = 16


class Subscriptions:
    """Wakes readers. `closing` is set when the process ends: streams then end too."""

    def __init__(self, events: Events, *, on_removal: Callable[[], None], tenant_streams: int) -> None:
        self._events = events
        self._on_removal = on_removal
        self._wakeups: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._tenant_streams = tenant_streams
        #: places that are taken, by tenant
        self._taken: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None
        self.closing = False
        #: held while a reader reads, so that thousands who wake at once take turns
        self.read_slots = asyncio.Semaphore(_READERS_AT_ONCE)

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._listen_for_ever(), name="subscriptions")

    async def stop(self) -> None:
        """Let every reader end, and stop listening."""
        self.end_streams()
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def end_streams(self) -> None:
        """Have every stream end now; its client comes back, to another process."""
        self.closing = True
        self._wake_all()

    def has_place(self, tenant: str) -> bool:
        """Whether one more of a tenant's readers may wait here: one who took all connections would leave none to others."""
        return self._taken[tenant] < self._tenant_streams

    @contextmanager
    def place(self, tenant: str) -> Iterator[None]:
        """Hold a place for as long as a reader waits. Raises ApiError (429) where its tenant has as many as it may."""
        if not self.has_place(tenant):
            words = (
                f"Your tenant has {self._tenant_streams} event streams open at this process; end some, or share one."
            )
            raise ApiError(429, "rate_limited", words, headers={"Retry-After": "5"})
        self._taken[tenant] += 1
        try:
            yield
        finally:
            self._taken[tenant] -= 1
            if not self._taken[tenant]:
                del self._taken[tenant]

    @contextmanager
    def to_job(self, job_id: str) -> Iterator[asyncio.Event]:
        """Give a wake-up that is set when the job has news. Subscribe before the first look, so nothing is missed."""
        wakeup = asyncio.Event()
        self._wakeups[job_id].add(wakeup)
        try:
            yield wakeup
        finally:
            self._wakeups[job_id].discard(wakeup)
            if not self._wakeups[job_id]:
                del self._wakeups[job_id]

    @property
    def readers(self) -> int:
        """Count the readers that are subscribed."""
        return sum(len(wakeups) for wakeups in self._wakeups.values())

    async def _listen_for_ever(self) -> None:
        told = False
        while True:
            try:
                subscription = await self._events.subscribe()
                told = False
                try:
                    self._catch_up()
                    await self._listen(subscription)
                finally:
                    await subscription.aclose()  # type: ignore[no-untyped-call]
            except STORE_ERROR as away:
                if not told:
                    log.warning("Redis is away, events are subscribed to again", error=type(away).__name__)
                told = True
            except Exception:  # whatever it was, thousands of readers wait for what this hears
                log.exception("events could not be heard, they are subscribed to again")
            await asyncio.sleep(_RETRY_S)

    def _catch_up(self) -> None:
        """Count on having missed something."""
        self._wake_all()
        self._on_removal()

    async def _listen(self, subscription: Subscription) -> None:
        """Listen until the connection is dead: not even a ping is answered."""
        pinged = False
        while True:
            message = await subscription.get_message(timeout=_LOOK_S)
            if message is None and pinged:
                log.warning("Redis says nothing any more, events are subscribed to again")
                return
            if message is None:
                await subscription.ping()
            elif message["type"] == "message":
                self._handle(message["channel"].decode(), message["data"].decode())
            pinged = message is None

    def _handle(self, channel: str, job_id: str) -> None:
        if channel == REMOVALS_CHANNEL:
            self._on_removal()
        else:
            self._wake(job_id)

    def _wake(self, job_id: str) -> None:
        for wakeup in self._wakeups.get(job_id, ()):
            wakeup.set()

    def _wake_all(self) -> None:
        for job_id in self._wakeups:
            self._wake(job_id)

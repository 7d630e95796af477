"""The leases that this process holds: one heartbeat renews them all, and whoever lost one or shall stop is told.

The heartbeat renews every lease at a third of its length. Who loses one is cancelled at once, so that a worker that
was frozen stops before it can do harm; the operations refuse its writes in any case.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial

from core.clock import stopwatch_s
from core.logs import get_logger
from core.metrics import LEASES_LOST
from core.store.jobs.records import Jobs
from core.store.leases import HEARTBEAT_SHARE, LeaseKind, LeaseLost, kind_of
from core.store.redis.client import STORE_DOWN, Store
from core.store.redis.keys import CANCEL_CHANNEL
from worker import redis_outage

log = get_logger(__name__)

#: leases renewed by one operation, so that Redis is never held up for long
_AT_ONCE = 500


class Lease:
    """One job or delivery that this process holds. `cancel_asked` is set when its caller wants it stopped."""

    def __init__(self, item_id: str, owner: str, task: asyncio.Task[None], lease_s: float) -> None:
        self.item_id = item_id
        self.owner = owner
        self.cancel_asked = asyncio.Event()
        self.lost = False
        #: a message is announced, or its stream is open, which a stopping worker lets end and write down
        self.streaming = False
        self.task = task
        self._lease_s = lease_s
        self._renewed_s = stopwatch_s()

    def note_renewal(self, at_s: float) -> None:
        """Count from the moment before the renewal, or the claim, was sent."""
        self._renewed_s = at_s

    def lose(self) -> None:
        """Stop whoever works on it."""
        self.lost = True
        self.task.cancel()

    @property
    def left_s(self) -> float:
        """How long nobody else can have it, at least."""
        return self._renewed_s + self._lease_s - stopwatch_s()


class Leases:
    """All leases of this process."""

    def __init__(self, jobs: Jobs, store: Store, *, worker_id: str, lease_s: float) -> None:
        self._jobs = jobs
        self._store = store
        #: names this process; each of its claims has an owner that begins with it
        self.worker_id = worker_id
        self._lease_s = lease_s
        self._held: dict[str, Lease] = {}
        self._count = 0
        #: this process takes no further step
        self.stopping = False

    @property
    def lease_ms(self) -> int:
        """How long a claim lasts without a heartbeat."""
        return int(self._lease_s * 1000)

    def new_owner(self) -> str:
        """Name one claim: no two of them are the same, also within this process."""
        self._count += 1
        return f"{self.worker_id}:{self._count}"

    @asynccontextmanager
    async def hold(self, item_id: str, owner: str, *, asked_s: float | None = None) -> AsyncIterator[Lease]:
        """Keep a claim alive while the block runs; the block is cancelled if it is lost, and ends quietly.

        `asked_s`: when its claim was sent, by `stopwatch_s`; None: just now. A process that was frozen may take over what it
        held itself, before it has heard that this is lost.
        """
        task = asyncio.current_task()
        assert task is not None
        if before := self._held.get(item_id):
            _lose(before)
        lease = self._held[item_id] = Lease(item_id, owner, task, self._lease_s)
        if asked_s is not None:
            lease.note_renewal(asked_s)
        try:
            yield lease
        except asyncio.CancelledError:
            if not lease.lost:
                raise
            task.uncancel()
            log.warning("lost a lease", item_id=item_id)
        except LeaseLost:
            LEASES_LOST.labels(kind_of(item_id)).inc()
            raise
        finally:
            if self._held.get(item_id) is lease:
                del self._held[item_id]

    async def ensure_held(self, lease: Lease) -> None:
        """Before an effect that must not happen twice: renew, unless most of the lease is left. Raises LeaseLost."""
        if lease.left_s > self._lease_s / 2:
            return
        before_s = stopwatch_s()
        lost, _ = await self._jobs.renew({lease.item_id: lease.owner})
        if lost or lease.lost:
            raise LeaseLost(lease.item_id)
        lease.note_renewal(before_s)

    async def run_heartbeat(self) -> None:
        """Renew for ever, whatever breaks. While Redis is away nothing can be renewed, nor can it be taken over.

        When it is back, what has run out meanwhile is renewed before anybody looks for such things (`core.queue`).
        """
        while True:
            await asyncio.sleep(self._lease_s * HEARTBEAT_SHARE)
            try:
                await redis_outage.until_redis_answers(self._renew_all)
            except Exception:
                log.exception("no lease could be renewed")

    async def _renew_all(self) -> None:
        for some in _slices(list(self._held.values()), _AT_ONCE):
            before_s = stopwatch_s()
            lost, canceling = await self._jobs.renew({lease.item_id: lease.owner for lease in some})
            for lease in some:
                if lease.item_id in lost and self._held.get(lease.item_id) is lease:
                    _lose(lease)
                else:
                    lease.note_renewal(before_s)
            self._signal_cancels(canceling)

    def _signal_cancels(self, item_ids: Iterable[str]) -> None:
        for item_id in item_ids:
            if lease := self._held.get(item_id):
                lease.cancel_asked.set()

    async def listen_for_cancels(self) -> None:
        """Hear of cancels at once; one that is missed is told by the next heartbeat."""
        while True:
            try:
                async with self._store.redis.pubsub() as subscription:
                    await subscription.subscribe(CANCEL_CHANNEL)
                    while True:
                        message = await subscription.get_message(ignore_subscribe_messages=True, timeout=60)
                        if message:
                            self._signal_cancels([message["data"].decode()])
            except STORE_DOWN:
                await redis_outage.pause()
            except Exception:
                log.exception("cancels could not be heard")
                await redis_outage.pause()

    async def hand_back(self, lease: Lease, *, in_s: float = 0) -> None:
        """Let go of one job that has not ended, so that another worker goes on at once, or in so many seconds."""
        await self._jobs.hand_back({lease.item_id: lease.owner}, in_s=in_s)

    async def hand_back_all(self, *, streams_too: bool, patience_s: float) -> None:
        """Let go of everything that is held, or of all but the open streams, and stop those who work on it.

        `patience_s`: so long a Redis that is away is waited for; then the leases run out by themselves.
        """
        self.stopping = True
        try:
            async with asyncio.timeout(patience_s):
                over = await redis_outage.until_redis_answers(partial(self._hand_back_now, streams_too))
        except TimeoutError:
            over = self._to_hand_back(streams_too)
        for lease in over:
            lease.lose()

    async def _hand_back_now(self, streams_too: bool) -> list[Lease]:
        """Let go of what is held in this moment: what has begun to stream since another try failed is left out."""
        if held := self._to_hand_back(streams_too):
            await self._jobs.hand_back({lease.item_id: lease.owner for lease in held})
        return held

    def _to_hand_back(self, streams_too: bool) -> list[Lease]:
        return [lease for lease in self._held.values() if streams_too or not lease.streaming]

    async def wait_until_idle(self) -> None:
        """Wait until nothing is held any more: what was being claimed comes to it late."""
        while tasks := [lease.task for lease in self._held.values()]:
            await asyncio.wait(tasks)

    def __len__(self) -> int:
        return len(self._held)

    def count(self, kind: LeaseKind) -> int:
        """Count what is held of one kind; also asked from the thread that serves the metrics."""
        return sum(kind_of(item_id) == kind for item_id in tuple(self._held))

    @property
    def open_streams(self) -> int:
        """Count the jobs whose message's stream is open."""
        return sum(lease.streaming for lease in tuple(self._held.values()) if kind_of(lease.item_id) == "job")


def _lose(lease: Lease) -> None:
    LEASES_LOST.labels(kind_of(lease.item_id)).inc()
    lease.lose()


def _slices(leases: list[Lease], size: int) -> list[list[Lease]]:
    return [leases[start : start + size] for start in range(0, len(leases), size)]

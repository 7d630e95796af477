"""The job queue: arq, with the lease that it lacks. Nobody else knows arq; `core/store/lua/shared/queue/queue.lua` knows its keys.

arq hands over ids and nothing else. Where a job stands, whether it sleeps and when it is over is written by our own
operations, which check the owner of the lease: so arq's own finish and retry, which do not, are switched off here. Its
pick-up asks Redis six times for each id, one id after the other; here one operation picks up all that is due.

A worker that has room does not ask again and again: it blocks on a list to which the operations push a token where
something becomes due soon. What the token names is begun at once: who may have it is the claim's to say. A token that is
lost costs a look a second later; what is due later is known from the last look. A full worker takes no token, and gives back
one that came too late.

What somebody waits for comes first: new jobs, first callbacks, cancels. What wakes from sleep is a look; how many of these
are begun at once goes by how late the event loop and Redis's answers are (`core.looks`), so that they wait in their queue, and
not among all the rest on its way through this process and Redis.

What another process holds comes up as a look, too, once its lease is over. While Redis is away all leases end, though who has them
lives: so whoever got no answer for long, or has just begun, leaves that alone until all have had the time of a heartbeat to renew it.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, cast

import msgspec
from arq.connections import ArqRedis
from arq.worker import Worker, func

from core.logs import get_logger
from core.looks import Looks
from core.store.leases import HEARTBEAT_SHARE
from core.store.redis.client import STORE_ERROR, Redis, Store
from core.store.redis.functions import IDLE_POLL_MS
from core.store.redis.keys import key
from core.store.redis.queue_entries import RUN_DELIVERY, RUN_JOB
from core.store.redis.results import Nothing

log = get_logger(__name__)

#: ids picked up by one call, so that Redis is never held up for long
_AT_ONCE = 256
#: how often it is seen how late the event loop is, while looks run
_WATCH_EVERY_S = 0.025
#: the pause between two looks for work while Redis is away
_AWAY_S = 0.2

Run = Callable[[str], Awaitable[None]]


class _Due(NamedTuple):
    ahead: tuple[str, ...] = ()
    looks: tuple[str, ...] = ()
    more_looks: bool = False
    next_in_ms: int = IDLE_POLL_MS


class LeasedWorker(Worker):
    """arq's worker, which survives a Redis that is away and leaves every end to our operations."""

    def __init__(self, *, store: Store, runs: Mapping[str, Run], lease_s: float, **options: Any) -> None:
        super().__init__(**options)
        self._store = store
        self._runs = runs
        self._lease_ms = int(lease_s * 1000)
        #: something is due, or a place has become free
        self._woken = asyncio.Event()
        self._may_take = asyncio.Event()
        self._may_take.set()
        #: held from a question for work until what it found is begun: before, there is no telling how much room is left
        self._taking_up = asyncio.Lock()
        #: places for what goes ahead, as many as this process can do justice to; looks may have all others
        self._places = self.max_jobs
        #: where there are none left, what goes ahead is left for so long to others: whoever has some looks at least once then
        self.left_ms = IDLE_POLL_MS
        self._looks = Looks(self.max_jobs)
        #: looks run, or more are due: it is watched how late the loop is
        self._watch: asyncio.TimerHandle | None = None
        self._is_away = False
        #: so long after an outage holders have to renew what is theirs
        self._heartbeat_s = lease_s * HEARTBEAT_SHARE
        #: when Redis last answered here
        self._answered_s = -math.inf
        self._spares_until_s = -math.inf

    def offer(self, places: int) -> None:
        """Take up what is new into so many places from now on; more than there are is all. Above that what nobody else takes."""
        self._places = min(places, self.max_jobs)
        self._let_take()

    async def stop_taking(self) -> None:
        """Take up nothing more. What it was being handed meanwhile is begun then, since nobody else would have it for a lease."""
        self.allow_pick_jobs = False
        async with self._taking_up:
            return

    async def main(self) -> None:
        """Work for ever."""
        listening = asyncio.create_task(self._listen(), name="work")
        try:
            while True:
                await self._take_turn()
        finally:
            listening.cancel()

    async def _take_turn(self) -> None:
        """Take what is due; while Redis is away wait a little instead. An outage is told once, at its begin, and its end."""
        try:
            await self._poll_iteration()
        except STORE_ERROR as away:
            if not self._is_away:
                log.warning("Redis is away, waiting", error=type(away).__name__)
            self._is_away = True
            await asyncio.sleep(_AWAY_S)
            return
        except Exception:
            log.exception("a look for work broke")
            await asyncio.sleep(_AWAY_S)
            return
        if self._is_away:
            log.info("Redis answers again")
        self._is_away = False

    async def _poll_iteration(self) -> None:
        """Take what is due, then wait until something is, but never less than the shortest pause between two looks."""
        self._woken.clear()
        wait_s = IDLE_POLL_MS / 1000
        async with self._taking_up:
            self._heed_silence()
            if self.allow_pick_jobs and self.job_counter < self.max_jobs:
                due = await self._poll()
                await self._begin(due)
                wait_s = min(wait_s, due.next_in_ms / 1000)
            elif self.allow_pick_jobs:
                await self._look_for_an_outage()
            self._answered_s = self.loop.time()
        await self.heart_beat()
        looked_s = self.loop.time()
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._woken.wait()
        await asyncio.sleep(looked_s + self.poll_delay_s - self.loop.time())

    async def _look_for_an_outage(self) -> None:
        """Ask as a heartbeat does: whoever is full would not notice that none gets through, though Redis may answer a PING."""
        await self._store.run("renew_leases", {"owners": {}, "lease_ms": self._lease_ms}, Nothing)

    async def _poll(self) -> _Due:
        """Take what is due. Where the answer is lost, the ids are due again one lease later."""
        most = min(self.max_jobs - self.job_counter, _AT_ONCE)
        most_ahead = min(most, max(0, self._places - self.job_counter))
        most_looks = min(most, self._looks.room(now_s=self.loop.time()))
        limits = {"most": most, "most_ahead": most_ahead, "most_looks": most_looks, "left_ms": self.left_ms}
        kept = {"kept_looks": self._looks.kept_of(most), "lease_ms": self._lease_ms, "spare_ms": self._spare_ms()}
        asked_s = self.loop.time()
        due = await self._store.run("poll_queue", limits | kept, _Due)
        self._looks.note_answer(self.loop.time() - asked_s)
        if most_looks:
            self._looks.more_due = due.more_looks
        return due

    def _heed_silence(self) -> None:
        """Since Redis last answered it may have been away; where it was for less than the time between two heartbeats no lease ends.

        An idle worker is silent by itself between two looks.
        """
        now_s, longest_pause_s = self.loop.time(), max(IDLE_POLL_MS / 1000, self.poll_delay_s)
        if now_s - self._answered_s > self._heartbeat_s + longest_pause_s:
            self._spares_until_s = now_s + self._heartbeat_s

    def _spare_ms(self) -> int | None:
        """Say for how long what others hold stays theirs, though its lease is over. None: they have had the time to renew it."""
        left_s = self._spares_until_s - self.loop.time()
        return math.ceil(left_s * 1000) if left_s > 0 else None

    async def _begin(self, due: _Due) -> None:
        for item_id in due.ahead:
            await self._start(item_id)
        for item_id in due.looks:
            await self._start_look(item_id)

    @property
    def _has_room(self) -> bool:
        return bool(self.allow_pick_jobs) and self.job_counter < self._places

    def _let_take(self) -> None:
        """Listen for tokens again, where there was no room for what they stand for."""
        if self._has_room and not self._may_take.is_set():
            self._may_take.set()
            self._woken.set()

    async def _listen(self) -> None:
        """Wait for tokens for ever, as long as there is room, whatever breaks."""
        while True:
            await self._may_take.wait()
            try:
                if told := await self._store.ask_waiting("BLPOP", key("wakeup"), str(self._store.longest_wait_s)):
                    await self._hear(told[1].decode())
            except STORE_ERROR:
                await asyncio.sleep(_AWAY_S)
            except Exception:
                log.exception("a token could not be heard")
                await asyncio.sleep(_AWAY_S)

    async def _hear(self, token: str) -> None:
        """Begin the job that the token names, and look what else is due. An older release's token names none.

        Where there is no room, or none is left, or this worker stops, the token is another one's, which would sleep on.
        """
        async with self._taking_up:
            if self._has_room:
                if token.startswith("job_") and token not in self.tasks:
                    await self._start(token)
                self._woken.set()
        if not self._has_room:
            self._may_take.clear()
            await self._store.ask("RPUSH", key("wakeup"), 1)

    async def _start(self, item_id: str) -> None:
        run = self._runs[RUN_DELIVERY if item_id.startswith("dlv_") else RUN_JOB]
        await self.sem.acquire()
        self.job_counter += 1
        if not self._has_room:
            self._may_take.clear()
        task = self.tasks[item_id] = self.loop.create_task(self._run(run, item_id))
        task.add_done_callback(partial(self._ended, item_id))

    async def _start_look(self, item_id: str) -> None:
        self._looks.begin(item_id, now_s=self.loop.time())
        if self._watch is None:
            self._watch_lateness()
        await self._start(item_id)

    def _watch_lateness(self) -> None:
        due_s = self.loop.time() + _WATCH_EVERY_S
        self._watch = self.loop.call_at(due_s, self._note_lateness, due_s)

    def _note_lateness(self, due_s: float) -> None:
        self._looks.note_lateness(self.loop.time() - due_s)
        self._ask_for_looks()
        self._watch = None
        if self._looks.running or self._looks.more_due:
            self._watch_lateness()

    def _ask_for_looks(self) -> None:
        if self._looks.is_worth_asking(now_s=self.loop.time()):
            self._woken.set()

    async def _run(self, run: Run, item_id: str) -> None:
        try:
            await run(item_id)
        except Exception:
            log.exception("a run broke; it is run again when its lease is over", item_id=item_id)

    def _ended(self, item_id: str, task: asyncio.Task[None]) -> None:
        self.jobs_complete += 1
        self._release_sem_dec_counter_on_complete()
        self._let_take()
        self._looks.end(item_id)
        self._ask_for_looks()
        if self.tasks.get(item_id) is task:
            del self.tasks[item_id]


def make_worker(
    client: Redis,
    *,
    run_job: Run,
    run_delivery: Run,
    places: int,
    poll_s: float,
    lease_s: float,
) -> LeasedWorker:
    """Build the worker that calls `run_job(job_id)` and `run_delivery(delivery_id)` for what is due.

    They are to leave alone what is not due: a token that names a job may be old, and this process may have been frozen
    since it was handed an id. `places` bounds both together. The functions must not raise: what they did not commit is run again.
    """
    runs = {RUN_JOB: run_job, RUN_DELIVERY: run_delivery}
    return LeasedWorker(
        store=Store(client),
        runs=runs,
        lease_s=lease_s,
        functions=[func(cast("Any", run), name=name) for name, run in runs.items()],
        redis_pool=ArqRedis(pool_or_conn=client.connection_pool),
        max_jobs=places,
        poll_delay=poll_s,
        health_check_interval=20,
        handle_signals=False,
        job_serializer=msgspec.msgpack.encode,
        job_deserializer=msgspec.msgpack.decode,
    )

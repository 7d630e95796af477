"""The job queue: arq, with the lease that it lacks. Nobody else knows arq; `core/store/lua/shared/queue.lua` knows its keys.

arq hands over ids and nothing else. Where a job stands, whether it sleeps and when it is over is written by our own
operations, which check the owner of the lease: so arq's own finish and retry, which do not, are switched off here. Its
pick-up asks Redis six times for each id, one id after the other; here one operation picks up all that is due.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, cast

import msgspec
from arq.connections import ArqRedis
from arq.worker import Worker, func

from core.logs import get_logger
from core.store.redis.client import STORE_ERROR, Redis, Store
from core.store.redis.queue_entries import RUN_DELIVERY, RUN_JOB

log = get_logger(__name__)

#: ids picked up by one call, so that Redis is never held up for long
_AT_ONCE = 256
#: the pause between two looks for work while Redis is away
_AWAY_S = 0.2

Run = Callable[[str], Awaitable[None]]


class _Due(NamedTuple):
    ids: tuple[str, ...]


class LeasedWorker(Worker):
    """arq's worker, which survives a Redis that is away and leaves every end to our operations."""

    def __init__(self, *, store: Store, runs: Mapping[str, Run], lease_s: float, **options: Any) -> None:
        super().__init__(**options)
        self._store = store
        self._runs = runs
        self._lease_ms = int(lease_s * 1000)

    async def main(self) -> None:
        """Work for ever. arq asks Redis for its version first, so a Redis that goes away right then starts it anew."""
        while True:
            try:
                return await super().main()
            except STORE_ERROR as away:
                await _wait_for_redis(away)

    async def _poll_iteration(self) -> None:
        try:
            if self.allow_pick_jobs and self.job_counter < self.max_jobs:
                for item_id in await self._poll(min(self.max_jobs - self.job_counter, _AT_ONCE)):
                    await self._start(item_id)
            await self.heart_beat()
        except STORE_ERROR as away:
            await _wait_for_redis(away)

    async def _poll(self, most: int) -> tuple[str, ...]:
        """Take what is due. Where the answer is lost, the ids are due again one lease later."""
        arguments = {"lease_ms": self._lease_ms, "most": most}
        return (await self._store.run("poll_queue", arguments, _Due)).ids

    async def _start(self, item_id: str) -> None:
        await self.sem.acquire()
        self.job_counter += 1
        run = self._runs[RUN_DELIVERY if item_id.startswith("dlv_") else RUN_JOB]
        task = self.tasks[item_id] = self.loop.create_task(self._run(run, item_id))
        task.add_done_callback(partial(self._ended, item_id))

    async def _run(self, run: Run, item_id: str) -> None:
        try:
            await run(item_id)
        except Exception:
            log.exception("a run broke; it is run again when its lease is over", item_id=item_id)

    def _ended(self, item_id: str, task: asyncio.Task[None]) -> None:
        self.jobs_complete += 1
        self._release_sem_dec_counter_on_complete()
        if self.tasks.get(item_id) is task:
            del self.tasks[item_id]


async def _wait_for_redis(away: Exception) -> None:
    log.warning("Redis is away, waiting", error=type(away).__name__)
    await asyncio.sleep(_AWAY_S)


def make_worker(
    client: Redis, *, run_job: Run, run_delivery: Run, places: int, poll_s: float, lease_s: float
) -> LeasedWorker:
    """Build the worker that calls `run_job(job_id)` and `run_delivery(delivery_id)` for what is due.

    `places` bounds both together. The functions must not raise: what they did not commit is run again.
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

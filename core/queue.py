"""arq, and the lease that it lacks. Nobody else knows arq; the scripts in `core/store/lua` know its key names.

arq hands over ids and nothing else. Where a job stands, whether it sleeps and when it is over is written by our own
scripts, which check the owner of the lease: so arq's own finish and retry, which do not, are switched off here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec
from arq.connections import ArqRedis
from arq.typing import WorkerCoroutine
from arq.worker import Worker, func

from core.store.connection import STORE_DOWN, STORE_ERROR, Redis

log = logging.getLogger(__name__)

_YEAR_S = 365 * 86400
#: the pause between two looks for work while Redis is away
_AWAY_S = 0.2

Run = Callable[[str], Awaitable[None]]


def _bell(function: str) -> bytes:
    return msgspec.msgpack.encode({"t": None, "f": function, "a": [], "k": {}, "et": 0})


JOB_BELL = _bell("run_job")
DELIVERY_BELL = _bell("run_delivery")


class LeasedWorker(Worker):
    """arq's worker, which survives a Redis that is away and leaves every end to our scripts."""

    def __init__(self, *, lease_s: float, **options: Any) -> None:
        super().__init__(**options)
        # Between pick-up and our own claim only this key guards the job: it must not outlive the lease.
        self.in_progress_timeout_s = lease_s

    async def main(self) -> None:
        """Work for ever. arq asks Redis for its version first, so a Redis that goes away right then starts it anew."""
        while True:
            try:
                return await super().main()
            except STORE_ERROR as away:
                await _wait_for_redis(away)

    async def finish_job(self, *_: Any, **__: Any) -> None:
        """Do nothing: the commit that parked or ended the job has already told arq, and checked the owner."""

    async def finish_failed_job(self, *_: Any, **__: Any) -> None:
        """Do nothing: an id whose bell is gone has ended, or is rung for again by the repair script."""

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        """Start what is due; a Redis that goes away half-way must not cost a place for good."""
        try:
            await super().start_jobs(job_ids)
        except STORE_DOWN:
            self._release_sem_dec_counter_on_complete()
            raise

    async def _poll_iteration(self) -> None:
        try:
            await super()._poll_iteration()
        except STORE_ERROR as away:
            await _wait_for_redis(away)


async def _wait_for_redis(away: Exception) -> None:
    log.warning("Redis is away (%s), waiting", type(away).__name__)
    await asyncio.sleep(_AWAY_S)


def make_worker(
    client: Redis, *, run_job: Run, run_delivery: Run, places: int, poll_s: float, lease_s: float
) -> LeasedWorker:
    """Build the worker that calls `run_job(job_id)` and `run_delivery(delivery_id)` for what is due.

    `places` bounds both together. The functions must not raise: what they did not commit is run again.
    """

    async def job(context: dict[Any, Any]) -> None:
        await run_job(context["job_id"])

    async def delivery(context: dict[Any, Any]) -> None:
        await run_delivery(context["job_id"])

    return LeasedWorker(
        lease_s=lease_s,
        functions=[func(cast("WorkerCoroutine", f), name=n) for f, n in ((job, "run_job"), (delivery, "run_delivery"))],
        redis_pool=ArqRedis(pool_or_conn=client.connection_pool),
        max_jobs=places,
        queue_read_limit=256,
        poll_delay=poll_s,
        job_timeout=_YEAR_S,
        max_tries=2**31,
        keep_result=0,
        health_check_interval=20,
        handle_signals=False,
        log_results=False,
        job_serializer=msgspec.msgpack.encode,
        job_deserializer=msgspec.msgpack.decode,
    )

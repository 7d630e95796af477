"""This worker among those that live: what it says of itself again and again, and how many jobs it offers to hold."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.metadata import version

import msgspec

from core.clock import stopwatch_s
from core.metrics import WORKER_SLOTS
from core.store.redis.client import STORE_DOWN
from core.store.workers import WorkerFacts
from worker.context import WorkerContext
from worker.maintenance.periodic import run_unless_it_breaks
from worker.offer import next_offer


async def stay_listed(context: WorkerContext, offer: Callable[[int], None]) -> None:
    """Say for ever that this worker lives, whatever breaks, and let jobs in up to what all workers offer to hold.

    `offer` is told how many jobs that is here, whenever it changes.
    """
    settings, name = context.settings, context.leases.worker_id
    every_s, facts, lag_s = min(1.0, settings.lease_s / 3), _facts_at_start(context), 0.0
    beat = partial(context.admission.admit, worker=name, alive_s=settings.lease_s)
    offered = settings.worker_jobs
    try:
        while True:
            with suppress(*STORE_DOWN):
                told = partial(beat, slots=offered, facts=_facts_now(context, facts, lag_s))
                await run_unless_it_breaks("admission", told)
            due_s = stopwatch_s() + every_s
            await asyncio.sleep(every_s)
            lag_s = stopwatch_s() - due_s
            offered = _next_offer(context, offered, lag_s)
            WORKER_SLOTS.set(offered)
            offer(offered)
    finally:
        with suppress(*STORE_DOWN):
            await context.admission.admit(worker=name, slots=0)


def _next_offer(context: WorkerContext, offered: int, lag_s: float) -> int:
    """A worker that stops may live for as long as its streams, and lets nothing more in meanwhile."""
    if context.leases.stopping:
        return 0
    return next_offer(offered, places=context.settings.worker_jobs, lag_s=lag_s)


def _facts_at_start(context: WorkerContext) -> WorkerFacts:
    """Say what stays true of this process: the version is read from a file."""
    host, started_at_ms = socket.gethostname(), context.clock.now_ms()
    return WorkerFacts(
        host=host, version=version("reelgate"), started_at_ms=started_at_ms, jobs=0, deliveries=0, lag_ms=0
    )


def _facts_now(context: WorkerContext, at_start: WorkerFacts, lag_s: float) -> WorkerFacts:
    return msgspec.structs.replace(
        at_start,
        jobs=context.leases.count("job"),
        deliveries=context.leases.count("delivery"),
        lag_ms=max(0, round(lag_s * 1000)),
    )

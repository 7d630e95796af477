"""Fills a harness's Redis by the gateway's own scripts, faster than jobs could be run: with jobs that have ended, and with
jobs that sleep until the next look at their render.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import perf_counter

import msgspec

from core.clock import Clock
from core.model import session as sessions
from core.model import transitions
from core.model.job import Job, Render, Stage, Webhook
from core.security.encryption import Encryption
from core.store.redis.client import connect
from core.store.tokens.tokens import Tokens
from tests.bench.harness import SETTINGS, Harness
from tests.bench.stub import traceparent
from tests.store_fixture import Core, make_job, settings_for

#: the tenant of a harness
TENANT = "demo"
#: jobs accepted by one script call
AT_ONCE = 100


@asynccontextmanager
async def _core(harness: Harness) -> AsyncIterator[Core]:
    url = harness.world.redis_url
    core = Core(connect(url, answer_s=30), settings_for(url, **_PLENTY), Clock())
    try:
        yield core
    finally:
        await core.store.close()


_PLENTY = {"tenant_queued_jobs": 10**9, "queue_limit": 10**9, "tenant_running_jobs": 10**6}


async def store_ended(harness: Harness, number: int, *, within_s: float, webhook_url: str | None = None) -> int:
    """Store so many jobs that have ended, or as many as the time allows. No worker may run meanwhile.

    With a `webhook_url` each has a callback that waits for a worker.
    """
    until_s = perf_counter() + within_s
    async with _core(harness) as core:
        for start in range(0, number, AT_ONCE):
            if perf_counter() > until_s:
                return start
            made = [_ended_soon(core, webhook_url) for _ in range(min(AT_ONCE, number - start))]
            await core.offer(*made, key_id=f"key_{start}")
            await asyncio.gather(*(_cancel(core, job) for job in made))
    return number


def _ended_soon(core: Core, webhook_url: str | None) -> Job:
    webhook = Webhook(url=webhook_url) if webhook_url else None
    return make_job(TENANT, created_at_ms=core.clock.now_ms(), webhook=webhook)


async def _cancel(core: Core, job: Job) -> None:
    after = transitions.cancel_asked(job, now_ms=core.clock.now_ms())
    await core.jobs.commit(job, after, owner=None, event=core.news(job, after))


async def store_rendering(
    harness: Harness, traces: Sequence[str], *, over_s: float, first_in_s: float | None = None
) -> None:
    """Store jobs whose render is under way; they wake one after the other within `over_s`, the first in `first_in_s`
    (as long again where none is given).
    """
    first_in_s = over_s if first_in_s is None else first_in_s
    async with _core(harness) as core:
        await core.turns.admit(worker="filling", slots=2 * len(traces), alive_s=600)
        token_id = await _token(harness, core)
        for start in range(0, len(traces), AT_ONCE):
            made = [_made(core, trace) for trace in traces[start : start + AT_ONCE]]
            await core.offer(*made, key_id=f"key_{start}")
            await core.turns.admit(most=AT_ONCE)
            wake_ms = core.clock.now_ms() + int(1000 * (first_in_s + over_s * start / len(traces)))
            await asyncio.gather(*(_put_to_sleep(core, job, token_id, wake_ms) for job in made))
        await core.turns.admit(worker="filling", slots=0)


async def _token(harness: Harness, core: Core) -> str:
    vault = Encryption(harness.world.environment["REELGATE_SECRET_KEYS"].split(","))
    return await Tokens(core.store, vault, core.clock).add(SETTINGS["NEMO_TOKEN"], kind="operator", available=10**9)


def _made(core: Core, trace: str) -> Job:
    return make_job(TENANT, created_at_ms=core.clock.now_ms(), traceparent=traceparent(trace))


async def _put_to_sleep(core: Core, job: Job, token_id: str, wake_ms: int) -> None:
    """Write a job as its worker would after it has begun its render."""
    claim, now_ms = await core.claim(job), core.clock.now_ms()
    render = Render(id=f"render_{job.id}_1_1", attempt=1, started_at_ms=now_ms, asked=True)
    begun = transitions.moved(
        transitions.started(claim.job, now_ms=now_ms), Stage.RENDERING, edited=True, token_id=token_id
    )
    asleep = msgspec.structs.replace(begun, render=render)
    backend_id = job.traceparent.split("-")[1] if job.traceparent else ""
    session = sessions.opened(claim.session, backend_id=backend_id, task_id=None, user_id=None, token_id=token_id)
    await core.write(claim, asleep, session=session, park_until_ms=wake_ms)

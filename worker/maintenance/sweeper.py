"""What the others left behind: lost leases, jobs that never started, old things; and the gauges over all of Redis.

Every worker sweeps; each part is safe to do twice or by two at once. Nothing here touches a job that somebody holds.
"""

import logging
from collections import Counter

from core.events.event import event
from core.metrics import CALLBACKS_DEAD, CREDITS, JOBS_FINISHED, QUEUE_DUE_JOBS, QUEUE_OLDEST_SECONDS, TOKENS
from core.model import transitions
from core.model.job import Status
from core.model.token import TokenState
from core.store.leases import LeaseLost
from worker.context import WorkerContext
from worker.maintenance.periodic import go_round

log = logging.getLogger(__name__)

#: sessions may still name an expired token for so long
_IDENTITY_KEPT_MS = 24 * 3600 * 1000


async def sweep_for_ever(kit: WorkerContext) -> None:
    """Sweep every few seconds, each time from where the last one stopped."""
    cursor = 0

    async def once() -> None:
        nonlocal cursor
        cursor = await sweep(kit, cursor)

    await go_round("sweep", once, every_s=kit.settings.sweep_s)


async def sweep(kit: WorkerContext, cursor: int) -> int:
    """Sweep once; returns where the next one goes on."""
    rung, cursor = await kit.turns.repair(cursor)
    if rung:
        log.warning("rang again for %d jobs or callbacks that were left behind", rung)
    await _expire(kit)
    await _retire(kit)
    await _drop_uploads(kit)
    await _drop_old_identities(kit)
    await _gauge(kit)
    return cursor


async def _expire(kit: WorkerContext) -> None:
    """Queued jobs whose start_timeout_s is over."""
    now_ms = kit.clock.now_ms()
    for job in await kit.jobs.load_many(await kit.turns.not_started_in_time()):
        if job.status is not Status.QUEUED:
            continue
        over = transitions.expired(job, now_ms=now_ms)
        webhook = await kit.webhooks.default(job.tenant)
        news = event(job, over, webhook=webhook, public_url=kit.settings.public_url, now_ms=now_ms)
        try:
            await kit.jobs.commit(job, over, owner=None, event=news)
        except LeaseLost:
            continue  # it has started, or was cancelled, at the last moment
        JOBS_FINISHED.labels(over.profile, over.status, "").inc()


async def _retire(kit: WorkerContext) -> None:
    """Ended jobs and deliveries whose time is over, with their files: all of them, since they end as fast as they began."""
    while due := await kit.turns.to_retire():
        for item_id in due:
            await _forget(kit, item_id)


async def _forget(kit: WorkerContext, item_id: str) -> None:
    if item_id.startswith("dlv_"):
        await kit.deliveries.forget(item_id)
        return
    job = await kit.jobs.load(item_id)
    if job and job.output and job.output.path:
        await kit.storage.delete(job.output.path)
    await kit.jobs.forget(item_id)


async def _drop_old_identities(kit: WorkerContext) -> None:
    """Anonymous tokens that have expired and that no job uses any more: there is a new one a week."""
    over_ms = kit.clock.now_ms() - _IDENTITY_KEPT_MS
    for token in await kit.tokens.all():
        if token.kind == "anonymous" and not token.in_flight and (token.expires_ms or over_ms) < over_ms:
            await kit.tokens.remove(token.id)


async def _drop_uploads(kit: WorkerContext) -> None:
    """Uploads that nobody has used for a day."""
    for upload in await kit.uploads.due():
        await kit.storage.delete(upload.path)
        await kit.uploads.drop(upload)


async def _gauge(kit: WorkerContext) -> None:
    due, oldest_ms = await kit.turns.due(), await kit.turns.oldest_queued_ms()
    QUEUE_DUE_JOBS.set(due)
    QUEUE_OLDEST_SECONDS.set((kit.clock.now_ms() - oldest_ms) / 1000 if oldest_ms else 0)
    CALLBACKS_DEAD.set(await kit.deliveries.dead_count())
    tokens = await kit.tokens.all()
    states = Counter(token.state for token in tokens)
    for state in TokenState:
        TOKENS.labels(state).set(states[state])
    CREDITS.labels("available").set(sum(token.available or 0 for token in tokens))
    CREDITS.labels("frozen").set(sum(token.frozen or 0 for token in tokens))
    CREDITS.labels("reserved").set(sum(token.reserved for token in tokens))

"""Shows the gauges over all of Redis, which one worker counts for all: jobs, slots, tokens and credits, callbacks."""

from core.metrics import (
    CALLBACKS_DEAD,
    CALLBACKS_OLDEST_SECONDS,
    CALLBACKS_OVERDUE_SECONDS,
    CALLBACKS_PENDING,
    CREDITS,
    GAUGES_TIMESTAMP,
    JOBS,
    PAUSED,
    QUEUE_DUE_JOBS,
    QUEUE_OLDEST_SECONDS,
    SLOTS,
    SLOTS_USED,
    TENANTS,
    TOKENS,
    WORKERS,
)
from core.store.gauges import Gauges
from worker.context import WorkerContext
from worker.metrics import JOB_STATES


async def update_gauges(context: WorkerContext, *, mend: bool) -> None:
    """Read how everything stands; what is shown stays where nobody can tell, and its time says how old it is."""
    found = await context.gauges.read(worker=context.leases.worker_id, mend=mend)
    if found:
        _show(found)


def _show(found: Gauges) -> None:
    for state in JOB_STATES:
        JOBS.labels(str(state)).set(found.jobs.get(state, 0))
    if found.tenants is not None:
        TENANTS.set(found.tenants)
    PAUSED.labels("tenants").set(found.tenants_paused)
    PAUSED.labels("everybody").set(found.everybody_paused)
    QUEUE_DUE_JOBS.set(found.due)
    QUEUE_OLDEST_SECONDS.set(_age_s(found, found.oldest_queued_at_ms))
    WORKERS.set(found.workers)
    SLOTS.set(found.slots)
    SLOTS_USED.set(found.slots_used)
    for state, count in found.tokens.items():
        TOKENS.labels(state).set(count)
    for kind, credits_ in found.credits.items():
        CREDITS.labels(kind).set(credits_)
    CALLBACKS_PENDING.set(found.pending)
    CALLBACKS_OLDEST_SECONDS.set(_age_s(found, found.oldest_pending_at_ms))
    if found.oldest_due_callback_ms is not None:
        CALLBACKS_OVERDUE_SECONDS.set(_age_s(found, found.oldest_due_callback_ms))
    CALLBACKS_DEAD.set(found.dead)
    GAUGES_TIMESTAMP.set(found.counted_at_ms / 1000)


def _age_s(found: Gauges, since_ms: int | None) -> float:
    """How old it was when it was counted, by Redis's clock, which this host's may be ahead of."""
    return max(0, found.counted_at_ms - since_ms) / 1000 if since_ms else 0

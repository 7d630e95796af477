"""Cancels a job: a queued one ends at once, the worker of a running one hears of it and ends it at the backend too."""

from core.model.job import Job
from core.model.transitions import cancel_asked
from core.store.audit import AuditEntry, AuditTrail
from core.store.jobs.unheld import commit_unheld
from core.store.leases import LeaseLost
from service.context import ApiContext
from service.lookup import own_job


async def request_cancel(context: ApiContext, job: Job, *, audit: AuditEntry | None = None) -> Job:
    """Write the cancel over whatever the job's worker has written meanwhile.

    `audit`: an operator asks for it, which is written down also where there is nothing to cancel any more.
    """
    while True:
        after = cancel_asked(job, now_ms=context.clock.now_ms()) if not job.ended else job
        if after is job:
            if audit:
                await AuditTrail(context.store).append(audit, f"unchanged: {job.status}")
            return job
        try:
            return await _write(context, job, after, audit)
        except LeaseLost:
            job = await own_job(context, job.tenant, job.id)


async def _write(context: ApiContext, job: Job, after: Job, audit: AuditEntry | None) -> Job:
    return await commit_unheld(
        context.jobs,
        job,
        after,
        read_default=context.webhooks.default_with_stored,
        public_url=context.settings.public_url,
        now_ms=context.clock.now_ms(),
        audit=audit,
    )

"""A job as callers read it right now: with a fresh signed link to its output, its place in the queue, and estimates."""

import asyncio
from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from core.errors import WaitReason
from core.model.job import Job, Status
from core.model.job_view import JobView, WaitView, view
from core.security.links import output_link, with_link
from core.store.jobs.queries import QueuePosition
from service.context import ApiContext
from service.jobs.eta import Eta, eta_of, look_again_s


async def current_view(context: ApiContext, job: Job) -> JobView:
    """Show one job as it is right now."""
    shown = linked_view(context, job)
    if job.status is Status.QUEUED:
        position, timings = await context.job_queries.place(job), await context.timings.now()
        shown.wait = _wait_view(position, eta_of(position, timings, tenant_places=_tenant_places(context)))
    return shown


async def current_views(context: ApiContext, jobs: Sequence[Job]) -> list[JobView]:
    """Show a page of jobs."""
    return list(await asyncio.gather(*(current_view(context, job) for job in jobs)))


def linked_view(context: ApiContext, job: Job) -> JobView:
    """Show a job with a fresh link, without its place in the queue."""
    shown = view(job, public_url=context.settings.public_url)
    if shown.output and job.output and job.output.path:
        shown.output.url, shown.output.expires_at = output_link(
            context.encryption,
            job.id,
            public_url=context.settings.public_url,
            file_expires_at_ms=job.output.expires_at_ms,
            now_ms=context.clock.now_ms(),
        )
    return shown


async def seconds_to_next_look(context: ApiContext, job: Job, shown: JobView) -> int:
    """Say when a job that has not ended is worth another look: its Retry-After."""
    wait = shown.wait
    eta = Eta(wait.eta_p50_s, wait.eta_p90_s or 0) if wait and wait.eta_p50_s else None
    return look_again_s(job, await context.timings.now(), eta, now_ms=context.clock.now_ms())


def _tenant_places(context: ApiContext) -> int:
    return context.settings.tenant_running_jobs


def _wait_view(position: QueuePosition, eta: Eta | None) -> WaitView:
    at_cap = WaitReason.TENANT_CAP if position.at_cap else WaitReason.QUEUED_BEHIND
    return WaitView(
        reason=WaitReason.SESSION_BUSY if position.behind else at_cap,
        behind=position.behind,
        position=position.position,
        eta_p50_s=eta.p50_s if eta else None,
        eta_p90_s=eta.p90_s if eta else None,
    )


def etag_of(shown: JobView) -> str:
    """Name what a caller sees, but for the link, which is fresh every time: hence a weak tag."""
    output = shown.output and msgspec.structs.replace(shown.output, url=None, expires_at="")
    bare = msgspec.structs.replace(shown, output=output)
    return f'W/"{blake2b(msgspec.json.encode(bare), digest_size=12).hexdigest()}"'


def with_fresh_link(context: ApiContext, body: bytes) -> bytes:
    """Put a fresh link into a kept event's body; the many that tell of no file go out as they are."""
    if b'"output":{' not in body:
        return body
    settings = context.settings
    return with_link(body, context.encryption, public_url=settings.public_url, now_ms=context.clock.now_ms())

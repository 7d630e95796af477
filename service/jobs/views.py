"""A job on its way out: with a fresh signed link to its output, and its place in the queue. Shared by all routes."""

import asyncio
from collections.abc import Sequence
from hashlib import blake2b

import msgspec
from litestar import Response

from core.errors import WaitReason
from core.model.job import Job, Status
from core.model.job_view import JobView, WaitView, view
from core.security.links import output_link, with_link
from core.store.jobs.queries import QueuePosition
from service.context import ApiContext
from service.jobs.eta import Eta, look_again_s, pace_of


async def shown(parts: ApiContext, job: Job) -> JobView:
    """Show one job as it is right now."""
    if job.status is not Status.QUEUED:
        return shown_plain(parts, job)
    pace = pace_of(await parts.forecasts.now(), tenant_places=parts.settings.tenant_running_jobs)
    seen = shown_plain(parts, job)
    seen.wait = _waiting(await parts.listing.queue_position(job, pace))
    return seen


async def retry_after_s(parts: ApiContext, job: Job, seen: JobView) -> int:
    """Say when a job that has not ended is worth another look."""
    wait = seen.wait
    eta = Eta(wait.eta_p50_s, wait.eta_p90_s or 0) if wait and wait.eta_p50_s else None
    return look_again_s(job, await parts.forecasts.now(), eta, now_ms=parts.clock.now_ms())


async def shown_all(parts: ApiContext, jobs: Sequence[Job]) -> list[JobView]:
    """Show a page of jobs."""
    return list(await asyncio.gather(*(shown(parts, job) for job in jobs)))


def shown_plain(parts: ApiContext, job: Job) -> JobView:
    """Show a job without its place in the queue."""
    seen = view(job, public_url=parts.settings.public_url)
    if seen.output and job.output and job.output.path:
        link = output_link(
            parts.vault,
            job.id,
            public_url=parts.settings.public_url,
            file_expires_at_ms=job.output.expires_at_ms,
            now_ms=parts.clock.now_ms(),
        )
        seen.output.url, seen.output.expires_at = link
    return seen


def _waiting(place: QueuePosition) -> WaitView:
    at_cap = WaitReason.TENANT_CAP if place.at_cap else WaitReason.QUEUED_BEHIND
    return WaitView(
        reason=WaitReason.SESSION_BUSY if place.behind else at_cap,
        behind=place.behind,
        position=place.position,
        eta_p50_s=place.eta_p50_s,
        eta_p90_s=place.eta_p90_s,
    )


def etag_of(seen: JobView) -> str:
    """Name what a caller sees, but for the link, which is fresh every time: hence a weak tag."""
    output = seen.output and msgspec.structs.replace(seen.output, url=None, expires_at="")
    bare = msgspec.structs.replace(seen, output=output)
    return f'W/"{blake2b(msgspec.json.encode(bare), digest_size=12).hexdigest()}"'


def answer(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    """Answer with JSON."""
    return Response(
        msgspec.json.encode(value), status_code=status, media_type="application/json", headers=headers or {}
    )


def with_fresh_link(parts: ApiContext, body: bytes) -> bytes:
    """Put a fresh link into a kept event's body; the many that tell of no file go out as they are."""
    if b'"output":{' not in body:
        return body
    return with_link(body, parts.vault, public_url=parts.settings.public_url, now_ms=parts.clock.now_ms())

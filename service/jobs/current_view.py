"""A job as callers read it right now: with a fresh signed link to its output, its position in the queue, and estimates."""

import asyncio
from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from core.clock import parse_rfc3339_ms, rfc3339
from core.errors import WaitReason
from core.model.input_view import input_view
from core.model.job import Job, Status
from core.model.job_view import JobView, OutputView, WaitView, view
from core.security.signed_links import LINK_LIFE_MS, output_link, with_link
from core.store.jobs.queries import QueuePosition
from service.context import ApiContext
from service.jobs.eta import look_again_s, pace_of

#: links that were made within one such time are alike to who asks whether anything has changed
_LINKS_ALIKE_MS = LINK_LIFE_MS // 2
#: a page of jobs has so many bytes at most: a hundred with long prompts and fifty files each are of 25 MB
PAGE_BYTES = 4_000_000
_WRITTEN_AT_ONCE = 10


async def current_view(context: ApiContext, job: Job) -> JobView:
    """Show one job as it is right now, with what it was asked for."""
    shown = linked_view(context, job)
    shown.input = input_view(job)
    if job.status is Status.QUEUED:
        shown.wait = await current_wait(context, job)
    return shown


async def current_wait(context: ApiContext, job: Job) -> WaitView:
    """Say why a queued job waits right now, and until when."""
    pace = pace_of(await context.timings.now(), tenant_places=context.settings.tenant_running_jobs)
    return _wait_view(await context.job_queries.queue_position(job, pace))


async def current_rows(context: ApiContext, jobs: Sequence[Job]) -> list[msgspec.Raw]:
    """Write a page of jobs, as JSON: as many of them as `PAGE_BYTES` take, and one at least. Others get their turn in between."""
    rows: list[msgspec.Raw] = []
    left_bytes = PAGE_BYTES
    for start in range(0, len(jobs), _WRITTEN_AT_ONCE):
        await asyncio.sleep(0)
        for shown in await asyncio.gather(
            *(current_view(context, job) for job in jobs[start : start + _WRITTEN_AT_ONCE])
        ):
            row = msgspec.json.encode(shown)
            left_bytes -= len(row)
            if rows and left_bytes < 0:
                return rows
            rows.append(msgspec.Raw(row))
    return rows


def linked_view(context: ApiContext, job: Job) -> JobView:
    """Show a job with a fresh link, without its position in the queue."""
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
    eta_p50_s = shown.wait.eta_p50_s if shown.wait else None
    return look_again_s(job, await context.timings.now(), eta_p50_s or None, now_ms=context.clock.now_ms())


def _wait_view(position: QueuePosition) -> WaitView:
    return WaitView(
        reason=_wait_reason(position),
        behind=position.behind,
        position=position.position,
        eta_p50_s=position.eta_p50_s,
        eta_p90_s=position.eta_p90_s,
    )


def _wait_reason(position: QueuePosition) -> WaitReason:
    if position.paused:
        return WaitReason.PAUSED
    if position.behind:
        return WaitReason.SESSION_BUSY
    return WaitReason.TENANT_CAP if position.at_cap else WaitReason.QUEUED_BEHIND


def etag_of(shown: JobView, *, now_ms: int) -> str:
    """Name what a caller sees, but for the link, which is fresh every time: hence a weak tag.

    Twice in a link's life it is another one: whoever is told that nothing has changed goes on with the link that they have.
    """
    output = shown.output and msgspec.structs.replace(
        shown.output, url=None, expires_at=_good_until(shown.output, now_ms)
    )
    bare = msgspec.structs.replace(shown, output=output)
    return f'W/"{blake2b(msgspec.json.encode(bare), digest_size=12).hexdigest()}"'


def _good_until(output: OutputView, now_ms: int) -> str:
    """Say until when the links are good at least that were given lately: to the end of the film, where that is sooner."""
    lately_ms = now_ms - now_ms % _LINKS_ALIKE_MS
    return rfc3339(min(lately_ms + LINK_LIFE_MS, parse_rfc3339_ms(output.expires_at)))


def with_fresh_link(context: ApiContext, body: bytes) -> bytes:
    """Put a fresh link into a kept event's body; the many that tell of no file go out as they are."""
    if b'"output":{' not in body and b'"batch":{' not in body:
        return body
    settings = context.settings
    return with_link(body, context.encryption, public_url=settings.public_url, now_ms=context.clock.now_ms())

"""A job on its way out: with a fresh signed link to its output, and its place in the queue. Shared by all routes."""

import asyncio
from collections.abc import Sequence
from hashlib import blake2b

import msgspec
from litestar import Response

from core.errors import WaitReason
from core.job import Job, Stage, Status
from core.links import output_link, with_link
from core.store.listing import Place
from core.view import JobView, WaitView, view
from service.parts import Parts

#: when it is worth looking again, by what the job is doing
_LOOK_AGAIN_S: dict[Stage | None, int] = {
    None: 2,
    Stage.PREPARING: 2,
    Stage.UPLOADING: 2,
    Stage.EDITING: 5,
    Stage.RECOVERING: 10,
    Stage.RENDERING: 5,
    Stage.STORING: 1,
}


async def shown(parts: Parts, job: Job) -> JobView:
    """Show one job as it is right now."""
    place = await parts.listing.place(job) if job.status is Status.QUEUED else None
    return shown_at(parts, job, place)


async def shown_all(parts: Parts, jobs: Sequence[Job]) -> list[JobView]:
    """Show a page of jobs."""
    return list(await asyncio.gather(*(shown(parts, job) for job in jobs)))


def shown_at(parts: Parts, job: Job, place: Place | None) -> JobView:
    """Show a job whose place in the queue is known, or does not matter."""
    seen = view(job, public_url=parts.settings.public_url)
    if place and seen.wait:
        seen.wait = _waiting(place)
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


def _waiting(place: Place) -> WaitView:
    if place.behind:
        return WaitView(reason=WaitReason.SESSION_BUSY, behind=place.behind, position=place.position)
    reason = WaitReason.TENANT_CAP if place.at_cap else WaitReason.QUEUED_BEHIND
    return WaitView(reason=reason, position=place.position)


def etag_of(seen: JobView) -> str:
    """Name what a caller sees, but for the link, which is fresh every time: hence a weak tag."""
    output = seen.output and msgspec.structs.replace(seen.output, url=None, expires_at="")
    bare = msgspec.structs.replace(seen, output=output)
    return f'W/"{blake2b(msgspec.json.encode(bare), digest_size=12).hexdigest()}"'


def look_again_s(job: Job) -> int:
    """Say when a job that has not ended is worth another look."""
    return _LOOK_AGAIN_S[job.stage]


def answer(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    """Answer with JSON."""
    return Response(
        msgspec.json.encode(value), status_code=status, media_type="application/json", headers=headers or {}
    )


def with_fresh_link(parts: Parts, body: bytes) -> bytes:
    """Put a fresh link into a kept event's body; the many that tell of no file go out as they are."""
    if b'"output":{' not in body:
        return body
    return with_link(body, parts.vault, public_url=parts.settings.public_url, now_ms=parts.clock.now_ms())

"""Plays a worker's part in tests that have none: starts jobs and brings them to an end, through the real store."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from core.errors import Code
from core.events import event as events
from core.model import session, transitions
from core.model.job import Job, OutputFile
from core.store.jobs.admission import Admission
from service.context import ApiContext

VIDEO = bytes(range(256)) * 5000
TRACKS = b'[{"type":"video","name":"city"}]'
TIMELINE = "Timeline (1 tracks): 1. Video: city (0-10s)"
OWNER = "worker-1"


async def running(context: ApiContext, job_id: str, *, takes_s: float = 0) -> Job:
    """Take a job as a worker would, with a backend session, and let its edit be done."""
    await Admission(context.store, context.settings, context.clock).admit(worker="w", slots=50, alive_s=600)
    claim = await context.jobs.claim(job_id, owner=OWNER)
    assert claim is not None
    began_ms = context.clock.now_ms() - int(takes_s * 1000)
    opened = session.opened(claim.session, backend_id="5529", task_id="t", user_id="u", token_id="tok_1")
    started = transitions.started(claim.job, now_ms=began_ms)
    started = await context.jobs.commit(
        claim.job, started, owner=OWNER, session=opened, event=await told(context, claim.job, started)
    )
    edited = transitions.edited(started, changes=("Title added",), timeline=TIMELINE)
    return await context.jobs.commit(started, edited, owner=OWNER, fields={"tracks": TRACKS})


async def told(context: ApiContext, old: Job, new: Job) -> events.Event:
    webhook = await context.webhooks.default(new.tenant)
    now_ms = context.clock.now_ms()
    return events.event(old, new, webhook=webhook, public_url=context.settings.public_url, now_ms=now_ms)


async def succeed(context: ApiContext, job_id: str, *, kept: bool = True, takes_s: float = 0, **facts: Any) -> None:
    """End a job well, with a file in storage (or only at the backend's)."""
    now = await running(context, job_id, takes_s=takes_s)
    path = f"outputs/{job_id}.mp4" if kept else None
    if path:
        await context.storage.write(path, _video())
    file = OutputFile(
        path=path,
        backend_url=None if path else "https://cdn.example/out.mp4",
        format="mp4",
        duration_s=10.0,
        size_bytes=len(VIDEO),
        expires_at_ms=context.clock.now_ms() + 3600_000,
    )
    done = transitions.succeeded(now, now_ms=context.clock.now_ms(), output=file)
    done = msgspec.structs.replace(done, **facts)
    await context.jobs.commit(now, done, owner=OWNER, event=await told(context, now, done))


async def fail(context: ApiContext, job_id: str, code: Code = Code.RENDER_FAILED) -> None:
    """End a job badly."""
    now = await running(context, job_id)
    done = transitions.failed(now, now_ms=context.clock.now_ms(), code=code)
    await context.jobs.commit(now, done, owner=OWNER, event=await told(context, now, done))


async def _video() -> AsyncIterator[bytes]:
    yield VIDEO

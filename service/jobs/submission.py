"""Submitting: look at what the job meets, draft it (`service/jobs/validation.py`), accept it in one atomic step.

Called by the routes for submits, replays, batches and `:validate`. It knows no HTTP beyond the refusals that it raises.
"""

import asyncio
import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from core.clock import month_of
from core.events import event as events
from core.ids import is_id
from core.metrics import JOBS_ACCEPTED
from core.model.job import Job
from core.model.session import Session
from core.model.upload import Upload
from core.model.webhook import TenantWebhook
from core.store.jobs.submissions import Accepted, BatchStart, Idempotency, NotAccepted, Remembered, Replayed, Submission
from core.store.redis.codec import unpack
from core.store.tenants.api_keys import Caller
from service.context import ApiContext
from service.http.headers import IdempotencyKey
from service.jobs.eta import pace_of
from service.jobs.validation import JobInputs, NewJob, draft
from service.kept import Kept, Submitted, key_reused, opened, placed, replayed
from service.problems import FieldError, Refused, unknown_key
from service.schemas.requests import JobAsk

WINDOW_S = 60
#: characters; reading a thousand takes some milliseconds
LONG_PROMPT = 500


class Made(NamedTuple):
    """A job that may be accepted, and the session that has to be made for it."""

    job: Job
    session: Session | None


async def surroundings(parts: ApiContext, tenant: str, ask: JobAsk, *, at: str = "") -> JobInputs:
    """Load what a job names. Raises Refused (404) where it is not there, or another tenant's."""
    ids = {m.upload_id: n for n, m in enumerate(ask.media) if m.upload_id is not None}
    found = await asyncio.gather(
        *(own_upload(parts, tenant, i, at=f"{at}/media/{n}/upload_id") for i, n in ids.items())
    )
    uploads = {upload.id: upload for upload, _ in found}
    if ask.session_id is None:
        return JobInputs(uploads=uploads)
    session = await own_session(parts, tenant, ask.session_id, at=f"{at}/session_id")
    busy, _ = await parts.sessions.queue_of(session.id)
    return JobInputs(session=session, continues=bool(session.media or session.edits or busy), uploads=uploads)


async def own_session(parts: ApiContext, tenant: str, session_id: str, *, at: str | None = None) -> Session:
    """Load a session of this tenant's. Raises Refused (404)."""
    session = await parts.sessions.load(session_id) if is_id(session_id, "ses") else None
    if session is None or session.tenant != tenant:
        raise _missing("session", at)
    return session


async def own_upload(parts: ApiContext, tenant: str, upload_id: str, *, at: str | None = None) -> tuple[Upload, int]:
    """Load an upload of this tenant's, and when it goes (ms since the epoch). Raises Refused (404)."""
    found = await parts.uploads.load(upload_id) if is_id(upload_id, "upl") else None
    if found is None or found[0].tenant != tenant or found[1] <= parts.clock.now_ms():
        raise _missing("upload", at)
    return found


async def own_job(parts: ApiContext, tenant: str, job_id: str) -> Job:
    """Load a job of this tenant's. Raises Refused (404)."""
    job = await parts.jobs.load(job_id) if is_id(job_id, "job") else None
    if job is None or job.tenant != tenant:
        raise _missing("job", None)
    return job


def _missing(what: str, at: str | None) -> Refused:
    words = f"There is no such {what}."
    errors = [FieldError(pointer=at, code="not_found", detail=words)] if at else []
    return Refused(404, "not_found", words, errors=errors)


async def drafted(parts: ApiContext, tenant: str, ask: JobAsk, *, trace: str | None = None) -> NewJob:
    """Check a job without accepting it."""
    return await checked(parts, ask, await surroundings(parts, tenant, ask), tenant=tenant, trace=trace)


async def checked(
    parts: ApiContext, ask: JobAsk, around: JobInputs, *, tenant: str, trace: str | None, batch_id: str | None = None
) -> NewJob:
    """Check a job in what it meets; beside the loop where that takes long, so that other callers need not wait."""
    now_ms = parts.clock.now_ms()
    make = partial(draft, ask, around, parts.settings, tenant=tenant, now_ms=now_ms, trace=trace, batch_id=batch_id)
    return await asyncio.to_thread(make) if len(ask.prompt) > LONG_PROMPT else make()


async def accept(
    parts: ApiContext,
    caller: Caller,
    made: Sequence[Made],
    *,
    answer: Kept,
    call: IdempotencyKey | None,
    batch: BatchStart | None = None,
) -> Submitted:
    """Keep drafted jobs, all or none, with the answer that a repeated call shall get."""
    if len(made) > (quota := parts.settings.submits_per_minute):
        words = f"This key may submit {quota} jobs a minute, so a batch may hold no more."
        raise Refused(422, "invalid", words, errors=[FieldError(pointer="/jobs", code="too_many", detail=words)])
    await check_budget(parts, caller.tenant)
    idempotency = Idempotency(call.key_hash, call.body_hash, msgspec.msgpack.encode(answer)) if call else None
    outcome = await _accept_once(parts, caller, made, idempotency, batch)
    while isinstance(outcome, NotAccepted) and outcome.why == "webhook":
        parts.memory.forget_webhook(caller.tenant)
        outcome = await _accept_once(parts, caller, made, idempotency, batch)
    if isinstance(outcome, Replayed):
        return replayed(placed(opened(outcome.answer), outcome.waits))
    if isinstance(outcome, NotAccepted):
        raise _refusal(parts, outcome)
    for m in made:
        JOBS_ACCEPTED.labels(m.job.profile).inc()
    return Submitted(placed(answer, outcome.waits), replayed=False, limits=_limits(parts, outcome))


async def _accept_once(
    parts: ApiContext, caller: Caller, made: Sequence[Made], idempotency: Idempotency | None, batch: BatchStart | None
) -> Accepted | Replayed | NotAccepted:
    """Try it with the webhook that this process remembers; the script says where it has changed."""
    kept = await parts.memory.webhook(caller.tenant)
    webhook = unpack(kept, TenantWebhook) if kept else None
    submissions = [_submission(parts, m, webhook) for m in made]
    return await parts.intake.accept(
        submissions,
        key_id=caller.key_id,
        idempotency=idempotency,
        batch=batch,
        remembered=Remembered(kept),
        pace=pace_of(parts.forecasts.lately(), tenant_places=parts.settings.tenant_running_jobs),
    )


def _submission(parts: ApiContext, made: Made, webhook: TenantWebhook | None) -> Submission:
    event = events.event(
        None, made.job, webhook=webhook, public_url=parts.settings.public_url, now_ms=made.job.created_at_ms
    )
    return Submission(made.job, made.session, event)


async def check_budget(parts: ApiContext, tenant: str) -> None:
    """Refuse a tenant whose month's credits are spent (429)."""
    budget = parts.settings.tenant_month_credits
    if budget and (await parts.usage.of_month(tenant, month_of(parts.clock.now_ms()))).get("credits", 0) >= budget:
        words = f"This month's {budget} credits are used up."
        raise Refused(429, "budget_exceeded", words, headers={"Retry-After": "86400"})


def _limits(parts: ApiContext, accepted: Accepted) -> dict[str, str]:
    left = max(parts.settings.submits_per_minute - accepted.used, 0)
    return limit_headers(parts.settings.submits_per_minute, left, accepted.reset_ms)


def limit_headers(quota: int, left: int, reset_ms: int) -> dict[str, str]:
    """Write the RateLimit fields: so many left until the window ends."""
    reset_s = max(1, math.ceil(reset_ms / 1000))
    return {"RateLimit-Policy": f'"submit";q={quota};w={WINDOW_S}', "RateLimit": f'"submit";r={left};t={reset_s}'}


def _refusal(parts: ApiContext, refused: NotAccepted) -> Refused:
    quota = parts.settings.submits_per_minute
    retry_s = max(1, math.ceil(refused.retry_ms / 1000))
    match refused.why:
        case "reused":
            return key_reused()
        case "rate":
            headers = {"Retry-After": str(retry_s), **limit_headers(quota, 0, refused.retry_ms)}
            return Refused(429, "rate_limited", f"This key may submit {quota} jobs a minute.", headers=headers)
        case "queue_full":
            words = f"{parts.settings.tenant_queued_jobs} jobs may be queued."
            return Refused(429, "queue_full", words, headers={"Retry-After": "30"})
        case "overloaded":
            return Refused(503, "overloaded", "Too many jobs are queued.", headers={"Retry-After": "30"})
        case "revoked":
            parts.memory.forget_callers()
            return unknown_key()
        case "no_session" | "webhook":
            return _missing("session", "/session_id")

"""Submits jobs: loads what they name, validates them (`service/jobs/validation.py`), and accepts them in one atomic write.

Called by the routes for a submit and a `:validate`, and by `batch.py` and `replay.py`. It knows no HTTP beyond the
errors that it raises.
"""

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import Literal

from prometheus_client import Counter

from core.clock import month_of
from core.events import event as events
from core.http.retry_after import format_retry_after
from core.metrics import JOBS_ACCEPTED
from core.model.job import Job
from core.model.session import Session
from core.model.upload import Upload
from core.model.webhook import TenantWebhook
from core.settings import Settings
from core.store.audit import AuditEntry
from core.store.idempotency import Idempotency, StoredResponse, with_waits
from core.store.jobs.submissions import Accepted, BatchStart, Preconditions, Rejected, Replayed, Submission
from core.store.redis.codec import unpack
from core.store.tenants.api_keys import Caller
from service.context import ApiContext
from service.http.headers import NOWHERE, CallOrigin
from service.idempotency import IdempotencyKey, answered_with, key_reused, replayed, with_headers
from service.jobs.eta import pace_of
from service.jobs.validation import JobFacts, JobInputs, NewJob, makes_timeline, validate
from service.lookup import own_session, own_upload
from service.problems import ApiError, FieldError, not_found, unknown_key
from service.schemas.requests import JobRequest

#: the window of the submit limit
WINDOW_S = 60
#: characters; reading so many takes up to 1.5 ms of questions, and a third of that as a rule
LONG_PROMPT = 800
#: tries to accept a job while its tenant's webhook is being changed
_WEBHOOK_TRIES = 5


class InputGone(ApiError):  # noqa: N818 - says what is wrong
    """An upload or a session that was there when a job's body was read, and was gone when the job was to be accepted: 404.

    Raised without its place in the body, which only who has read that knows.
    """

    def __init__(self, what: Literal["upload", "session"], gone_id: str) -> None:
        missing = not_found(what)
        super().__init__(missing.status, missing.code, missing.detail)
        self.gone_id = gone_id

    def of(self, job: Job) -> ApiError | None:
        """Refuse a job as where it was gone before. None: the job does not name it."""
        if job.session_id == self.gone_id:
            return not_found("session", at="/session_id")
        at = next((n for n, media in enumerate(job.media) if media.upload_id == self.gone_id), None)
        return None if at is None else not_found("upload", at=f"/media/{at}/upload_id")


async def accept_job(
    context: ApiContext, caller: Caller, ask: JobRequest, *, key: IdempotencyKey | None, origin: CallOrigin
) -> StoredResponse:
    """Check a job and accept it."""
    new = await check_job(context, caller.tenant, ask, origin=origin)
    try:
        return await accept_jobs(context, caller, [new], response=job_response(new), key=key)
    except InputGone as gone:
        raise gone.of(new.job) or gone from None


async def check_job(context: ApiContext, tenant: str, ask: JobRequest, *, origin: CallOrigin = NOWHERE) -> NewJob:
    """Make all checks of a job that is no batch's, and accept nothing."""
    inputs = await load_inputs(context, tenant, ask)
    facts = JobFacts(tenant, context.clock.now_ms(), origin, measurements=context.job_outcomes.lately())
    return await validate_beside_loop(ask, inputs, context.settings, facts)


async def load_inputs(context: ApiContext, tenant: str, ask: JobRequest) -> JobInputs:
    """Load what a job names. Raises ApiError (404) where it is not there, or another tenant's."""
    uploads = await _load_uploads(context, tenant, ask)
    if ask.session_id is None:
        return JobInputs(uploads)
    session = await own_session(context, tenant, ask.session_id, at="/session_id")
    there = bool(session.media or session.edits) or await _is_on_its_way(context, session)
    return JobInputs(uploads, session, continues=there)


async def _is_on_its_way(context: ApiContext, session: Session) -> bool:
    """Tell whether jobs that have not ended will leave a timeline; of several one is taken to."""
    waiting, first = await context.sessions.queue_of(session.id)
    if waiting != 1 or first is None:
        return waiting > 0
    return all(makes_timeline(job) for job in await context.jobs.load_many([first]))  # none where it cannot be read


async def _load_uploads(context: ApiContext, tenant: str, ask: JobRequest) -> dict[str, Upload]:
    numbered = {m.upload_id: n for n, m in enumerate(ask.media) if m.upload_id is not None}
    if not numbered:
        return {}
    found = await asyncio.gather(
        *(own_upload(context, tenant, i, at=f"/media/{n}/upload_id") for i, n in numbered.items())
    )
    return {upload.id: upload for upload, _ in found}


async def validate_beside_loop(ask: JobRequest, inputs: JobInputs, settings: Settings, facts: JobFacts) -> NewJob:
    """Validate a job; in a thread where that takes long, so that other callers need not wait."""
    if len(ask.prompt) > LONG_PROMPT:
        return await asyncio.to_thread(validate, ask, inputs, settings, facts)
    return validate(ask, inputs, settings, facts)


def job_response(new: NewJob) -> StoredResponse:
    """Write the 202 of a job, before it is accepted: the bytes are kept with it."""
    return StoredResponse(new.job.id, {"Location": new.location}, new.view_json)


async def accept_jobs(
    context: ApiContext,
    caller: Caller,
    jobs: Sequence[NewJob],
    *,
    response: StoredResponse,
    key: IdempotencyKey | None,
    batch: BatchStart | None = None,
    audit: AuditEntry | None = None,
) -> StoredResponse:
    """Keep jobs, all or none, with the response that a repeated call shall get. `audit`: an operator submits them.

    Raises ApiError, of which InputGone concerns some of the jobs alone.
    """
    _check_size(jobs, context.settings)
    await check_budget(context, caller.tenant, jobs)
    idempotency = answered_with(key, response)
    outcome = await _accept_with_webhook(context, caller, jobs, idempotency, batch, audit=audit)
    if isinstance(outcome, Replayed):
        return replayed(outcome.answer, outcome.waits)
    if isinstance(outcome, Rejected):
        if outcome.why == "revoked":
            context.cache.forget_callers()
        raise rejection_error(outcome, context.settings)
    for new in jobs:
        _accepted(new.job.profile).inc()
    left = max(context.settings.submits_per_minute - outcome.used, 0)
    limits = rate_limit_headers(context.settings.submits_per_minute, left, outcome.reset_ms)
    return with_headers(with_waits(response, outcome.waits), limits)


@cache  # a closed set, as labels are
def _accepted(profile: str) -> Counter:
    return JOBS_ACCEPTED.labels(profile)


def _check_size(jobs: Sequence[NewJob], settings: Settings) -> None:
    if len(jobs) > (quota := settings.submits_per_minute):
        words = f"This key may submit {quota} jobs a minute, so a batch may hold no more."
        raise ApiError(422, "invalid", words, errors=[FieldError(pointer="/jobs", code="too_many", detail=words)])


async def check_budget(context: ApiContext, tenant: str, jobs: Sequence[NewJob]) -> None:
    """Refuse a tenant whose month's credits are spent (429). What sends no message is free: a film that was paid for is rendered."""
    budget = context.settings.tenant_month_credits
    if not budget or all(new.job.plan.message is None for new in jobs):
        return
    if (await context.usage.of_month(tenant, month_of(context.clock.now_ms()))).get("credits", 0) >= budget:
        words = f"This month's {budget} credits are used up."
        raise ApiError(429, "budget_exceeded", words)


async def _accept_with_webhook(
    context: ApiContext,
    caller: Caller,
    jobs: Sequence[NewJob],
    idempotency: Idempotency | None,
    batch: BatchStart | None,
    *,
    audit: AuditEntry | None,
) -> Accepted | Replayed | Rejected:
    """Accept with the webhook that this process remembers; read it anew where the operation says that it has changed."""
    outcome: Accepted | Replayed | Rejected = Rejected("webhook")
    for _ in range(_WEBHOOK_TRIES):
        stored = await context.cache.webhook(caller.tenant)
        outcome = await context.submissions.accept(
            _submissions(jobs, stored, context.settings),
            key_id=None if audit else caller.key_id,
            idempotency=idempotency,
            batch=batch,
            preconditions=Preconditions(stored),
            pace=pace_of(context.timings.lately(), tenant_places=context.settings.tenant_running_jobs),
            audit=audit,
        )
        if not (isinstance(outcome, Rejected) and outcome.why == "webhook"):
            break
        context.cache.forget_webhook(caller.tenant)
    return outcome


def _submissions(jobs: Sequence[NewJob], stored_webhook: bytes | None, settings: Settings) -> list[Submission]:
    webhook = unpack(stored_webhook, TenantWebhook) if stored_webhook else None
    return [Submission(new.job, new.session, _queued_event(new, webhook, settings)) for new in jobs]


def _queued_event(new: NewJob, webhook: TenantWebhook | None, settings: Settings) -> events.Event:
    return events.event(
        None,
        new.job,
        webhook=webhook,
        public_url=settings.public_url,
        now_ms=new.job.created_at_ms,
        view_json=new.view_json,
    )


def rate_limit_headers(quota: int, left: int, reset_ms: int) -> dict[str, str]:
    """Write the RateLimit fields: so many left until the window ends."""
    return {
        "RateLimit-Policy": f'"submit";q={quota};w={WINDOW_S}',
        "RateLimit": f'"submit";r={left};t={format_retry_after(reset_ms / 1000)}',
    }


def rejection_error(rejected: Rejected, settings: Settings) -> ApiError:
    """Say why `accept_jobs` took nothing in."""
    quota = settings.submits_per_minute
    match rejected.why:
        case "reused":
            return key_reused()
        case "rate":
            headers = {"Retry-After": format_retry_after(rejected.retry_ms / 1000)}
            headers |= rate_limit_headers(quota, 0, rejected.retry_ms)
            return ApiError(429, "rate_limited", f"This key may submit {quota} jobs a minute.", headers=headers)
        case "queue_full":
            words = f"{settings.tenant_queued_jobs} jobs may be queued."
            return ApiError(429, "queue_full", words)
        case "overloaded":
            return ApiError(503, "overloaded", "Too many jobs are queued.")
        case "revoked":
            return unknown_key()
        case "no_session":
            return InputGone("session", rejected.gone_id)
        case "no_upload":
            return InputGone("upload", rejected.gone_id)
        case "webhook":
            words = "The default webhook is being changed; nothing was done."
            return ApiError(503, "unavailable", words)

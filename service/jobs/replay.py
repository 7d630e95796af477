"""Replays a job: a new one made from one that has ended, from its start or only its render."""

from typing import Literal

import msgspec

from core.ids import new_id
from core.model.job import Job
from core.model.plan import Plan
from core.model.session import Session
from core.profiles import PROFILES
from core.settings import Settings
from core.store.audit import AuditEntry
from core.store.idempotency import StoredResponse
from core.store.tenants.api_keys import Caller
from service.context import ApiContext
from service.http.headers import CallOrigin
from service.idempotency import IdempotencyKey
from service.jobs.submission import InputGone, accept_jobs, job_response
from service.jobs.validation import JobFacts, NewJob, implicit_session, new_job
from service.lookup import own_job, own_upload
from service.problems import ApiError
from service.prompt import needs_media

Start = Literal["start", "render"]


async def accept_replay(
    context: ApiContext,
    caller: Caller,
    job_id: str,
    *,
    start: Start,
    key: IdempotencyKey | None,
    origin: CallOrigin,
    audit: AuditEntry | None = None,
) -> StoredResponse:
    """Accept a job like one that has ended. `audit`: an operator asks for it."""
    parent = await own_job(context, caller.tenant, job_id)
    session = await context.sessions.load(parent.session_id)
    facts = JobFacts(caller.tenant, context.clock.now_ms(), origin, measurements=context.job_outcomes.lately())
    new = replay(parent, session, context.settings, facts, start=start)
    audit = audit.about(job_id, new.job.id) if audit else None
    try:
        await _require_uploads(context, new.job)
        return await accept_jobs(context, caller, [new], response=job_response(new), key=key, audit=audit)
    except InputGone as gone:
        if gone.gone_id == new.job.session_id:
            raise _session_gone(start) from None
        raise _file_gone(new.job, gone.gone_id) from None


async def _require_uploads(context: ApiContext, job: Job) -> None:
    """Look whether a job's uploads are there. Raises InputGone."""
    for upload_id in filter(None, (media.upload_id for media in job.media)):
        try:
            await own_upload(context, job.tenant, upload_id)
        except ApiError:
            raise InputGone("upload", upload_id) from None


def _file_gone(job: Job, upload_id: str) -> ApiError:
    """Say which of its files a replay lacks: its caller has named none, and would take the job for missing."""
    name = next(media.name for media in job.media if media.upload_id == upload_id)
    words = f"The job's file '{name}' ({upload_id}) is gone. Upload it again, and submit a new job with it."
    return ApiError(404, "not_found", words)


def replay(parent: Job, session: Session | None, settings: Settings, facts: JobFacts, *, start: Start) -> NewJob:
    """Make the replay, and the session that has to be made for it. Raises ApiError (409) where it cannot be. Pure.

    A replay from the start of a job that had a session to itself begins anew in another one, since the old one's
    timeline may hold the edit already; one that went on from what others had brought goes on from it again. `session`
    None: the parent's is closed or forgotten.
    """
    _check(parent, session, start)
    alone = session is None or session.implicit or session.lost
    fresh = None
    if start == "start" and alone and not _went_on(parent):
        fresh = implicit_session(parent.tenant, parent.profile, parent.language, facts.now_ms, cell=settings.cell)
    job = Job(
        id=new_id("job", settings.cell),
        tenant=parent.tenant,
        prompt=parent.prompt,
        profile=parent.profile,
        media=parent.media if start == "start" else (),
        session_id=fresh.id if fresh else parent.session_id,
        language=parent.language,
        output_ask=msgspec.structs.replace(parent.output_ask, export=True) if start == "render" else parent.output_ask,
        plan=parent.plan if start == "start" else Plan(message=None, action="export"),
        webhook=parent.webhook,
        metadata=parent.metadata,
        priority=parent.priority,
        max_credits=parent.max_credits,
        start_timeout_s=parent.start_timeout_s,
        timeout_s=parent.timeout_s,
        retention_s=parent.retention_s,
        created_at_ms=facts.now_ms,
        parent_id=parent.id,
        traceparent=facts.origin.traceparent,
        request_id=facts.origin.request_id,
    )
    return new_job(job, fresh, settings, facts.measurements)


def _check(parent: Job, session: Session | None, start: Start) -> None:
    if parent.data_removed:
        raise ApiError(409, "conflict", "The job's data was deleted, so there is nothing to replay.")
    if not parent.ended:
        raise ApiError(409, "not_ended", "Replay it when it has.")
    if start == "render" and (session is None or session.lost or not session.backend_id):
        raise _session_gone(start)
    if start == "start" and (session is None or session.lost) and _went_on(parent):
        raise _session_gone(start)


def _session_gone(start: Start) -> ApiError:
    if start == "render":
        return ApiError(409, "session_lost", "The session and its timeline are gone; replay from the start.")
    words = (
        "The job went on from what others had brought into a session that is gone; submit it with files in a new one."
    )
    return ApiError(409, "session_lost", words)


def _went_on(parent: Job) -> bool:
    """Whether a job took its files from those before it: it brought none, and was accepted all the same."""
    profile = PROFILES.get(parent.profile)
    return not parent.media and profile is not None and needs_media(parent.plan, profile, continues_session=False)

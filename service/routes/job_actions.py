"""What can be done to a job: cancel it, delete what it holds, play it again."""

from litestar import Response, delete, post
from litestar.params import FromPath

from core.events import event as events
from core.metrics import JOBS_FINISHED
from core.model.job import Job
from core.model.job_view import JobView
from core.model.transitions import cancel_asked, removed
from core.store.leases import LeaseLost
from service.auth import needs
from service.context import ApiContext, Asked, context_of
from service.http.body import decoded, has_body, read_bytes
from service.http.headers import idempotency_key_of, traceparent, wait_s
from service.jobs.replay import replay_of
from service.jobs.submission import Made, accept, own_job, own_upload
from service.jobs.views import answer, shown, shown_plain
from service.kept import kept_answer, replayed, without_words
from service.openapi.describe import KEYED, About, Answer, about
from service.problems import Refused
from service.routes.jobs import ACCEPTED_HEADERS, SUBMIT_REFUSALS, WAITED_HEADERS, accepted_answer, answered
from service.schemas.requests import ReplayAsk


@post(
    "/v1/jobs/{job_id:str}/cancel",
    guards=[needs("submit")],
    status_code=202,
    opt=about(
        About(
            "cancelJob",
            "Cancel a job",
            "Jobs",
            {
                202: Answer("It is being stopped, or has been.", JobView, headers=("Retry-After",)),
                200: Answer("It had ended already.", JobView),
            },
            scope="submit",
        )
    ),
)
async def cancel_job(request: Asked, job_id: FromPath[str]) -> Response[bytes]:
    """Stop a job. Safe to repeat."""
    parts = context_of(request)
    job = await own_job(parts, request.user.tenant, job_id)
    if job.ended:
        return answer(await shown(parts, job))
    after = await _canceled(parts, job)
    headers = {} if after.ended else {"Retry-After": "1"}
    return answer(await shown(parts, after), status=202, headers=headers)


async def _canceled(parts: ApiContext, job: Job) -> Job:
    """Write the cancel over whatever the job's worker has written meanwhile."""
    while True:
        after = cancel_asked(job, now_ms=parts.clock.now_ms()) if not job.ended else job
        if after is job:
            return job
        try:
            written = await parts.jobs.commit(job, after, owner=None, event=await _event(parts, job, after))
        except LeaseLost:
            job = await own_job(parts, job.tenant, job.id)
            continue
        if written.ended:
            JOBS_FINISHED.labels(written.profile, written.status, "").inc()
        return written


async def _event(parts: ApiContext, old: Job, new: Job) -> events.Event:
    webhook = await parts.webhooks.default(new.tenant)
    return events.event(old, new, webhook=webhook, public_url=parts.settings.public_url, now_ms=parts.clock.now_ms())


@delete(
    "/v1/jobs/{job_id:str}",
    guards=[needs("submit")],
    status_code=200,
    opt=about(
        About(
            "deleteJob",
            "Delete what an ended job holds",
            "Jobs",
            {200: Answer("What is left of it: `data_removed` is true.", JobView)},
            scope="submit",
            refusals=(*KEYED, 409),
        )
    ),
)
async def delete_job(request: Asked, job_id: FromPath[str]) -> Response[bytes]:
    """Delete an ended job's prompt, media, output and reply; a tombstone stays. Safe to repeat."""
    parts = context_of(request)
    job = await own_job(parts, request.user.tenant, job_id)
    if not job.ended:
        raise Refused(409, "not_ended", "Cancel the job first.")
    if not job.data_removed:
        if job.output and job.output.path:
            await parts.storage.delete(job.output.path)
        tombstone = removed(job)
        await _forget_words(parts, job, tombstone)
        await parts.removal.bury(job, tombstone)
        job = tombstone
    return answer(await shown(parts, job))


async def _forget_words(parts: ApiContext, job: Job, tombstone: Job) -> None:
    """Take a job's words out of the answer that a repeated submit would get; the key stays used."""
    answered_under = await parts.jobs.field(job.id, "answered")
    if answered_under:
        seen = shown_plain(parts, tombstone)
        await parts.answers.change(
            job.tenant, answered_under.decode(), lambda kept, waits: without_words(kept, waits, seen)
        )


@post(
    "/v1/jobs/{job_id:str}/replay",
    guards=[needs("submit")],
    status_code=202,
    opt=about(
        About(
            "replayJob",
            "Play an ended job again",
            "Jobs",
            {
                202: Answer(
                    "A new job with this one as its `parent_id`.",
                    JobView,
                    headers=(*ACCEPTED_HEADERS, "Preference-Applied"),
                ),
                200: Answer("It ended while you waited.", JobView, headers=WAITED_HEADERS),
            },
            scope="submit",
            refusals=SUBMIT_REFUSALS,
            body=ReplayAsk,
            body_needed=False,
            headers=("Idempotency-Key", "Prefer", "traceparent"),
            example={"from": "render"},
        )
    ),
)
async def replay_job(request: Asked, job_id: FromPath[str]) -> Response[bytes]:
    """Submit a job like one that has ended: from its start, or only its render."""
    parts, caller = context_of(request), request.user
    raw = await read_bytes(request) if has_body(request) else b""
    call = idempotency_key_of(request.headers.get("idempotency-key"), path=f"/v1/jobs/{job_id}/replay", body=raw)
    if kept := await kept_answer(parts, caller.tenant, call):
        submitted = replayed(kept)
    else:
        ask = decoded(raw, ReplayAsk) if raw else ReplayAsk()
        made = await _replay(parts, await own_job(parts, caller.tenant, job_id), ask, request)
        submitted = await accept(parts, caller, [made], answer=accepted_answer(parts, made.job), call=call)
    return await answered(parts, submitted, wait_s(request.headers.get("prefer")))


async def _replay(parts: ApiContext, parent: Job, ask: ReplayAsk, request: Asked) -> Made:
    session = await parts.sessions.load(parent.session_id)
    trace = traceparent(request.headers.get("traceparent"))
    made = replay_of(parent, session, start=ask.start, now_ms=parts.clock.now_ms(), trace=trace)
    for media in made.job.media:
        if media.upload_id:
            await own_upload(parts, parent.tenant, media.upload_id)
    return made


HANDLERS = (cancel_job, delete_job, replay_job)

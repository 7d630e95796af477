"""What can be done to a job: cancel it, delete what it holds, play it again."""

from litestar import Response, delete, post
from litestar.params import FromPath

from core import callback
from core.job import Job
from core.metrics import JOBS_FINISHED
from core.store.jobs import LeaseLost
from core.verbs import cancel_asked, removed
from core.view import JobView
from service.auth import needs
from service.body import decoded, has_body, read_bytes
from service.kept import kept_answer, replayed, without_words
from service.operations import KEYED, About, Answer, about
from service.parts import Asked, Parts, parts_of
from service.preferences import key_of_call, traceparent, wait_s
from service.problems import Refused
from service.replaying import replay_of
from service.representation import answer, shown, shown_plain
from service.routes.jobs import ACCEPTED_HEADERS, SUBMIT_REFUSALS, WAITED_HEADERS, accepted_answer, answered
from service.schemas import ReplayAsk
from service.submit import Made, accept, own_job, own_upload


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
    parts = parts_of(request)
    job = await own_job(parts, request.user.tenant, job_id)
    if job.ended:
        return answer(await shown(parts, job))
    after = await _canceled(parts, job)
    headers = {} if after.ended else {"Retry-After": "1"}
    return answer(await shown(parts, after), status=202, headers=headers)


async def _canceled(parts: Parts, job: Job) -> Job:
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


async def _event(parts: Parts, old: Job, new: Job) -> callback.Event:
    webhook = await parts.tenants.webhook(new.tenant)
    return callback.event(old, new, webhook=webhook, public_url=parts.settings.public_url, now_ms=parts.clock.now_ms())


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
    parts = parts_of(request)
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


async def _forget_words(parts: Parts, job: Job, tombstone: Job) -> None:
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
    parts, caller = parts_of(request), request.user
    raw = await read_bytes(request) if has_body(request) else b""
    call = key_of_call(request.headers.get("idempotency-key"), path=f"/v1/jobs/{job_id}/replay", body=raw)
    if kept := await kept_answer(parts, caller.tenant, call):
        submitted = replayed(kept)
    else:
        ask = decoded(raw, ReplayAsk) if raw else ReplayAsk()
        made = await _replay(parts, await own_job(parts, caller.tenant, job_id), ask, request)
        submitted = await accept(parts, caller, [made], answer=accepted_answer(parts, made.job), call=call)
    return await answered(parts, submitted, wait_s(request.headers.get("prefer")))


async def _replay(parts: Parts, parent: Job, ask: ReplayAsk, request: Asked) -> Made:
    session = await parts.listing.session(parent.session_id)
    trace = traceparent(request.headers.get("traceparent"))
    made = replay_of(parent, session, start=ask.start, now_ms=parts.clock.now_ms(), trace=trace)
    for media in made.job.media:
        if media.upload_id:
            await own_upload(parts, parent.tenant, media.upload_id)
    return made


HANDLERS = (cancel_job, delete_job, replay_job)

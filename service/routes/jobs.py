"""Submit, validate, read and list jobs."""

import asyncio
from typing import Any

import msgspec
from litestar import Response, post
from litestar.params import FromPath

from core.ids import is_id
from core.model.job import Job
from core.model.job_view import JobView
from core.profiles import PROFILES
from service.auth import needs
from service.context import ApiContext, Asked, context_of
from service.http.body import decoded, read_bytes, read_query
from service.http.headers import idempotency_key_of, traceparent, wait_s
from service.http.pagination import page_of
from service.jobs.submission import Made, accept, drafted, own_job
from service.jobs.views import answer, etag_of, retry_after_s, shown, shown_all, shown_plain
from service.kept import Kept, Submitted, kept_answer, replayed
from service.openapi.describe import KEYED, About, Answer, about, reads
from service.schemas.requests import JobAsk, JobsQuery
from service.schemas.responses import JobPage, Validated

SUBMIT_REFUSALS = (*KEYED, 408, 409, 413, 415, 422, 429)
ACCEPTED_HEADERS = ("Location", "Retry-After", "RateLimit", "RateLimit-Policy", "Idempotency-Replayed")
WAITED_HEADERS = ("Location", "RateLimit", "RateLimit-Policy", "Idempotency-Replayed", "Preference-Applied")
EXAMPLE = {
    "prompt": "cut the pauses, add background music, and export in 1080p",
    "profile": "ai-video-pro-online",
    "media": [{"url": "https://example.com/clip.mp4"}],
    "metadata": {"order": "7"},
}


@post(
    "/v1/jobs",
    guards=[needs("submit", remembers=True)],
    status_code=202,
    opt=about(
        About(
            "submitJob",
            "Submit a job",
            "Jobs",
            {
                202: Answer("Accepted: the job is kept.", JobView, headers=(*ACCEPTED_HEADERS, "Preference-Applied")),
                200: Answer("It ended while you waited.", JobView, headers=WAITED_HEADERS),
            },
            scope="submit",
            refusals=SUBMIT_REFUSALS,
            body=JobAsk,
            headers=("Idempotency-Key", "Prefer", "traceparent"),
            example=EXAMPLE,
        )
    ),
)
async def submit_job(request: Asked) -> Response[bytes]:
    """Accept a job, or give again the answer that the same call got before."""
    parts, caller = context_of(request), request.user
    raw = await read_bytes(request)
    call = idempotency_key_of(request.headers.get("idempotency-key"), path="/v1/jobs", body=raw)
    if kept := await kept_answer(parts, caller.tenant, call):
        submitted = replayed(kept)
    else:
        made = await drafted(parts, caller.tenant, decoded(raw, JobAsk), trace=_trace(request))
        submitted = await accept(
            parts, caller, [Made(made.job, made.session)], answer=accepted_answer(parts, made.job), call=call
        )
    return await answered(parts, submitted, wait_s(request.headers.get("prefer")))


def _trace(request: Asked) -> str | None:
    return traceparent(request.headers.get("traceparent"))


def accepted_answer(parts: ApiContext, job: Job) -> Kept:
    """Write the 202 of a job, before it is accepted: the bytes are kept with it."""
    seen = shown_plain(parts, job)
    return Kept(job.id, {"Location": seen.links.self}, msgspec.json.encode(seen))


async def answered(parts: ApiContext, submitted: Submitted, patience_s: int | None) -> Response[bytes]:
    """Answer a submit: at once, or when the job has ended while its caller waits."""
    headers = {**submitted.kept.headers, **submitted.limits}
    if submitted.replayed:
        headers["Idempotency-Replayed"] = "true"
    if patience_s is not None:
        headers["Preference-Applied"] = f"wait={patience_s}"
        ended = await _ended_within(parts, submitted.kept.id, patience_s)
        if ended:
            return answer(await shown(parts, ended), headers=headers)
    body, headers["Retry-After"] = submitted.kept.body, "2"
    return Response(body, status_code=202, media_type="application/json", headers=headers)


async def _ended_within(parts: ApiContext, job_id: str, patience_s: int) -> Job | None:
    try:
        async with asyncio.timeout(patience_s):
            with parts.hub.listening(job_id) as bell:
                while not parts.hub.closing:
                    bell.clear()
                    job = await parts.jobs.load(job_id)
                    if job is None or job.ended:
                        return job
                    await bell.wait()
    except TimeoutError:
        pass
    return None


@post(
    "/v1/jobs:validate",
    guards=[needs("submit")],
    status_code=200,
    opt=about(
        About(
            "validateJob",
            "Check a job without submitting it",
            "Jobs",
            {200: Answer("A submit would be accepted; this is how the prompt is read.", Validated)},
            scope="submit",
            refusals=(*KEYED, 408, 413, 415, 422),
            body=JobAsk,
            example=EXAMPLE,
        )
    ),
)
async def validate_job(request: Asked) -> Response[bytes]:
    """Make all checks and accept nothing."""
    raw = await read_bytes(request)
    made = await drafted(context_of(request), request.user.tenant, decoded(raw, JobAsk))
    reading = made.reading
    return answer(Validated(valid=True, plan=reading.plan, output=reading.output, hints=reading.hints))


@reads(
    "/v1/jobs",
    guards=[needs("read")],
    opt=about(
        About(
            "listJobs",
            "List jobs, newest first",
            "Jobs",
            {200: Answer("A page of jobs.", JobPage, headers=("Link",))},
            scope="read",
            refusals=(*KEYED, 422),
            query=JobsQuery,
        )
    ),
)
async def list_jobs(request: Asked) -> Response[bytes]:
    """List jobs; the pages stay stable while new ones arrive."""
    parts, query = context_of(request), read_query(request, JobsQuery)
    if names_nothing(query):
        return page_of(request, parts, [], more=False)
    found = await parts.listing.jobs(
        request.user.tenant,
        status=query.status,
        session_id=query.session_id,
        profile=query.profile,
        after=query.after,
        limit=query.limit + 1,
    )
    rows = await shown_all(parts, found[: query.limit])
    return page_of(request, parts, rows, more=len(found) > query.limit)


def names_nothing(query: JobsQuery) -> bool:
    """Whether a filter can match no job; what is no id and no profile must not reach the store either."""
    no_session = query.session_id is not None and not is_id(query.session_id, "ses")
    return no_session or (query.profile is not None and query.profile not in PROFILES)


@reads(
    "/v1/jobs/{job_id:str}",
    guards=[needs("read")],
    opt=about(
        About(
            "readJob",
            "Read a job",
            "Jobs",
            {
                200: Answer("The job.", JobView, headers=("ETag", "Retry-After", "Cache-Control")),
                304: Answer("It looks as it did.", headers=("ETag", "Retry-After", "Cache-Control")),
            },
            scope="read",
            headers=("If-None-Match",),
        )
    ),
)
async def read_job(request: Asked, job_id: FromPath[str]) -> Response[Any]:
    """Read a job."""
    parts = context_of(request)
    job = await own_job(parts, request.user.tenant, job_id)
    seen = await shown(parts, job)
    headers = {"ETag": etag_of(seen), "Cache-Control": "private, no-cache"}
    if not job.ended:
        headers["Retry-After"] = str(await retry_after_s(parts, job, seen))
    if is_known(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(None, status_code=304, headers=headers)
    return answer(seen, headers=headers)


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Compare weakly, as If-None-Match does."""
    given = [t.strip().removeprefix("W/") for t in (if_none_match or "").split(",")]
    return "*" in given or tag.removeprefix("W/") in given


HANDLERS = (submit_job, validate_job, list_jobs, read_job)

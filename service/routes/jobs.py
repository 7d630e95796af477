"""Submit, validate, read and list jobs."""

from typing import Any

from litestar import Response, post
from litestar.params import FromPath

from core.ids import is_id
from core.model.job_view import JobView
from core.profiles import PROFILES
from service.auth import require_scope
from service.context import ApiRequest, context_of
from service.http.body import decode_json, read_json_body, read_query
from service.http.headers import matches_etag, parse_traceparent, parse_wait_s
from service.http.pagination import page_response
from service.http.responses import json_response
from service.idempotency import StoredResponse, key_of, replay_or_run
from service.jobs.prefer_wait import respond
from service.jobs.submission import check, submit
from service.jobs.views import current_view, current_views, etag_of, seconds_to_next_look
from service.lookup import own_job
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
    guards=[require_scope("submit", cached=True)],
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
async def submit_job(request: ApiRequest) -> Response[bytes]:
    """Accept a job, or give again the response that the same call got before."""
    context, caller = context_of(request), request.user
    raw = await read_json_body(request)
    key = key_of(request, body=raw)
    trace = parse_traceparent(request.headers.get("traceparent"))

    async def call() -> StoredResponse:
        return await submit(context, caller, decode_json(raw, JobAsk), key=key, traceparent=trace)

    accepted = await replay_or_run(context, caller.tenant, key, call)
    return await respond(context, accepted, parse_wait_s(request.headers.get("prefer")))


@post(
    "/v1/jobs:validate",
    guards=[require_scope("submit")],
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
async def validate_job(request: ApiRequest) -> Response[bytes]:
    """Make all checks and accept nothing."""
    ask = decode_json(await read_json_body(request), JobAsk)
    job = (await check(context_of(request), request.user.tenant, ask)).job
    return json_response(Validated(valid=True, plan=job.plan, output=job.output_ask, hints=job.hints))


@reads(
    "/v1/jobs",
    guards=[require_scope("read")],
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
async def list_jobs(request: ApiRequest) -> Response[bytes]:
    """List jobs; the pages stay stable while new ones arrive."""
    context, query = context_of(request), read_query(request, JobsQuery)
    if matches_nothing(query):
        return page_response(request, [], public_url=context.settings.public_url, more=False)
    found = await context.job_queries.jobs(
        request.user.tenant,
        status=query.status,
        session_id=query.session_id,
        profile=query.profile,
        after=query.after,
        limit=query.limit + 1,
    )
    rows = await current_views(context, found[: query.limit])
    return page_response(request, rows, public_url=context.settings.public_url, more=len(found) > query.limit)


def matches_nothing(query: JobsQuery) -> bool:
    """Whether a filter can match no job; what is no id and no profile must not reach the store either."""
    no_session = query.session_id is not None and not is_id(query.session_id, "ses")
    return no_session or (query.profile is not None and query.profile not in PROFILES)


@reads(
    "/v1/jobs/{job_id:str}",
    guards=[require_scope("read")],
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
async def read_job(request: ApiRequest, job_id: FromPath[str]) -> Response[Any]:
    """Read a job."""
    context = context_of(request)
    job = await own_job(context, request.user.tenant, job_id)
    shown = await current_view(context, job)
    headers = {"ETag": etag_of(shown), "Cache-Control": "private, no-cache"}
    if not job.ended:
        headers["Retry-After"] = str(await seconds_to_next_look(context, job, shown))
    if matches_etag(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(None, status_code=304, headers=headers)
    return json_response(shown, headers=headers)


HANDLERS = (submit_job, validate_job, list_jobs, read_job)

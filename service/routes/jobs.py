"""Submit, validate, read and list jobs."""

from typing import Any

from litestar import HttpMethod, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from core.ids import is_id
from core.model.job_view import JobView
from core.profiles import PROFILES
from core.store.idempotency import StoredResponse
from service.auth import GuardedRoute, RequireScope
from service.context import ApiRequest, context_of
from service.http.body import decode_json, read_json_body
from service.http.headers import (
    IfNoneMatchHeader,
    PreferHeader,
    TraceparentHeader,
    call_origin_of,
    matches_etag,
    parse_wait_s,
)
from service.http.json_response import json_response
from service.http.pagination import page_response
from service.http.query import query_params
from service.idempotency import IdempotencyKeyHeader, parse_key, replay_or_run
from service.jobs.current_view import current_view, current_views, etag_of, seconds_to_next_look
from service.jobs.prefer_wait import respond
from service.jobs.submission import accept_job, check_job
from service.lookup import own_job
from service.openapi.describe import ResponseDoc, json_body, problems, reads
from service.schemas.requests import JobRequest, JobsQuery
from service.schemas.responses import JobPage, Validated

SUBMIT_REFUSALS = (408, 409, 413, 415, 422, 429)
ACCEPTED_HEADERS = ("Location", "Retry-After", "RateLimit", "RateLimit-Policy", "Idempotency-Replayed")
WAITED_HEADERS = ("Location", "RateLimit", "RateLimit-Policy", "Idempotency-Replayed", "Preference-Applied")
EXAMPLE = {
    "prompt": "cut the pauses, add background music, and export in 1080p",
    "profile": "ai-video-pro-online",
    "media": [{"url": "https://example.com/clip.mp4"}],
    "metadata": {"order": "7"},
}


@GuardedRoute(
    "/v1/jobs",
    http_method=HttpMethod.POST,
    guards=[RequireScope("submit", cached=True)],
    status_code=202,
    operation_id="submitJob",
    summary="Submit a job",
    tags=["Jobs"],
    responses={
        202: ResponseDoc("Accepted: the job is kept.", JobView, headers=(*ACCEPTED_HEADERS, "Preference-Applied")),
        200: ResponseDoc("It ended while you waited.", JobView, headers=WAITED_HEADERS),
    }
    | problems(*SUBMIT_REFUSALS),
    opt=json_body(JobRequest, example=EXAMPLE),
)
async def submit_job(
    request: ApiRequest,
    idempotency_key: IdempotencyKeyHeader = None,
    prefer: PreferHeader = None,
    traceparent: TraceparentHeader = None,
) -> Response[bytes]:
    """Accept a job, or give again the response that the same call got before."""
    context, caller = context_of(request), request.user
    raw = await read_json_body(request)
    key = parse_key(idempotency_key, path=request.scope["path"], body=raw)
    origin = call_origin_of(request.scope, traceparent)

    async def call() -> StoredResponse:
        return await accept_job(context, caller, decode_json(raw, JobRequest), key=key, origin=origin)

    accepted = await replay_or_run(context, caller.tenant, key, call)
    return await respond(context, accepted, parse_wait_s(prefer))


@post(
    "/v1/jobs:validate",
    guards=[RequireScope("submit")],
    status_code=200,
    operation_id="validateJob",
    summary="Check a job without submitting it",
    tags=["Jobs"],
    responses={200: ResponseDoc("A submit would be accepted; this is how the prompt is read.", Validated)}
    | problems(408, 413, 415, 422),
    opt=json_body(JobRequest, example=EXAMPLE),
)
async def validate_job(request: ApiRequest) -> Response[bytes]:
    """Make all checks and accept nothing."""
    ask = decode_json(await read_json_body(request), JobRequest)
    job = (await check_job(context_of(request), request.user.tenant, ask)).job
    return json_response(Validated(valid=True, plan=job.plan, output=job.output_ask, hints=job.hints))


@reads(
    "/v1/jobs",
    guards=[RequireScope("read")],
    operation_id="listJobs",
    summary="List jobs, newest first",
    tags=["Jobs"],
    responses={200: ResponseDoc("A page of jobs.", JobPage, headers=("Link",))} | problems(422),
    dependencies={"params": query_params(JobsQuery)},
)
async def list_jobs(request: ApiRequest, params: NamedDependency[JobsQuery]) -> Response[bytes]:
    """List jobs; the pages stay stable while new ones arrive."""
    context = context_of(request)
    if matches_nothing(params):
        return page_response(request, [], public_url=context.settings.public_url, more=False)
    found = await context.job_queries.jobs(
        request.user.tenant,
        status=params.status,
        session_id=params.session_id,
        profile=params.profile,
        after=params.after,
        limit=params.limit + 1,
    )
    rows = await current_views(context, found[: params.limit])
    return page_response(request, rows, public_url=context.settings.public_url, more=len(found) > params.limit)


def matches_nothing(params: JobsQuery) -> bool:
    """Whether a filter can match no job; what is no id and no profile must not reach the store either."""
    no_session = params.session_id is not None and not is_id(params.session_id, "ses")
    return no_session or (params.profile is not None and params.profile not in PROFILES)


@reads(
    "/v1/jobs/{job_id:str}",
    guards=[RequireScope("read")],
    operation_id="readJob",
    summary="Read a job",
    tags=["Jobs"],
    responses={
        200: ResponseDoc("The job.", JobView, headers=("ETag", "Retry-After", "Cache-Control")),
        304: ResponseDoc("It looks as it did.", headers=("ETag", "Retry-After", "Cache-Control")),
    }
    | problems(),
)
async def read_job(
    request: ApiRequest, job_id: FromPath[str], if_none_match: IfNoneMatchHeader = None
) -> Response[Any]:
    context = context_of(request)
    job = await own_job(context, request.user.tenant, job_id)
    shown = await current_view(context, job)
    headers = {"ETag": etag_of(shown), "Cache-Control": "private, no-cache"}
    if not job.ended:
        headers["Retry-After"] = str(await seconds_to_next_look(context, job, shown))
    if matches_etag(if_none_match, headers["ETag"]):
        return Response(None, status_code=304, headers=headers)
    return json_response(shown, headers=headers)

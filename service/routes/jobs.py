"""Submit, validate, read and list jobs."""

from typing import Any

from litestar import HttpMethod, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from core.ids import is_id
from core.model.job_view import JobView, estimate_view
from core.profiles import PROFILES
from core.store.idempotency import StoredResponse
from core.store.jobs.queries import JobFilter, JobsFound
from service.auth import GuardedRoute, RequireScope, require_unrevoked
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
from service.http.times import parse_time_ms
from service.idempotency import IdempotencyKeyHeader, is_replayed, parse_key, replay_or_run
from service.jobs.current_view import current_rows, current_view, etag_of, seconds_to_next_look
from service.jobs.prefer_wait import respond
from service.jobs.submission import accept_job, check_budget, check_job
from service.lookup import own_job, require_cursor, require_ids_of_here
from service.openapi.describe import (
    IDEMPOTENT,
    JSON_BODY,
    PUBLIC_URL,
    QUERY,
    Refusals,
    ResponseDoc,
    json_body,
    problems,
    reads,
)
from service.schemas.requests import JobRequest, JobsQuery
from service.schemas.responses import JobPage, Validated

#: what is wrong with a job that was read
JOB_REFUSALS: Refusals = {
    422: ("invalid", "unknown_profile", "media_needed", "unsupported_media", "media_too_large", "too_large")
    + PUBLIC_URL[422]
}
#: a job that is well is not taken
FULL: Refusals = {429: ("rate_limited", "queue_full", "budget_exceeded"), 503: ("overloaded",)}
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
        202: ResponseDoc(
            "Accepted: the job is kept, whatever crashes now.",
            JobView,
            headers=(*ACCEPTED_HEADERS, "Preference-Applied"),
            example="JobView, queued",
        ),
        200: ResponseDoc(
            "It ended while you waited (`Prefer`), well or badly: see `status`.", JobView, headers=WAITED_HEADERS
        ),
    }
    | problems(JSON_BODY, IDEMPOTENT, JOB_REFUSALS, FULL),
    opt=json_body(JobRequest, example=EXAMPLE),
)
async def submit_job(
    request: ApiRequest,
    idempotency_key: IdempotencyKeyHeader = None,
    prefer: PreferHeader = None,
    traceparent: TraceparentHeader = None,
) -> Response[bytes]:
    """Accept a video edit and answer at once; it is carried out behind the call, and a signed callback tells its end.

    When: for every edit. Send an Idempotency-Key, so that a repeated call is the same job. Try prompts out with
    `POST /v1/jobs:validate`.
    Cost: one submit of the key's minute, and the backend's credits when its message is sent: typically 50 for an edit and
    100 where something is generated; the answer's `estimate` says what to expect of this one. Rendering costs no credits.
    A refused call costs nothing.
    """
    context, caller = context_of(request), request.user
    raw = await read_json_body(request)
    key = parse_key(idempotency_key, path=request.scope["path"], body=raw)
    origin = call_origin_of(request.scope, traceparent)

    async def call() -> StoredResponse:
        return await accept_job(context, caller, decode_json(raw, JobRequest), key=key, origin=origin)

    accepted = await replay_or_run(context, caller.tenant, key, call)
    if is_replayed(accepted):
        await require_unrevoked(context, caller)
    return await respond(context, accepted, parse_wait_s(prefer), caller)


@post(
    "/v1/jobs:validate",
    guards=[RequireScope("submit")],
    status_code=200,
    operation_id="validateJob",
    summary="Check a job without submitting it",
    tags=["Jobs"],
    responses={200: ResponseDoc("A submit would be accepted; this is how the prompt is read.", Validated)}
    | problems(JSON_BODY, JOB_REFUSALS, {429: ("budget_exceeded",)}),
    opt=json_body(JobRequest, example=EXAMPLE),
)
async def validate_job(request: ApiRequest) -> Response[bytes]:
    """Make all checks of a submit, tell how the prompt is read and what it will cost and take, and accept nothing.

    When: while a person writes a prompt, or a program is being built: it shows what would go to the backend, what would
    be delivered, and the credits and seconds to expect.
    Cost: nothing. Media are not fetched, so a URL that is well-formed may still fail later.
    """
    ask = decode_json(await read_json_body(request), JobRequest)
    new = await check_job(context_of(request), request.user.tenant, ask)
    await check_budget(context_of(request), request.user.tenant, [new])
    job = new.job
    assert job.estimate is not None  # `new_job` gives one to each
    estimate = estimate_view(job.estimate)
    return json_response(
        Validated(valid=True, plan=job.plan, output=job.output_ask, hints=job.hints, estimate=estimate)
    )


@reads(
    "/v1/jobs",
    guards=[RequireScope("read")],
    operation_id="listJobs",
    summary="List jobs, newest first",
    tags=["Jobs"],
    responses={200: ResponseDoc("A page of jobs.", JobPage, headers=("Link",))} | problems(QUERY),
    dependencies={"params": query_params(JobsQuery)},
)
async def list_jobs(request: ApiRequest, params: NamedDependency[JobsQuery]) -> Response[bytes]:
    """List the tenant's jobs by any of the filters; pages stay stable while new jobs arrive.

    When: to find jobs, or to reconcile them with your orders. To hear of ends use callbacks, or `GET /v1/events`.
    Cost: nothing. A page may be short or empty while `has_more` is true, where its filters match little or its jobs are
    large (4 MB together): go on.
    """
    context = context_of(request)
    require_ids_of_here(context, session_id=params.session_id, batch_id=params.batch_id)
    require_cursor(context, params.after, "job")
    found = JobsFound([], None)
    if not matches_nothing(params):
        found = await context.job_queries.page(
            request.user.tenant, job_filter(params), after=params.after, limit=params.limit
        )
    rows = await current_rows(context, found.jobs)
    after = found.next_after if len(rows) == len(found.jobs) else found.jobs[len(rows) - 1].id
    return page_response(request, rows, public_url=context.settings.public_url, more=after is not None, cursor=after)


def matches_nothing(params: JobsQuery) -> bool:
    """Whether a filter can match no job; what is no id and no profile must not reach the store either."""
    no_session = params.session_id is not None and not is_id(params.session_id, "ses")
    no_batch = params.batch_id is not None and not is_id(params.batch_id, "bat")
    return no_session or no_batch or (params.profile is not None and params.profile not in PROFILES)


def job_filter(params: JobsQuery) -> JobFilter:
    """Read a query's filters. Raises ApiError (422) for what is no time."""
    since, until = params.created_after, params.created_before
    return JobFilter(
        status=params.status,
        session_id=params.session_id,
        profile=params.profile,
        batch_id=params.batch_id,
        created_from_ms=None if since is None else parse_time_ms(since, "/created_after"),
        created_until_ms=None if until is None else parse_time_ms(until, "/created_before"),
        metadata=params.metadata,
    )


@reads(
    "/v1/jobs/{job_id:str}",
    guards=[RequireScope("read")],
    operation_id="readJob",
    summary="Read a job",
    tags=["Jobs"],
    responses={
        200: ResponseDoc(
            "The job; a failed one is 200 too.", JobView, headers=("ETag", "Retry-After", "Cache-Control")
        ),
        304: ResponseDoc(
            "It looks as it did when you got this ETag.", headers=("ETag", "Retry-After", "Cache-Control")
        ),
    }
    | problems(),
)
async def read_job(
    request: ApiRequest, job_id: FromPath[str], if_none_match: IfNoneMatchHeader = None
) -> Response[Any]:
    """Give a job as it is now, with a fresh link to its film.

    When: to look at a job, or to poll where no callback can reach you: as often as `Retry-After` says, with
    `If-None-Match`.
    Cost: nothing.
    """
    context = context_of(request)
    job = await own_job(context, request.user.tenant, job_id)
    shown = await current_view(context, job)
    headers = {"ETag": etag_of(shown, now_ms=context.clock.now_ms()), "Cache-Control": "private, no-cache"}
    if not job.ended:
        headers["Retry-After"] = str(await seconds_to_next_look(context, job, shown))
    if matches_etag(if_none_match, headers["ETag"]):
        return Response(None, status_code=304, headers=headers)
    return json_response(shown, headers=headers)

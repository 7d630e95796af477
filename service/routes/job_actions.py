"""Cancel a job, delete what it holds, replay it."""

from litestar import Response, delete, post
from litestar.params import FromPath

from core.model.job_view import JobView
from core.storage.job_files import delete_job_files
from core.store.idempotency import StoredResponse
from service.auth import RequireScope
from service.context import ApiRequest, context_of
from service.http.body import decode_json, read_json_body_if_any
from service.http.headers import PreferHeader, TraceparentHeader, call_origin_of, parse_wait_s
from service.http.json_response import json_response
from service.idempotency import IdempotencyKeyHeader, parse_key, replay_or_run
from service.jobs.cancel import request_cancel
from service.jobs.current_view import current_view
from service.jobs.prefer_wait import respond
from service.jobs.replay import accept_replay
from service.lookup import own_job
from service.openapi.describe import IDEMPOTENT, JSON_BODY, ResponseDoc, json_body, problems
from service.problems import ApiError
from service.routes.jobs import ACCEPTED_HEADERS, FULL, WAITED_HEADERS
from service.schemas.requests import ReplayRequest


@post(
    "/v1/jobs/{job_id:str}/cancel",
    guards=[RequireScope("submit")],
    status_code=202,
    operation_id="cancelJob",
    summary="Cancel a job",
    tags=["Jobs"],
    responses={
        202: ResponseDoc(
            "It is being stopped, or has been.", JobView, headers=("Retry-After",), example="JobView, canceling"
        ),
        200: ResponseDoc("It had ended already, and stays as it is.", JobView, example="JobView, canceled"),
    }
    | problems(),
)
async def cancel_job(request: ApiRequest, job_id: FromPath[str]) -> Response[bytes]:
    """Stop a job: a queued one at once, a running one within seconds, its edit and render at the backend too.

    When: nobody wants the film any more. Safe to repeat; it needs no Idempotency-Key.
    Cost: nothing. What was charged by then stays charged (`credits_used`).
    """
    context = context_of(request)
    job = await own_job(context, request.user.tenant, job_id)
    if job.ended:
        return json_response(await current_view(context, job))
    after = await request_cancel(context, job)
    headers = {} if after.ended else {"Retry-After": "1"}
    return json_response(await current_view(context, after), status=202, headers=headers)


@delete(
    "/v1/jobs/{job_id:str}",
    guards=[RequireScope("submit")],
    status_code=200,
    operation_id="deleteJob",
    summary="Delete what an ended job holds",
    tags=["Jobs"],
    responses={200: ResponseDoc("What is left of it: `data_removed` is true.", JobView, example="JobView, deleted")}
    | problems({409: ("not_ended",)}),
)
async def delete_job(request: ApiRequest, job_id: FromPath[str]) -> Response[bytes]:
    """Delete an ended job's prompt, media, output, reply and metadata everywhere; its id, times and cost stay.

    When: the film has been fetched, or its owner wants it gone. After `retention_s` the whole job goes by itself. Safe to repeat.
    Cost: nothing, and there is no way back: the film is gone, and the job cannot be replayed.
    """
    context = context_of(request)
    job = await own_job(context, request.user.tenant, job_id)
    if not job.ended:
        raise ApiError(409, "not_ended", "Cancel the job first.")
    if not job.data_removed:
        await delete_job_files(context.storage, job)
        job = await context.job_removal.remove(job)
    return json_response(await current_view(context, job))


@post(
    "/v1/jobs/{job_id:str}/replay",
    guards=[RequireScope("submit")],
    status_code=202,
    operation_id="replayJob",
    summary="Play an ended job again",
    tags=["Jobs"],
    responses={
        202: ResponseDoc(
            "A new job with this one as its `parent_id`.",
            JobView,
            headers=(*ACCEPTED_HEADERS, "Preference-Applied"),
            example="JobView, queued",
        ),
        200: ResponseDoc(
            "It ended while you waited (`Prefer`), well or badly: see `status`.", JobView, headers=WAITED_HEADERS
        ),
    }
    | problems(JSON_BODY, IDEMPOTENT, FULL, {409: ("conflict", "not_ended", "session_lost")}),
    opt=json_body(ReplayRequest, required=False, example={"from": "render"}),
)
async def replay_job(
    request: ApiRequest,
    job_id: FromPath[str],
    idempotency_key: IdempotencyKeyHeader = None,
    prefer: PreferHeader = None,
    traceparent: TraceparentHeader = None,
) -> Response[bytes]:
    """Submit a job like one that has ended: from its start, or only its render.

    When: a job failed and its error is `retryable`. `{"from": "render"}` after `render_failed` and `render_timeout`; else from
    the start, which is the default.
    Cost: one submit of the key's minute. From the start the message is charged anew; `from` render costs no credits.
    """
    context, caller = context_of(request), request.user
    raw = await read_json_body_if_any(request)
    key = parse_key(idempotency_key, path=request.scope["path"], body=raw)
    origin = call_origin_of(request.scope, traceparent)

    async def call() -> StoredResponse:
        ask = decode_json(raw, ReplayRequest) if raw else ReplayRequest()
        return await accept_replay(context, caller, job_id, start=ask.start, key=key, origin=origin)

    accepted = await replay_or_run(context, caller.tenant, key, call)
    return await respond(context, accepted, parse_wait_s(prefer), caller)

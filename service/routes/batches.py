"""Batches: many jobs submitted at once, an answer for each, and one callback when all have ended."""

from functools import partial

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from service.auth import RequireScope
from service.context import ApiRequest, context_of
from service.http.body import read_json_body
from service.http.headers import TraceparentHeader, call_origin_of
from service.http.json_response import json_response
from service.http.pagination import page_response
from service.http.query import query_params
from service.idempotency import IdempotencyKeyHeader, parse_key, replay_or_run
from service.jobs.batch import accept_batch, cancel_batch_jobs, current_batch_view
from service.jobs.prefer_wait import respond
from service.lookup import own_batch, require_cursor
from service.openapi.describe import IDEMPOTENT, JSON_BODY, QUERY, ResponseDoc, json_body, problems, reads
from service.routes.jobs import ACCEPTED_HEADERS, EXAMPLE, FULL, JOB_REFUSALS
from service.schemas.requests import BatchesQuery, BatchRequest
from service.schemas.responses import BatchAccepted, BatchPage, BatchView


@post(
    "/v1/batches",
    guards=[RequireScope("submit")],
    status_code=202,
    operation_id="submitBatch",
    summary="Submit up to 100 jobs",
    tags=["Batches"],
    responses={
        202: ResponseDoc(
            "An answer per job: look at each. Those that are well are accepted.",
            BatchAccepted,
            headers=ACCEPTED_HEADERS,
        )
    }
    | problems(
        JSON_BODY, IDEMPOTENT, JOB_REFUSALS, FULL, {422: ("too_many", "malformed_json", "not_found", "misdirected")}
    ),
    opt=json_body(BatchRequest, example={"jobs": [EXAMPLE], "session": "separate"}),
)
async def submit_batch(
    request: ApiRequest, idempotency_key: IdempotencyKeyHeader = None, traceparent: TraceparentHeader = None
) -> Response[bytes]:
    """Accept up to 100 jobs in one step, with an answer for each, and one callback when all have ended.

    When: many edits belong together. With `"session": "shared"` they refine one timeline in order; else they run side by
    side.
    Cost: as many submits of the key's minute as it has jobs, and for each job what it costs alone.
    """
    context, caller = context_of(request), request.user
    raw = await read_json_body(request)
    key = parse_key(idempotency_key, path=request.scope["path"], body=raw)
    origin = call_origin_of(request.scope, traceparent)
    call = partial(accept_batch, context, caller, raw, key=key, origin=origin)
    accepted = await replay_or_run(context, caller.tenant, key, call)
    return await respond(context, accepted, None, caller)


@reads(
    "/v1/batches/{batch_id:str}",
    guards=[RequireScope("read")],
    operation_id="readBatch",
    summary="Read a batch",
    tags=["Batches"],
    responses={200: ResponseDoc("The batch, and how its jobs stand.", BatchView)} | problems(),
)
async def read_batch(request: ApiRequest, batch_id: FromPath[str]) -> Response[bytes]:
    """Give a batch and how its jobs stand, those that were deleted since among them.

    When: to see how far it is; its end is told by `batch.completed`.
    Cost: nothing.
    """
    context = context_of(request)
    batch = await own_batch(context, request.user.tenant, batch_id)
    return json_response(await current_batch_view(context, batch))


@reads(
    "/v1/batches",
    guards=[RequireScope("read")],
    operation_id="listBatches",
    summary="List batches, newest first",
    tags=["Batches"],
    responses={200: ResponseDoc("A page of batches.", BatchPage, headers=("Link",))} | problems(QUERY),
    dependencies={"params": query_params(BatchesQuery)},
)
async def list_batches(request: ApiRequest, params: NamedDependency[BatchesQuery]) -> Response[bytes]:
    """List the batches of the last 40 days, and how their jobs stand.

    When: an id was lost, or to see what is under way. A batch's jobs: `GET /v1/jobs?batch_id=`.
    Cost: nothing.
    """
    context = context_of(request)
    require_cursor(context, params.after, "bat")
    found = await context.batches.page(request.user.tenant, after=params.after, limit=params.limit + 1)
    rows = [await current_batch_view(context, batch) for batch in found[: params.limit]]
    return page_response(request, rows, public_url=context.settings.public_url, more=len(found) > params.limit)


@post(
    "/v1/batches/{batch_id:str}/cancel",
    guards=[RequireScope("submit")],
    status_code=202,
    operation_id="cancelBatch",
    summary="Cancel a batch's jobs",
    tags=["Batches"],
    responses={
        202: ResponseDoc("Its jobs are being stopped, or have been.", BatchView, headers=("Retry-After",)),
        200: ResponseDoc("All had ended already, and stay as they are.", BatchView),
    }
    | problems(),
)
async def cancel_batch(request: ApiRequest, batch_id: FromPath[str]) -> Response[bytes]:
    """Stop those of a batch's jobs that have not ended: queued ones at once, running ones within seconds.

    When: nobody wants what is left of it. `batch.completed` comes as always. Safe to repeat; it needs no Idempotency-Key.
    Cost: nothing. What was charged by then stays charged.
    """
    context = context_of(request)
    batch = await own_batch(context, request.user.tenant, batch_id)
    if batch.finished_at_ms is not None:
        return json_response(await current_batch_view(context, batch))
    await cancel_batch_jobs(context, batch)
    after = await current_batch_view(context, await own_batch(context, request.user.tenant, batch_id))
    headers = {} if after.status == "completed" else {"Retry-After": "1"}
    return json_response(after, status=202, headers=headers)

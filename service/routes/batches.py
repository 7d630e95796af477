"""Batches: many jobs submitted at once, an answer for each, and one callback when all have ended."""

from functools import partial

from litestar import Response, post
from litestar.params import FromPath

from core.events.batch import Batch
from core.model.job import Status
from service.auth import RequireScope
from service.context import ApiContext, ApiRequest, context_of
from service.http.body import read_json_body
from service.http.headers import TraceparentHeader, call_origin_of
from service.http.json_response import json_response
from service.idempotency import IdempotencyKeyHeader, parse_key, replay_or_run
from service.jobs.batch import accept_batch, batch_view
from service.jobs.prefer_wait import respond
from service.lookup import own_batch
from service.openapi.describe import IDEMPOTENT, JSON_BODY, ResponseDoc, json_body, problems, reads
from service.routes.jobs import ACCEPTED_HEADERS, EXAMPLE, FULL, JOB_REFUSALS
from service.schemas.requests import BatchRequest
from service.schemas.responses import BatchAccepted, BatchView


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
    return await respond(context, await replay_or_run(context, caller.tenant, key, call), None)


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
    return json_response(batch_view(batch, await _statuses(context, batch)))


async def _statuses(context: ApiContext, batch: Batch) -> dict[str, Status]:
    """Read how the jobs stand; of those that are forgotten, how they ended."""
    ended = {i: Status(s) for i, s in (await context.batches.ends(batch.id)).items()}
    open_ids = [i for i in batch.job_ids if i not in ended]
    now = {j.id: j.status for j in await context.jobs.load_many(open_ids)} if open_ids else {}
    return {i: ended.get(i) or now.get(i, Status.QUEUED) for i in batch.job_ids}

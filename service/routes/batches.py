"""Batches: many jobs submitted at once, an answer for each, and one callback when all have ended."""

from functools import partial

from litestar import Response, post
from litestar.params import FromPath

from core.events.batch import Batch
from core.model.job import Status
from service.auth import require_scope
from service.context import ApiContext, ApiRequest, context_of
from service.http.body import read_json_body
from service.http.headers import parse_traceparent
from service.http.responses import json_response
from service.idempotency import key_of, replay_or_run
from service.jobs.batch import accept_batch, batch_view
from service.jobs.prefer_wait import respond
from service.lookup import own_batch
from service.openapi.describe import About, Answer, about, reads
from service.routes.jobs import ACCEPTED_HEADERS, EXAMPLE, SUBMIT_REFUSALS
from service.schemas.requests import BatchAsk
from service.schemas.responses import BatchAccepted, BatchView


@post(
    "/v1/batches",
    guards=[require_scope("submit")],
    status_code=202,
    opt=about(
        About(
            "submitBatch",
            "Submit up to 100 jobs",
            "Batches",
            {
                202: Answer(
                    "An answer per job; those that are well are accepted.", BatchAccepted, headers=ACCEPTED_HEADERS
                )
            },
            scope="submit",
            refusals=SUBMIT_REFUSALS,
            body=BatchAsk,
            headers=("Idempotency-Key", "traceparent"),
            example={"jobs": [EXAMPLE], "session": "separate"},
        )
    ),
)
async def submit_batch(request: ApiRequest) -> Response[bytes]:
    """Accept a batch's jobs in one step. It counts as so many submits."""
    context, caller = context_of(request), request.user
    raw = await read_json_body(request)
    key = key_of(request, body=raw)
    trace = parse_traceparent(request.headers.get("traceparent"))
    call = partial(accept_batch, context, caller, raw, key=key, traceparent=trace)
    return await respond(context, await replay_or_run(context, caller.tenant, key, call), None)


@reads(
    "/v1/batches/{batch_id:str}",
    guards=[require_scope("read")],
    opt=about(
        About(
            "readBatch",
            "Read a batch",
            "Batches",
            {200: Answer("It, and how its jobs stand.", BatchView)},
            scope="read",
        )
    ),
)
async def read_batch(request: ApiRequest, batch_id: FromPath[str]) -> Response[bytes]:
    """Read a batch."""
    context = context_of(request)
    batch = await own_batch(context, request.user.tenant, batch_id)
    return json_response(batch_view(batch, await _statuses(context, batch)))


async def _statuses(context: ApiContext, batch: Batch) -> dict[str, Status]:
    """Read how the jobs stand; of those that are forgotten, how they ended."""
    ended = {i: Status(s) for i, s in (await context.batches.ends(batch.id)).items()}
    open_ids = [i for i in batch.job_ids if i not in ended]
    now = {j.id: j.status for j in await context.jobs.load_many(open_ids)} if open_ids else {}
    return {i: ended.get(i) or now.get(i, Status.QUEUED) for i in batch.job_ids}


HANDLERS = (submit_batch, read_batch)

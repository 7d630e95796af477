"""Batches: many jobs submitted at once, an answer for each, and one callback when all have ended."""

from collections import Counter

import msgspec
from litestar import Response, post
from litestar.params import FromPath

from core.clock import rfc3339
from core.events.batch import Batch, completion
from core.ids import is_id, new_id
from core.model.job import ENDS, Status
from core.store.jobs.submissions import BatchStart
from service.auth import needs
from service.context import ApiContext, Asked, context_of
from service.http.body import decoded, read_bytes
from service.http.headers import idempotency_key_of, traceparent
from service.jobs.batch import Gathered, gather
from service.jobs.submission import Made, accept
from service.jobs.validation import webhook_refusal
from service.jobs.views import answer, shown_plain
from service.kept import Kept, Submitted, kept_answer, replayed
from service.openapi.describe import About, Answer, about, reads
from service.problems import document_of, invalid, not_found
from service.routes.jobs import ACCEPTED_HEADERS, EXAMPLE, SUBMIT_REFUSALS
from service.schemas.requests import BatchAsk, BatchFrame
from service.schemas.responses import BatchAccepted, BatchItem, BatchJob, BatchView


@post(
    "/v1/batches",
    guards=[needs("submit")],
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
async def submit_batch(request: Asked) -> Response[bytes]:
    """Accept a batch's jobs in one step. It counts as so many submits."""
    parts, caller = context_of(request), request.user
    raw = await read_bytes(request)
    call = idempotency_key_of(request.headers.get("idempotency-key"), path="/v1/batches", body=raw)
    if kept := await kept_answer(parts, caller.tenant, call):
        return _answered(replayed(kept))
    ask = decoded(raw, BatchFrame)
    if ask.webhook and (refusal := webhook_refusal(ask.webhook.url, parts.settings)):
        raise invalid([refusal])
    batch_id = new_id("bat")
    trace = traceparent(request.headers.get("traceparent"))
    found = await gather(parts, caller.tenant, ask, batch_id=batch_id, trace=trace)
    start = await _start(parts, caller.tenant, batch_id, ask, found)
    kept_now = _accepted(parts, request.scope["path"], start.batch, found)
    made = [Made(d.job, d.session) for d in found.drafts]
    return _answered(await accept(parts, caller, made, answer=kept_now, call=call, batch=start))


async def _start(parts: ApiContext, tenant: str, batch_id: str, ask: BatchFrame, found: Gathered) -> BatchStart:
    jobs = [d.job for d in found.drafts]
    batch = Batch(
        id=batch_id,
        tenant=tenant,
        job_ids=tuple(j.id for j in jobs),
        session_id=jobs[0].session_id if ask.session == "shared" else None,
        created_at_ms=jobs[0].created_at_ms,
    )
    url = ask.webhook.url if ask.webhook else None
    return BatchStart(batch, completion(batch, url=url, webhook=await parts.webhooks.default(tenant)))


def _accepted(parts: ApiContext, path: str, batch: Batch, found: Gathered) -> Kept:
    """Write the 202 before it is true: the bytes are kept with the jobs."""
    good = {n: BatchItem(index=n, status=202, job=shown_plain(parts, d.job), problem=None) for n, d in found.numbered}
    bad = {n: BatchItem(index=n, status=r.status, job=None, problem=document_of(r, path)) for n, r in found.refused}
    seen = batch_view(batch, dict.fromkeys(batch.job_ids, Status.QUEUED))
    items = tuple(item for _, item in sorted((good | bad).items()))
    body = BatchAccepted(items=items, **{name: getattr(seen, name) for name in BatchView.__struct_fields__})
    location = f"{parts.settings.public_url}/v1/batches/{batch.id}"
    return Kept(batch.id, {"Location": location}, msgspec.json.encode(body))


def _answered(submitted: Submitted) -> Response[bytes]:
    headers = {**submitted.kept.headers, **submitted.limits, "Retry-After": "2"}
    if submitted.replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(submitted.kept.body, status_code=202, media_type="application/json", headers=headers)


def batch_view(batch: Batch, stands: dict[str, Status]) -> BatchView:
    """Show a batch whose jobs stand so."""
    counts = Counter(str(s) for s in stands.values())
    return BatchView(
        id=batch.id,
        status="completed" if all(s in ENDS for s in stands.values()) else "running",
        session_id=batch.session_id,
        jobs=tuple(BatchJob(id=i, status=stands[i]) for i in batch.job_ids),
        counts={str(s): counts[str(s)] for s in Status},
        created_at=rfc3339(batch.created_at_ms),
        finished_at=rfc3339(batch.finished_at_ms) if batch.finished_at_ms else None,
    )


@reads(
    "/v1/batches/{batch_id:str}",
    guards=[needs("read")],
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
async def read_batch(request: Asked, batch_id: FromPath[str]) -> Response[bytes]:
    """Read a batch."""
    parts = context_of(request)
    batch = await parts.batches.load(batch_id) if is_id(batch_id, "bat") else None
    if batch is None or batch.tenant != request.user.tenant:
        raise not_found("batch")
    return answer(batch_view(batch, await _stands(parts, batch)))


async def _stands(parts: ApiContext, batch: Batch) -> dict[str, Status]:
    """Read how the jobs stand; of those that are forgotten, how they ended."""
    ended = {i: Status(s) for i, s in (await parts.batches.ends(batch.id)).items()}
    open_ids = [i for i in batch.job_ids if i not in ended]
    now = {j.id: j.status for j in await parts.jobs.load_many(open_ids)} if open_ids else {}
    return {i: ended.get(i) or now.get(i, Status.QUEUED) for i in batch.job_ids}


HANDLERS = (submit_batch, read_batch)

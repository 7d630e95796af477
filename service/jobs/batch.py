"""Submits a batch: each job is checked by itself, and what is wrong with one does not hold up the others.

In a shared session they stand in order upon each other, so there one that is wrong refuses them all.
"""

import asyncio
from collections import Counter
from typing import Any, NamedTuple, cast

import msgspec

from core.clock import rfc3339
from core.events.batch import Batch, completion, is_wanted
from core.ids import new_id
from core.model.job import ENDS, Status
from core.store.idempotency import StoredResponse
from core.store.jobs.batches import BatchedJob
from core.store.jobs.submissions import BatchStart
from core.store.redis.codec import Unreadable
from core.store.tenants.api_keys import Caller
from service.context import ApiContext
from service.http.body import decode_json
from service.http.headers import CallOrigin
from service.idempotency import IdempotencyKey
from service.jobs.cancel import request_cancel
from service.jobs.submission import InputGone, accept_jobs, load_inputs, validate_beside_loop
from service.jobs.validation import JobFacts, JobInputs, NewJob, makes_timeline, webhook_url_error
from service.problems import ApiError, FieldError, as_api_error, invalid, problem_document
from service.schemas.requests import JobRequest, RawBatchRequest
from service.schemas.responses import BatchAccepted, BatchItem, BatchJob, BatchView

#: a job that nobody knows any more, nor how it ended
_FORGOTTEN = BatchedJob(Status.QUEUED)


class CheckedJobs(NamedTuple):
    """A batch's jobs by their places in it: those that may be accepted, and what is wrong with the others."""

    new: dict[int, NewJob]
    errors: dict[int, ApiError]


async def accept_batch(
    context: ApiContext, caller: Caller, raw: bytes, *, key: IdempotencyKey | None, origin: CallOrigin
) -> StoredResponse:
    """Accept a batch's jobs in one step. Raises ApiError where none may be, or one of a shared session may not."""
    ask = decode_json(raw, RawBatchRequest, deep=False)  # each job is read, and refused, by itself
    if ask.webhook and (error := webhook_url_error(ask.webhook.url, context.settings)):
        raise invalid([error])
    batch_id, measurements = new_id("bat", context.settings.cell), context.job_outcomes.lately()
    facts = JobFacts(caller.tenant, context.clock.now_ms(), origin, batch_id, measurements)
    checked = await _check_all(context, ask, facts)
    while True:
        start = await _start(context, ask, facts, checked)
        response = _response(context, start.batch, checked, origin)
        jobs = list(checked.new.values())
        try:
            return await accept_jobs(context, caller, jobs, response=response, key=key, batch=start)
        except InputGone as gone:
            _refuse_those_that_name(gone, checked)
        _require_some(checked, shared=ask.session == "shared")


def _refuse_those_that_name(gone: InputGone, checked: CheckedJobs) -> None:
    for number, new in list(checked.new.items()):
        if error := gone.of(new.job):
            checked.errors[number] = error
            del checked.new[number]


async def _check_all(context: ApiContext, ask: RawBatchRequest, facts: JobFacts) -> CheckedJobs:
    checked = CheckedJobs({}, {})
    for number, raw in enumerate(ask.jobs):
        await asyncio.sleep(0)  # others get their turn: a hundred jobs are read in up to a quarter of a second
        try:
            job = decode_json(raw, JobRequest)
            inputs = await _inputs(context, facts.tenant, job, checked, shared=ask.session == "shared")
            new = await validate_beside_loop(job, inputs, context.settings, facts)
        except (ApiError, Unreadable) as error:
            checked.errors[number] = as_api_error(error)
            continue
        checked.new[number] = new
    _require_some(checked, shared=ask.session == "shared")
    return checked


def _require_some(checked: CheckedJobs, *, shared: bool) -> None:
    """Raises ApiError where no job may be accepted, or one of those that stand upon each other may not."""
    if checked.errors and (shared or not checked.new):
        raise _error_of_all(checked.errors)


async def _inputs(context: ApiContext, tenant: str, job: JobRequest, before: CheckedJobs, *, shared: bool) -> JobInputs:
    """Load what a job names. In a shared session it goes on from those `before` it, the first of which made the session."""
    if shared and job.session_id is not None:
        words = "The jobs of a shared session name none of their own."
        raise invalid([FieldError(pointer="/session_id", code="invalid_value", detail=words)])
    inputs = await load_inputs(context, tenant, job)
    if not shared or not before.new:
        return inputs
    made = list(before.new.values())
    return inputs._replace(session=made[0].session, continues=any(makes_timeline(new.job) for new in made))


def _error_of_all(errors: dict[int, ApiError]) -> ApiError:
    """Put what is wrong with each job into one problem, with pointers into the batch; what may pass by itself goes first."""
    if passing := next((error for error in errors.values() if error.status == 503), None):  # noqa: PLR2004 - ask again later
        return passing
    return invalid(
        [
            msgspec.structs.replace(e, pointer=f"/jobs/{number}{e.pointer}")
            for number, error in errors.items()
            for e in error.errors or (FieldError(pointer="", code=error.code, detail=error.detail),)
        ]
    )


async def _start(context: ApiContext, ask: RawBatchRequest, facts: JobFacts, checked: CheckedJobs) -> BatchStart:
    jobs = [new.job for new in checked.new.values()]
    batch = Batch(
        id=facts.batch_id or "",
        tenant=facts.tenant,
        job_ids=tuple(j.id for j in jobs),
        session_id=jobs[0].session_id if ask.session == "shared" else None,
        created_at_ms=facts.now_ms,
    )
    url = ask.webhook.url if ask.webhook else None
    wanted = url is not None or is_wanted(await context.webhooks.default(facts.tenant))
    return BatchStart(batch, completion(batch, url=url, **facts.origin._asdict()), wanted=wanted)


def _response(context: ApiContext, batch: Batch, checked: CheckedJobs, origin: CallOrigin) -> StoredResponse:
    """Write the 202 before it is true: the bytes are kept with the jobs."""
    path = "/v1/batches"
    items = {n: _item(n, new.view_json) for n, new in checked.new.items()} | {
        n: BatchItem(
            index=n, status=e.status, job=None, problem=problem_document(e, path, request_id=origin.request_id or "")
        )
        for n, e in checked.errors.items()
    }
    shown = batch_view(context, batch, dict.fromkeys(batch.job_ids, BatchedJob(Status.QUEUED)))
    body = BatchAccepted(
        items=tuple(item for _, item in sorted(items.items())),
        **{name: getattr(shown, name) for name in BatchView.__struct_fields__},
    )
    location = f"{context.settings.public_url}{path}/{batch.id}"
    return StoredResponse(batch.id, {"Location": location}, msgspec.json.encode(body))


def _item(number: int, view_json: bytes) -> BatchItem:
    view = cast("Any", msgspec.Raw(view_json))  # a JobView that is written already
    return BatchItem(index=number, status=202, job=view, problem=None)


async def current_batch_view(context: ApiContext, batch: Batch) -> BatchView:
    """Show a batch as its jobs stand right now; of those that are forgotten, as they ended."""
    ended = await context.batches.ends(batch.id)
    open_ids = [i for i in batch.job_ids if i not in ended]
    now = await context.batches.statuses(open_ids) if open_ids else {}
    return batch_view(context, batch, {i: ended.get(i) or now.get(i, _FORGOTTEN) for i in batch.job_ids})


def batch_view(context: ApiContext, batch: Batch, jobs: dict[str, BatchedJob]) -> BatchView:
    """Show a batch whose jobs stand so."""
    counts = Counter(str(job.status) for job in jobs.values())
    return BatchView(
        id=batch.id,
        status="completed" if all(job.status in ENDS for job in jobs.values()) else "running",
        session_id=batch.session_id,
        jobs=tuple(_batch_job(context, i, jobs[i]) for i in batch.job_ids),
        counts={str(s): counts[str(s)] for s in Status},
        created_at=rfc3339(batch.created_at_ms),
        finished_at=rfc3339(batch.finished_at_ms) if batch.finished_at_ms else None,
    )


def _batch_job(context: ApiContext, job_id: str, job: BatchedJob) -> BatchJob:
    output = context.settings.public_url + job.output if job.output else None
    return BatchJob(id=job_id, status=job.status, output=output)


async def cancel_batch_jobs(context: ApiContext, batch: Batch) -> None:
    """Cancel those of a batch's jobs that have not ended. Safe to repeat. Raises ApiError (503) where some cannot be read."""
    ended = await context.batches.ends(batch.id)
    unread = [i for i in batch.job_ids if i not in ended and not await _try_to_cancel(context, i)]
    if unread:
        words = (
            f"{', '.join(unread)} cannot be read at present and may go on; the others are being stopped, or have ended."
        )
        raise ApiError(503, "record_unreadable", f"{words} Ask again later, or tell the operator.")


async def _try_to_cancel(context: ApiContext, job_id: str) -> bool:
    """Cancel a job that is there and has not ended. False: it cannot be read."""
    try:
        job = await context.jobs.load(job_id)
        if job and not job.ended:
            await request_cancel(context, job)
    except Unreadable:
        return False
    return True

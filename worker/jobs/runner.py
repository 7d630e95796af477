"""The loop that runs a job: the record's stage names the step, a step does one outside thing and returns the next
record, the loop commits it. A job that sleeps is let go of; one that fails ends here.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from core.clock import stopwatch_s
from core.errors import Code, Permanent, Temporary
from core.logs import bind, get_logger, trace_id_of
from core.model import transitions
from core.model.job import Job, Stage, Status
from core.storage.errors import StorageDown
from core.storage.job_files import delete_what_was_left, discard_file
from core.store.jobs.records import Claim
from core.store.leases import LeaseLost
from core.store.redis.client import STORE_DOWN
from core.store.redis.codec import Unreadable
from worker import redis_outage
from worker.backend.faults import BackendFault
from worker.context import WorkerContext
from worker.jobs.deadline import end_of_late, require_time, verdict_in_s
from worker.jobs.execution import CancelAsked, JobExecution
from worker.jobs.fault_handling import handle_error
from worker.jobs.orphan_renders import leave_render
from worker.jobs.retry_policy import STORAGE, SURPRISE, may_repeat, repeat_s
from worker.jobs.step_result import StepResult
from worker.jobs.steps import step_of
from worker.jobs.wait_or_fail import fail
from worker.leases import Lease
from worker.redis_outage import LONGEST_PAUSE_S, until_redis_answers

log = get_logger(__name__)


async def run_job(context: WorkerContext, job_id: str, *, only_if_due: bool = False) -> None:
    """Take a job as far as it goes now. Whatever happens, it is neither lost nor run by two."""
    asked_s = stopwatch_s()
    try:
        claim = await context.jobs.claim(job_id, owner=context.leases.new_owner(), only_if_due=only_if_due)
        if claim:
            async with context.leases.hold(job_id, claim.owner, asked_s=asked_s) as lease:
                await _advance_or_set_aside(context, claim, lease)
    except LeaseLost:
        log.warning("held by another worker now")
    except STORE_DOWN as away:
        log.warning("waiting for Redis", error=type(away).__name__)


async def _advance_or_set_aside(context: WorkerContext, claim: Claim, lease: Lease) -> None:
    """Advance a job, unless somebody meanwhile writes a record that this release cannot read."""
    execution = JobExecution(context, claim, lease)
    try:
        await _advance(execution, claim)
    except Unreadable:
        await context.jobs.set_aside(claim.job.id, owner=lease.owner)
    except (LeaseLost, asyncio.CancelledError):
        await _note_late_message(execution)
        raise


async def _note_late_message(execution: JobExecution) -> None:
    """Say that a message went out, of which whoever holds the job now may have thought that it never would.

    Who was frozen right before the bytes sends them when the job is perhaps over, and other jobs pay by the same token.
    """
    job = execution.job
    if execution.has_sent and job.token_id:
        with suppress(*STORE_DOWN):
            await execution.context.balances.note_late_message(job, job.token_id)


async def _advance(execution: JobExecution, claim: Claim) -> None:
    """Step by step, until the job ends, sleeps, or this worker stops."""
    context, lease, job = execution.context, execution.lease, claim.job
    bind(tenant=job.tenant, trace_id=trace_id_of(job.traceparent), request_id=job.request_id)
    if claim.left_behind:
        await delete_what_was_left(context.storage, job, partial(context.leases.ensure_held, lease))
    if early_s := _verdict_in_s(context, claim):
        log.warning("waits for the workers that were lost at it", seconds=round(early_s))
        return await context.leases.hand_back(lease, in_s=early_s)
    with execution.in_flight():
        while not execution.job.ended and not execution.parked:
            if context.leases.stopping:
                return await _let_go(execution)
            if result := await _next_result(execution):
                await _commit(execution, result)
    return None


async def _commit(execution: JobExecution, result: StepResult) -> None:
    """Write what a step has brought. Of what no record will name others are told nowhere else: a film goes, a render is followed."""
    before = execution.job
    try:
        await execution.commit(result)
    except (LeaseLost, Unreadable, asyncio.CancelledError):
        with suppress(*STORE_DOWN, Unreadable):
            await _clear_up(execution, before, result.job)
        raise


async def _clear_up(execution: JobExecution, before: Job, unwritten: Job) -> None:
    """Discard a film: its job may be deleted, and with it what leads to it. Follow a render by its name at the backend.

    Whoever has the job now asks for the render once more, and is told no name of one that is there.
    """
    if unwritten.output and unwritten.output.path:
        await _discard_unless_named(execution.context, unwritten.id, unwritten.output.path)
    named = unwritten.render and unwritten.render.backend_id
    if named and not (before.render and before.render.asked):
        await leave_render(execution, backend_id=named)


async def _discard_unless_named(context: WorkerContext, job_id: str, path: str) -> None:
    """Delete a film, unless its job is not over, or has ended with this one."""
    job = await context.jobs.load(job_id)
    if job is None or (job.ended and (job.output is None or job.output.path != path)):
        await discard_file(context.storage, context.uploads, path)


async def _let_go(execution: JobExecution) -> None:
    """Let another worker go on, which announces anew what was announced here and not sent: else it would look for an edit."""
    known = execution.job_without_unsent
    if known is not execution.job:
        await execution.commit(StepResult(known))
    with suppress(TimeoutError):  # then the lease runs out by itself
        async with asyncio.timeout(execution.context.settings.lease_s):
            await until_redis_answers(partial(execution.context.leases.hand_back, execution.lease))


def _verdict_in_s(context: WorkerContext, claim: Claim) -> float:
    """Say how long to wait for those who were lost; for nobody where a release of the first format counted them, which names none."""
    if claim.suspected_since_ms is None:
        return 0.0
    lost_since_s = claim.suspected_since_ms / 1000
    return verdict_in_s(crashes=claim.crashes, lost_since_s=lost_since_s, lease_s=context.settings.lease_s)


async def _next_result(execution: JobExecution) -> StepResult | None:
    """Do the next step, or say how the job ends or waits without it. None: look again."""
    try:
        return await _step_or_reaction(execution)
    except (LeaseLost, Unreadable):
        raise
    except Exception:
        log.exception("a step broke", stage=str(execution.job.stage))
        return await _despite_outage(partial(_after_surprise, execution))


async def _step_or_reaction(execution: JobExecution) -> StepResult | None:
    """Do the next step, and react to what was expected to come of it.

    What a step has heard of the backend only this run knows: it is not forgotten because Redis is away.
    """
    if execution.handover.interrupted:
        execution.note_cut_step()
    try:
        require_time(execution.job, crashes=execution.crashes, now_ms=execution.now_ms)
        _require_session(execution)
        return await _run_step(execution)
    except BackendFault as fault:
        log.info("a call failed", stage=str(execution.job.stage), fault=str(fault))
        return await _despite_outage(partial(handle_error, execution, fault))
    except (Permanent, Temporary) as end:
        return await _despite_outage(partial(handle_error, execution, end))
    except STORE_DOWN:
        await redis_outage.pause()
        return None
    except StorageDown as away:
        log.warning("the storage does not answer, or is full", stage=str(execution.job.stage), error=str(away))
        return await _despite_outage(partial(_without_storage, execution))


async def _despite_outage(reaction: Callable[[], Awaitable[StepResult]]) -> StepResult:
    """Carry out what follows, from its beginning each time Redis is away in it: with what it asks the backend."""
    return await until_redis_answers(reaction, longest_s=LONGEST_PAUSE_S)


async def _without_storage(execution: JobExecution) -> StepResult:
    """Do the step again, as long as the job has time: what was paid for is not given up because a disk is full.

    Who has canceled the job does not wait for its film.
    """
    job = execution.job
    if job.status is Status.CANCELING:
        return await fail(execution, Permanent(Code.RENDER_FAILED), job)
    return _repeat(execution, job, after=STORAGE)


async def _after_surprise(execution: JobExecution) -> StepResult:
    """Do the step again that broke, some times: what broke it may pass, and a render goes on meanwhile."""
    job = _as_far_as_known(execution)
    if may_repeat(job):
        return _repeat(execution, job, after=SURPRISE)
    return await fail(execution, Permanent(Code.INTERNAL), job)


def _as_far_as_known(execution: JobExecution) -> Job:
    """The record after a step of which nobody knows how far it came, but for a message: that went out, or did not."""
    job = execution.job_without_unsent
    return transitions.upload_interrupted(job) if job.stage is Stage.UPLOADING else job


def _repeat(execution: JobExecution, job: Job, *, after: str) -> StepResult:
    pause_s = repeat_s(job, execution.context.settings, after=after)
    return StepResult(transitions.trying_again(job, after=after), park_s=pause_s)


def _require_session(execution: JobExecution) -> None:
    """Raise Permanent for a job whose session is lost, at whatever stage it heard of that."""
    if execution.session.lost:
        raise Permanent(Code.SESSION_LOST)


async def _run_step(execution: JobExecution) -> StepResult | None:
    """Run the step that the record names, until the job's deadline or its caller's cancel; who cancels gets a film that is there."""
    job, step = execution.job, step_of(execution.job)
    deadline = asyncio.timeout(_time_left_s(execution))
    try:
        async with deadline:
            if job.status is Status.CANCELING or job.stage is Stage.STORING:
                return await step(execution)
            return await execution.unless_canceled(step(execution))
    except TimeoutError:
        if not deadline.expired():  # a step's own, which says nothing of the job's time
            raise
        execution.note_cut_step()
        raise end_of_late(execution.job) from None
    except CancelAsked:
        await execution.reload()
        execution.note_cut_step()
        execution.lease.cancel_asked.clear()
        return None


def _time_left_s(execution: JobExecution) -> float | None:
    """Say how long a job may still take. None: it has not begun, and however long it has waited for that is no time of its own."""
    job = execution.job
    return None if job.started_at_ms is None else max(0.0, (job.deadline_ms - execution.now_ms) / 1000)

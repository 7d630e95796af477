"""The loop that runs a job: the record's stage names the step, a step does one outside thing and returns the next
record, the loop commits it. A job that sleeps is let go of; one that fails ends here.
"""

import asyncio
import logging
from typing import Any

from core.errors import Code, Permanent, Temporary, WaitReason
from core.model import transitions
from core.model.job import Job, Status
from core.model.session import Session
from core.store.jobs.records import Claim
from core.store.leases import LeaseLost
from core.store.redis.client import STORE_DOWN
from worker.backend.faults import BackendFault
from worker.context import WorkerContext
from worker.jobs.execution import CancelAsked, JobExecution, StepResult
from worker.jobs.fault_policy import after_fault, taken_back
from worker.jobs.orphan_renders import leave
from worker.jobs.steps import step_of
from worker.jobs.steps.render import abandon
from worker.jobs.steps.settlement import cost_unasked, last_account
from worker.leases import Lease

log = logging.getLogger(__name__)

_POISONED_AFTER = 3
_AWAY_S = 0.3
#: the wait where even finding out what a refusal means was refused
_PAUSE_S = 1.0


async def run_job(kit: WorkerContext, job_id: str) -> None:
    """Take a job as far as it goes now. Whatever happens, it is neither lost nor run by two."""
    try:
        claim = await kit.jobs.claim(job_id, owner=kit.leases.new_owner())
        if claim:
            async with kit.leases.hold(job_id, claim.owner) as lease:
                await _advance(kit, claim, lease)
    except LeaseLost:
        log.warning("%s is held by another worker now", job_id)
    except STORE_DOWN as away:
        log.warning("%s waits for Redis (%s)", job_id, type(away).__name__)


async def _advance(kit: WorkerContext, claim: Claim, lease: Lease) -> None:
    work = JobExecution(kit, claim, lease)
    with work.in_flight():
        while not work.job.ended and not work.parked:
            if kit.leases.stopping:
                return await kit.leases.hand_back(lease)
            if following := await _next(work):
                await work.commit(following)
    return None


async def _next(work: JobExecution) -> StepResult | None:
    """Do the next step, or say how the job ends or waits without it. None: look again."""
    try:
        _check_time(work)
        return await _step(work)
    except (Permanent, Temporary, BackendFault) as trouble:
        return await _weathered(work, trouble)
    except STORE_DOWN:
        await asyncio.sleep(_AWAY_S)
        return None
    except LeaseLost:
        raise
    except Exception:
        log.exception("%s broke at %s", work.job.id, work.job.stage)
        return await _failed(work, Permanent(Code.INTERNAL))


async def _step(work: JobExecution) -> StepResult | None:
    """Run the step that the record names, until the job's deadline or its caller's cancel."""
    step = step_of(work.job)
    try:
        async with asyncio.timeout(max(0.0, (work.job.deadline_ms - work.now_ms) / 1000)):
            if work.job.status is Status.CANCELING:
                return await step(work)
            return await work.unless_canceled(step(work))
    except TimeoutError:
        raise Permanent(Code.DEADLINE_EXCEEDED) from None
    except CancelAsked:
        await work.refresh()
        work.lease.cancel_asked.clear()
        return None


async def _weathered(work: JobExecution, trouble: Permanent | Temporary | BackendFault) -> StepResult:
    """Turn what a step raised into the next record; what the fault table decides may itself be an end or a wait."""
    try:
        if isinstance(trouble, BackendFault):
            log.info("%s at %s: %s", work.job.id, work.job.stage, trouble)
            return await after_fault(work, trouble)
        raise trouble
    except Permanent as end:
        return await _failed(work, end)
    except Temporary as wait:
        return await _waits(work, wait)
    except BackendFault as another:
        log.info("%s at %s: and then %s", work.job.id, work.job.stage, another)
        return await _waits(work, Temporary(WaitReason.BACKEND_DOWN, delay_s=_PAUSE_S))


def _check_time(work: JobExecution) -> None:
    """Raise Permanent for a job that killed its worker three times at one stage, or has passed its deadline."""
    if work.crashes >= _POISONED_AFTER:
        raise Permanent(Code.POISONED)
    if work.job.started_at_ms is not None and work.now_ms >= work.job.deadline_ms:
        raise Permanent(_late_code(work.job))


def _late_code(job: Job) -> Code:
    """Name the reason why a job is late, where it waited for one to the end."""
    if job.wait and job.sent is None:
        match job.wait.reason:
            case WaitReason.NO_CREDITS:
                return Code.CREDITS_EXHAUSTED
            case WaitReason.BACKEND_DOWN | WaitReason.BACKEND_RATE_LIMITED:
                return Code.BACKEND_UNAVAILABLE
    return Code.DEADLINE_EXCEEDED


async def _waits(work: JobExecution, wait: Temporary) -> StepResult:
    """Let go of the job until it is worth another look; one that has waited too long for credits ends.

    Only a refused message leads here from the stage that sends it.
    """
    job, now_ms = taken_back(work.job), work.now_ms
    if wait.reason is WaitReason.NO_CREDITS and job.sent is None and now_ms > job.start_by_ms:
        return await _failed(work, Permanent(Code.CREDITS_EXHAUSTED))
    until_ms = now_ms + int(wait.delay_s * 1000)
    return StepResult(transitions.waiting(job, reason=wait.reason, until_ms=until_ms), park_s=wait.delay_s)


async def _wound_up(work: JobExecution, end: Permanent) -> tuple[dict[str, Any], Session | None]:
    """Leave nothing open at the backend, and say what the job has cost as far as that can be said.

    A poisoned job asks for nothing more here: these very calls may be what kills workers.
    """
    await work.kit.leases.assure(work.lease)
    if end.code is Code.POISONED:
        await leave(work)
        return cost_unasked(work.job), None
    try:
        await abandon(work)
    except BackendFault:
        await leave(work)
    return await last_account(work)


async def _failed(work: JobExecution, end: Permanent) -> StepResult:
    """End a job badly, or as canceled where its caller wanted that anyway; no render is left behind."""
    cost, session = await _wound_up(work, end)
    job, now_ms = work.job, work.now_ms
    if job.status is Status.CANCELING:
        return StepResult(transitions.with_cost(transitions.canceled(job, now_ms=now_ms), **cost), session)
    if job.started_at_ms is None:
        job = transitions.started(job, now_ms=now_ms)
    hint = await work.kit.pool.advice(job) if end.code is Code.CREDITS_EXHAUSTED else None
    ended = transitions.failed(job, now_ms=now_ms, code=end.code, detail=end.detail, hint=hint or end.hint)
    return StepResult(transitions.with_cost(ended, **cost), session)

"""How a job ends badly or waits: turns what a step raised into the next record, and leaves nothing open behind it."""

import logging
from typing import Any

from core.errors import Code, Permanent, Temporary, WaitReason
from core.model import transitions
from core.model.job import Status
from core.model.session import Session
from worker.backend.faults import BackendFault
from worker.jobs.credit_reading import NO_READING, cost_of
from worker.jobs.execution import JobExecution
from worker.jobs.fault_handler import handle_fault, take_back_refused
from worker.jobs.orphan_renders import abandon_render, leave_render
from worker.jobs.settlement import settle_failed_job, settling_session
from worker.jobs.step_result import StepResult

log = logging.getLogger(__name__)

#: the wait where even finding out what a refusal means was refused
_PAUSE_S = 1.0


async def handle_error(execution: JobExecution, error: Permanent | Temporary | BackendFault) -> StepResult:
    """Turn what a step raised into the next record; finding out what a fault means may itself end in an error."""
    match error:
        case Permanent():
            return await fail(execution, error)
        case Temporary():
            return await wait(execution, error)
    log.info("%s at %s: %s", execution.job.id, execution.job.stage, error)
    try:
        return await handle_fault(execution, error)
    except BackendFault as another:
        log.info("%s at %s: and then %s", execution.job.id, execution.job.stage, another)
        return await wait(execution, Temporary(WaitReason.BACKEND_DOWN, delay_s=_PAUSE_S))
    except (Permanent, Temporary) as meaning:
        return await handle_error(execution, meaning)


async def wait(execution: JobExecution, reason: Temporary) -> StepResult:
    """Let go of the job until it is worth another look; one that has waited too long for credits ends.

    Only a refused message leads here from the stage that sends it.
    """
    job, now_ms = take_back_refused(execution.job), execution.now_ms
    if reason.reason is WaitReason.NO_CREDITS and job.sent is None and now_ms > job.start_by_ms:
        return await fail(execution, Permanent(Code.CREDITS_EXHAUSTED))
    until_ms = now_ms + int(reason.delay_s * 1000)
    return StepResult(transitions.waiting(job, reason=reason.reason, until_ms=until_ms), park_s=reason.delay_s)


async def fail(execution: JobExecution, end: Permanent) -> StepResult:
    """End a job badly, or as canceled where its caller wanted that anyway; no render is left behind."""
    cost, session = await _close(execution, end)
    job, now_ms = execution.job, execution.now_ms
    if job.status is Status.CANCELING:
        return StepResult(transitions.with_cost(transitions.canceled(job, now_ms=now_ms), **cost), session)
    if job.started_at_ms is None:
        job = transitions.started(job, now_ms=now_ms)
    hint = await _hint(execution, end)
    ended = transitions.failed(job, now_ms=now_ms, code=end.code, detail=end.detail, hint=hint)
    return StepResult(transitions.with_cost(ended, **cost), session)


async def _hint(execution: JobExecution, end: Permanent) -> str:
    """Say what a caller can do: without credits register the anonymous account, else what goes with the code."""
    if end.code is not Code.CREDITS_EXHAUSTED:
        return end.hint
    return await execution.context.token_pool.registration_hint(execution.job) or end.hint


async def _close(execution: JobExecution, end: Permanent) -> tuple[dict[str, Any], Session | None]:
    """Leave nothing open at the backend, and say what the job has cost as far as that can be said.

    A poisoned job asks for nothing more here: these very calls may be what kills workers.
    """
    await execution.context.leases.ensure_held(execution.lease)
    if end.code is Code.POISONED:
        await leave_render(execution)
        cost = {} if execution.job.edited else cost_of(execution.job, NO_READING)
        return cost, settling_session(execution, NO_READING)
    try:
        await abandon_render(execution)
    except BackendFault:
        await leave_render(execution)
    return await settle_failed_job(execution)

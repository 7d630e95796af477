"""How a job ends badly or waits: the next record, and nothing left open behind it."""

import asyncio
from typing import Any

from core.errors import MEANINGS, Code, Permanent, Temporary, WaitReason
from core.model import transitions
from core.model.job import Job, Status
from core.model.session import Session, claim_url_at
from worker.backend.faults import BackendFault
from worker.jobs.claim_link import with_claim_link
from worker.jobs.credit_reading import NO_READING, cost_of
from worker.jobs.execution import JobExecution
from worker.jobs.orphan_renders import abandon_render, leave_render
from worker.jobs.retry_policy import grown_s
from worker.jobs.settlement import settle_failed_job, settling_session
from worker.jobs.step_result import StepResult

#: an end waits so long for the backend to take a render back
_TAKE_BACK_S = 5.0
#: and at least so long for credits, unless its caller wants less patience still
_LEAST_WAIT_S = 30
#: what keeps a job from its end at any stage: what to do then goes by whether its edit is there
_SAY_NOTHING_OF_THE_EDIT = (Code.BACKEND_UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.INTERNAL)


async def wait(execution: JobExecution, reason: Temporary, job: Job) -> StepResult:
    """Let go of the job until it is worth another look; one that has waited too long for credits ends.

    `job`: its record as far as it is true, which may be ahead of the one that is written.
    """
    now_ms, by_ms = execution.now_ms, job.deadline_ms
    before = job.wait if job.wait and job.wait.reason is reason.reason else None
    since_ms, times = (before and before.since_ms) or now_ms, before.times + 1 if before else 0
    lacks_credits = reason.reason is WaitReason.NO_CREDITS and job.sent is None
    if lacks_credits:
        by_ms = _credits_by_ms(job, since_ms)
        if now_ms >= by_ms:
            return await fail(execution, Permanent(Code.CREDITS_EXHAUSTED), job)
    until_ms = max(now_ms, min(now_ms + int(grown_s(reason.delay_s, times) * 1000), by_ms))
    if lacks_credits:
        # the look by which it knows that there are none yet is part of its wait
        from_ms = before.until_ms if before else now_ms
        job = transitions.credits_awaited(job, from_ms=from_ms, until_ms=until_ms)
    waiting = transitions.waiting(job, reason=reason.reason, until_ms=until_ms, times=times, since_ms=since_ms)
    return StepResult(waiting, park_s=(until_ms - now_ms) / 1000)


def _credits_by_ms(job: Job, since_ms: int) -> int:
    """Say until when a job waits for credits, since it has none: one that has begun late waits for a moment all the same.

    Others may hold for as long what it needs, or the anonymous identity may be getting its next token.
    """
    return max(job.start_by_ms, since_ms + int(min(job.start_timeout_s, _LEAST_WAIT_S) * 1000))


async def fail(execution: JobExecution, end: Permanent, job: Job) -> StepResult:
    """End a job badly, or as canceled where its caller wanted that anyway; no render is left behind. `job`: see `wait`."""
    cost, session = await _close(execution, end, job)
    now_ms = execution.now_ms
    if job.status is Status.CANCELING:
        return StepResult(transitions.with_cost(transitions.canceled(job, now_ms=now_ms), **cost), session)
    if job.started_at_ms is None:
        job = transitions.started(job, now_ms=now_ms)
    if job.edited and end.code is not Code.POISONED:
        session = await with_claim_link(execution, session or execution.session)
        claim_url = claim_url_at(session, now_ms=now_ms) or job.claim_url
        job = transitions.claim_link_found(job, claim_url=claim_url)
    hint = await _hint(execution, end, job)
    ended = transitions.failed(job, now_ms=now_ms, code=end.code, detail=end.detail, hint=hint)
    return StepResult(transitions.with_cost(ended, **cost), session)


async def _hint(execution: JobExecution, end: Permanent, job: Job) -> str:
    """Say what a caller can do: without credits register the anonymous account, else what goes with the code.

    What was paid for is not paid for again where an export alone is missing.
    """
    if end.code in _SAY_NOTHING_OF_THE_EDIT and job.sent is not None:
        return MEANINGS[Code.RENDER_FAILED if job.edited else Code.EDIT_UNCONFIRMED].hint
    if end.code is Code.EXPORT_BLOCKED and job.edited:
        return f"{end.hint} {MEANINGS[Code.RENDER_FAILED].hint}"
    if end.code is not Code.CREDITS_EXHAUSTED:
        return end.hint
    return await execution.context.token_pool.credits_hint(job, execution.session) or end.hint


async def _close(execution: JobExecution, end: Permanent, job: Job) -> tuple[dict[str, Any], Session | None]:
    """Leave nothing open at the backend, and say what the job has cost as far as that can be said.

    A poisoned job asks for nothing more here: these very calls may be what kills workers.
    """
    await execution.context.leases.ensure_held(execution.lease)
    if end.code is Code.POISONED:
        await leave_render(execution)
        return {} if job.edited else cost_of(job, NO_READING), settling_session(execution, NO_READING)
    try:
        async with asyncio.timeout(_TAKE_BACK_S):
            await abandon_render(execution)
    except (BackendFault, TimeoutError):
        await leave_render(execution)
    if job.sent is None:
        return cost_of(job, NO_READING), None
    return await settle_failed_job(execution)

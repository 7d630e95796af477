"""The first step: the job leaves the queue. No outside thing yet, so that a caller hears of the start at once."""

from core.model import session as sessions
from core.model import transitions
from worker.jobs.execution import JobExecution, StepResult


async def begin(work: JobExecution) -> StepResult:
    """Note the start, unless it comes too late, and the job's files in its session; what it needs is found out next."""
    if work.now_ms > work.job.start_by_ms:
        return StepResult(transitions.expired(work.job, now_ms=work.now_ms))
    job = transitions.started(work.job, now_ms=work.now_ms)
    return StepResult(job, sessions.joined(work.session, job.media))

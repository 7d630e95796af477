"""The first step: the job leaves the queue. No outside thing yet, so that a caller hears of the start at once."""

from core.model import session as sessions
from core.model import transitions
from worker.jobs.execution import JobExecution
from worker.jobs.step_result import StepResult


async def start(execution: JobExecution) -> StepResult:
    """Note the start, unless it comes too late, and the job's files in its session; what it needs is found out next."""
    job, now_ms = execution.job, execution.now_ms
    if now_ms > job.start_by_ms:
        return StepResult(transitions.expired(job, now_ms=now_ms))
    session = sessions.joined(execution.session, job.media, job_id=job.id)
    return StepResult(transitions.started(job, now_ms=now_ms), session)

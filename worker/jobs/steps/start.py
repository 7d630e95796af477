"""The first step: the job leaves the queue. No outside thing yet, so that a caller hears of the start at once."""

from core.model import session as sessions
from core.model import transitions
from core.store.token_work import TokenWork
from worker.jobs.execution import JobExecution
from worker.jobs.step_result import StepResult


async def start(execution: JobExecution) -> StepResult:
    """Note the start, unless it comes too late, the job's files in its session, and its token where one is at hand."""
    job, now_ms = execution.job, execution.now_ms
    if now_ms > job.start_by_ms:
        return StepResult(transitions.expired(job, now_ms=now_ms))
    session = sessions.joined(execution.session, job.media, job_id=job.id, parent_id=job.parent_id)
    started = transitions.started(job, now_ms=now_ms)
    taking = execution.context.token_pool.reservations.reserving(started, session)
    return StepResult(started, session, token_work=TokenWork(take=taking))

"""A token, and a session at the backend in the caller's language. Both can be found again, so a crash here costs nothing."""

from core.errors import Code, Permanent
from core.model import session as sessions
from core.model import transitions
from core.model.job import Job, Stage
from worker.jobs.execution import JobExecution, StepResult
from worker.jobs.language import detect_language
from worker.jobs.steps.answer import answer_of
from worker.tokens.estimate import estimate


async def prepare(work: JobExecution) -> StepResult:
    """Find what the job runs on. Ends it where its session is lost, or where it would cost too much."""
    job, session = work.job, work.session
    if session.lost:
        raise Permanent(Code.SESSION_LOST)
    _within_budget(job)
    if job.token_id is None or work.token_held != job.token_id:
        token_id = work.token_held = await work.kit.pool.take(job, session)
        if session.backend_id and session.token_id != token_id:
            return StepResult(transitions.token_taken(job, token_id=token_id), sessions.forgotten(session))
        if job.token_id != token_id:
            return StepResult(transitions.token_taken(job, token_id=token_id))
    if (answer := answer_of(job)) and not job.media:
        return await answer(work)
    if session.backend_id is None:
        return await _open(work)
    work.doubt = False  # whoever stopped here had not begun to upload
    return StepResult(transitions.moved(job, Stage.UPLOADING))


async def _open(work: JobExecution) -> StepResult:
    """Open a session at the backend; one that nobody comes to know of costs nothing there."""
    job, session = work.job, work.session
    language = job.language or session.language or detect_language(job.prompt)
    opened = await work.kit.backend.open_session(await work.caller(), language=language)
    assert job.token_id is not None
    following = sessions.opened(
        session,
        backend_id=opened.session_id,
        task_id=opened.task_id,
        user_id=opened.user_id,
        token_id=job.token_id,
    )
    return StepResult(transitions.moved(job, Stage.UPLOADING, language=language), following)


def _within_budget(job: Job) -> None:
    cost = estimate(job)
    if job.max_credits is not None and cost > job.max_credits:
        raise Permanent(
            Code.BUDGET_EXCEEDED, f"The edit costs about {cost} credits, and max_credits is {job.max_credits}."
        )

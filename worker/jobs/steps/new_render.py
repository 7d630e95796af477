"""Begins a render, or another one in the place of one that failed: writes its id down, so that no crash loses one."""

from core.errors import Code, Permanent
from core.model import transitions
from core.model.job import Render
from worker.backend.requests import new_render_id
from worker.jobs.execution import JobExecution
from worker.jobs.step_result import StepResult

#: a failed or forgotten render, or one whose film can't be used, is begun again once
_ATTEMPTS = 2


def first_render(*, now_ms: int) -> Render:
    """Make the id of a job's first render, to be written down with the checkpoint that leads to it."""
    return Render(id=new_render_id(now_ms), attempt=1, started_at_ms=now_ms)


def name_render(execution: JobExecution, *, attempt: int, any_resolution: bool = False) -> StepResult:
    """Write down the id before the render is asked for. Without a resolution it may be no better, so pauses go on growing."""
    job, now_ms = execution.job, execution.now_ms
    wanted = Render(id=new_render_id(now_ms), attempt=attempt, started_at_ms=now_ms, any_resolution=any_resolution)
    return StepResult(transitions.rendering(job, render=wanted, tries=job.tries if any_resolution else None))


def is_last_attempt(render: Render) -> bool:
    """Whether no other one is begun in its place."""
    return render.attempt >= _ATTEMPTS


def render_anew(execution: JobExecution, failed: Render, words: str | None) -> StepResult:
    """Begin again once. Raises Permanent, in these words, when that was the second time."""
    if is_last_attempt(failed):
        raise Permanent(Code.RENDER_FAILED, words)
    return name_render(execution, attempt=failed.attempt + 1, any_resolution=failed.any_resolution)

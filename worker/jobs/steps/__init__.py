"""The steps of a job, in the order in which it takes them. Each does one outside thing and returns the next record."""

from collections.abc import Callable, Coroutine
from typing import Any

from core.model.job import Job, Stage, Status
from worker.jobs.execution import JobExecution
from worker.jobs.step_result import StepResult
from worker.jobs.steps.cancel import cancel
from worker.jobs.steps.edit import edit
from worker.jobs.steps.prepare import prepare
from worker.jobs.steps.recover import recover
from worker.jobs.steps.render import render
from worker.jobs.steps.start import start
from worker.jobs.steps.store import store
from worker.jobs.steps.upload import upload

Step = Callable[[JobExecution], Coroutine[Any, Any, StepResult]]

_STEPS: dict[Stage, Step] = {
    Stage.PREPARING: prepare,
    Stage.UPLOADING: upload,
    Stage.EDITING: edit,
    Stage.RECOVERING: recover,
    Stage.RENDERING: render,
    Stage.STORING: store,
}


def step_of(job: Job) -> Step:
    """Name the step that goes on from a record."""
    if job.stage is None:
        return start
    if job.status is Status.CANCELING and job.stage is not Stage.STORING:
        return cancel
    return _STEPS[job.stage]

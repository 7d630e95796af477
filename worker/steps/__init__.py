"""The steps of a job, in the order in which it takes them. Each does one outside thing and returns the next record."""

from collections.abc import Callable, Coroutine
from typing import Any

from core.job import Job, Stage, Status
from worker.steps.begin import begin
from worker.steps.cancel import cancel
from worker.steps.edit import edit
from worker.steps.prepare import prepare
from worker.steps.recover import recover
from worker.steps.render import render
from worker.steps.store import store
from worker.steps.upload import upload
from worker.work import Next, Work

Step = Callable[[Work], Coroutine[Any, Any, Next]]

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
        return begin
    if job.status is Status.CANCELING and job.stage is not Stage.STORING:
        return cancel
    return _STEPS[job.stage]

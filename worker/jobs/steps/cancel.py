"""The caller wants it stopped: the stream is closed by now; the render is taken back, and late effects waited for.

A finish that the backend reached wins: its video is fetched, and the job succeeds.
"""

import msgspec

from core.model import transitions
from core.model.job import Sent, Stage
from worker.backend.faults import PASSING, BackendFault
from worker.jobs.execution import JobExecution, StepResult
from worker.jobs.steps.render import abandon
from worker.jobs.steps.settlement import CreditReading, settled, settling, witness

_LOOK_AGAIN_S = 5.0


async def cancel(work: JobExecution) -> StepResult:
    """Stop what can be stopped; end the job when nothing of it can come any more."""
    job = work.job
    status = await abandon(work)
    if status and status.status == "completed" and job.render:
        ready = msgspec.structs.replace(job.render, url=status.url, duration_s=status.duration_s, percent=100)
        return StepResult(transitions.moved(transitions.polled(job, render=ready), Stage.STORING))
    if job.sent and not job.edited:
        return await _after_late_effects(work, job.sent)
    canceled = transitions.canceled(job, now_ms=work.now_ms)
    return StepResult(canceled if job.sent else transitions.with_cost(canceled, credits_used=0, credits_exact=True))


async def _after_late_effects(work: JobExecution, sent: Sent) -> StepResult:
    """A message that went out may still be worked on: as long as credits are frozen for it, it is.

    What was cut off just now may not even have reached the backend, so the first look waits.
    """
    job, settings = work.job, work.kit.settings
    if (early_s := settings.settle_s - (work.now_ms - sent.at_ms) / 1000) > 0:
        return StepResult(transitions.still_canceling(job), park_s=early_s)
    now = await _witness(work)
    if now.still_works and work.now_ms < sent.at_ms + int(settings.stream_limit_s * 1000):
        return StepResult(transitions.still_canceling(job), park_s=min(_LOOK_AGAIN_S, settings.recover_every_s))
    cost = await settled(work, job, now, confirmed=False)
    return StepResult(transitions.with_cost(transitions.canceled(job, now_ms=work.now_ms), **cost), settling(work, now))


async def _witness(work: JobExecution) -> CreditReading:
    """Read the balance, or nothing where the token is over: then its sessions are too."""
    try:
        return await witness(work)
    except BackendFault as fault:
        if fault.fault in PASSING:
            raise
        return CreditReading(None, 0, None)

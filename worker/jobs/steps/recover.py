"""Reading instead of sending again: the message may have been worked on, so only the state can say.

After a drop the first read waits; a changed draft counts when two reads agree; unchanged reads end it. All of that only
while no credits are frozen for this job: since then it may still come.
"""

from core.errors import Code, Permanent
from core.metrics import RECOVERIES
from core.model import transitions
from core.model.job import Job, Recovery
from core.settings import Settings
from worker.backend import drafts
from worker.jobs.execution import JobExecution, StepResult
from worker.jobs.steps.confirm import done, nothing_done
from worker.jobs.steps.settlement import CreditReading, witness

#: unchanged reads after a stream that spoke and closed by itself
_SPOKEN_READS = 2


async def recover(work: JobExecution) -> StepResult:
    """Look once at what the message did."""
    job, settings = work.job, work.kit.settings
    assert job.recovery is not None
    assert job.sent is not None
    if (early_s := _too_early_s(job.recovery, settings, work.now_ms)) > 0:
        return StepResult(transitions.still_unconfirmed(job, seen=None, counts=False), park_s=early_s)
    now = await witness(work)
    state = await work.kit.backend.state(await work.caller(), work.backend_session())
    seen = drafts.fingerprint(state.draft)
    if seen == job.sent.before:
        return await _unchanged(work, now)
    if job.recovery.seen != seen or _may_still_come(job, now, settings, work.now_ms):
        return StepResult(transitions.still_unconfirmed(job, seen=seen), park_s=settings.settle_s)
    RECOVERIES.labels("confirmed").inc()
    return await done(work, job, state, now)


async def _unchanged(work: JobExecution, now: CreditReading) -> StepResult:
    job, settings = work.job, work.kit.settings
    assert job.recovery is not None
    needed = _SPOKEN_READS if job.recovery.spoke else settings.recover_reads
    # a backend that does not tell what is frozen may still be at work, unless it has closed the stream by itself
    silent = now.balance is None and not job.recovery.spoke
    if job.recovery.reads + 1 < needed or _may_still_come(job, now, settings, work.now_ms, silent=silent):
        pause_s = settings.settle_s if job.recovery.spoke else settings.recover_every_s
        return StepResult(transitions.still_unconfirmed(job, seen=None), park_s=pause_s)
    if job.recovery.spoke:
        return await nothing_done(work, job, now)
    RECOVERIES.labels("unconfirmed").inc()
    raise Permanent(Code.EDIT_UNCONFIRMED)


def _too_early_s(recovery: Recovery, settings: Settings, now_ms: int) -> float:
    """The first read after a drop comes when the edit has had time to end."""
    if recovery.reads or recovery.seen or recovery.spoke:
        return 0.0
    return settings.recover_first_s - (now_ms - recovery.since_ms) / 1000


def _may_still_come(job: Job, now: CreditReading, settings: Settings, now_ms: int, *, silent: bool = False) -> bool:
    """Credits are frozen for this job, and the longest that a message may take is not over."""
    assert job.sent is not None
    return (now.still_works or silent) and now_ms - job.sent.at_ms <= settings.stream_limit_s * 1000

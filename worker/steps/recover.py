"""Reading instead of sending again: the message may have been worked on, so only the state can say.

After a drop the first read waits; a changed draft counts when two reads agree; unchanged reads end it, but not while
credits are frozen, since then it may still come.
"""

from core import job as verbs
from core.errors import Code, Permanent
from core.job import Job, Recovery
from core.metrics import RECOVERIES
from core.settings import Settings
from worker import drafts
from worker.steps.confirm import done
from worker.steps.credits import balance
from worker.upstream.wire import Credits
from worker.work import Next, Work


async def recover(work: Work) -> Next:
    """Look once at what the message did."""
    job, settings = work.job, work.kit.settings
    assert job.recovery is not None
    assert job.sent is not None
    if (early_s := _too_early_s(job, settings, work.now_ms)) > 0:
        return Next(verbs.still_unsure(job, seen=None, counts=False), park_s=early_s)
    state = await work.kit.backend.state(await work.caller(), work.backend_session())
    now = await balance(work)
    seen = drafts.fingerprint(state.draft)
    if seen == job.sent.before:
        if _hopeless(job, now, settings, work.now_ms):
            RECOVERIES.labels("unconfirmed").inc()
            raise Permanent(Code.EDIT_UNCONFIRMED)
        return Next(verbs.still_unsure(job, seen=None), park_s=settings.recover_every_s)
    if job.recovery.seen != seen:
        return Next(verbs.still_unsure(job, seen=seen), park_s=settings.settle_s)
    RECOVERIES.labels("confirmed").inc()
    return await done(work, job, state, now)


def _too_early_s(job: Job, settings: Settings, now_ms: int) -> float:
    """The first read after a drop comes when the edit has had time to end."""
    recovery = job.recovery or Recovery(since_ms=now_ms)
    if recovery.reads or recovery.seen:
        return 0.0
    return settings.recover_first_s - (now_ms - recovery.since_ms) / 1000


def _hopeless(job: Job, now: Credits | None, settings: Settings, now_ms: int) -> bool:
    """Decide that the edit will not come: enough unchanged reads, and nothing reserved for it or its time over."""
    assert job.recovery is not None
    assert job.sent is not None
    if job.recovery.reads + 1 < settings.recover_reads:
        return False
    time_over = now_ms - job.sent.at_ms > settings.stream_limit_s * 1000
    return time_over or (now is not None and now.frozen == 0)

"""The first step: the job leaves the queue. No outside thing yet, so that a caller hears of the start at once."""

from core import session as sessions
from core import verbs
from worker.work import Next, Work


async def begin(work: Work) -> Next:
    """Note the start, unless it comes too late, and the job's files in its session; what it needs is found out next."""
    if work.now_ms > work.job.start_by_ms:
        return Next(verbs.expired(work.job, now_ms=work.now_ms))
    job = verbs.started(work.job, now_ms=work.now_ms)
    return Next(job, sessions.joined(work.session, job.media))

"""The first step: the job leaves the queue. No outside thing yet, so that a caller hears of the start at once."""

from core import job as verbs
from worker.work import Next, Work


async def begin(work: Work) -> Next:
    """Note the start; what the job needs is found out next."""
    return Next(verbs.started(work.job, now_ms=work.now_ms))

"""Deadline and poison check: a job may go on, but not past its deadline, and not after it has killed its worker again and again. Pure.

Its message is not sent in the last seconds before that: it would be paid for, and nobody would hear what came of it.

Of a process that is not heard of nobody knows whether it is dead, or starved on a busy host. So nobody is said to have
been killed before those who were lost had time to come back.
"""

from core.errors import Code, Permanent, WaitReason
from core.model.job import Job, Stage
from core.model.message_cost import is_generation
from worker.jobs.edit_outcome import unconfirmed_words
from worker.jobs.retry_policy import MEDIA, STORAGE, SURPRISE, UNSEEN

#: a job that killed so many workers at one stage is not run again
_POISONED_AFTER = 3
#: a process that lives is heard of again within so many leases, however busy its host
_LEASES_TO_COME_BACK = 5
#: what an edit, and a generation, takes at the least: the least of the usual durations, and of what a skill says of its films
#: (BACKEND.md, "The message stream", "Limits, and what a user is told")
_LEAST_EDIT_S, _LEAST_GENERATION_S = 5.0, 60.0
#: who gives a job less time than that has it tried all the same, as long as so large a part of it is left
_PART_OF_SHORT_TIME = 0.25
_NO_TIME_TO_EDIT = "Too little of its timeout_s was left for the edit, which was not sent."
_NO_STORAGE = "The storage of this service was away, or full, for as long as the job may take."


def verdict_in_s(*, crashes: int, lost_since_s: float, lease_s: float) -> float:
    """Say how long to leave a job alone that seems to have killed its workers; 0: what is known of it is all."""
    if crashes < _POISONED_AFTER:
        return 0.0
    return max(0.0, _LEASES_TO_COME_BACK * lease_s - lost_since_s)


def require_time(job: Job, *, crashes: int, now_ms: int) -> None:
    """Raise Permanent for a job that killed its worker three times at one stage, or has passed its deadline."""
    if crashes >= _POISONED_AFTER:
        raise Permanent(Code.POISONED)
    if job.started_at_ms is not None and now_ms >= job.deadline_ms:
        raise end_of_late(job)


def require_time_to_edit(job: Job, *, now_ms: int) -> None:
    """Raise Permanent for a job whose message has yet to be sent, and could not be worked on in the time that is left."""
    if job.plan.message is None or job.deadline_ms - now_ms >= _least_s(job) * 1000:
        return
    end = end_of_late(job)
    raise Permanent(end.code, _NO_TIME_TO_EDIT if end.code is Code.DEADLINE_EXCEEDED else end.detail)


def _least_s(job: Job) -> float:
    return min(_LEAST_GENERATION_S if is_generation(job) else _LEAST_EDIT_S, _PART_OF_SHORT_TIME * job.timeout_s)


def end_of_late(job: Job) -> Permanent:
    """Say why a job is late: what it waited for to the end, or an edit that nobody saw come or fail."""
    if job.wait is None and STORAGE in job.tries:
        return Permanent(Code.INTERNAL, _NO_STORAGE)
    code = _code_of_late(job)
    return Permanent(code, unconfirmed_words(job) if code is Code.EDIT_UNCONFIRMED else None)


def _code_of_late(job: Job) -> Code:
    if job.stage is Stage.RECOVERING:
        return Code.EDIT_UNCONFIRMED
    if job.sent is not None:
        return Code.DEADLINE_EXCEEDED
    if job.wait and job.wait.reason is WaitReason.NO_CREDITS:
        return Code.CREDITS_EXHAUSTED
    waits = job.wait and job.wait.reason in (WaitReason.BACKEND_DOWN, WaitReason.BACKEND_RATE_LIMITED)
    refused = job.tries.keys() - {STORAGE, SURPRISE, MEDIA, UNSEEN}
    return Code.BACKEND_UNAVAILABLE if waits or refused else Code.DEADLINE_EXCEEDED

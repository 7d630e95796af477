"""When a job makes a refused or broken call again, and when it gives up: the one place for its pauses and ends. Pure.

Each kind of fault has a rule. Pauses double from the rule's first one, per job and per call that fails in this way; a
job gives up after the rule's number of tries, or where there is none when its time is over. What goes on with another
token or in a new session may do so at once the first time, since it does not ask the same again.
"""

from http import HTTPStatus
from typing import NamedTuple

from core.errors import WaitReason
from core.model.job import Job, Status
from core.settings import Settings
from worker.backend.faults import PASSING, BackendFault, Fault
from worker.tokens.rest import token_rest_s

#: the longest growing pause between two tries
LONGEST_PAUSE_S = 60.0
#: tries after the first call, where the backend refuses what it will probably refuse again
TRIES = 5
#: under what a job counts the steps that it repeats for our own faults, for a caller's server that is away, and for an upload
#: that does not show yet, beside its calls, whose names have two words
STORAGE, SURPRISE, MEDIA, UNSEEN = "storage", "surprise", "media", "unseen"
#: what a job counts an error of the backend's own under, and an answer that does not say whether it has a file
_OWN_ERROR, _UNSAID = "error", "unsaid"
#: while this process leaves the backend alone and does not say for how long
_HELD_BACK_S = 1.0
#: the longest pause that is taken on the word of a page, or of who is broken: maintenance asks for hours
_LONGEST_TOLD_S = 300.0
#: the longest pause for a job that is canceled; its render is followed after its end
_LONGEST_CANCELING_S = 30.0
_BUSY_TIMES = 3
#: the same call will be refused again, as far as anybody knows
_REFUSED_FOR_GOOD = frozenset({Fault.REFUSED, Fault.UNSUPPORTED, Fault.TOO_LARGE})
_REASONS = {
    Fault.RATE_LIMITED: WaitReason.BACKEND_RATE_LIMITED,
    Fault.BUSY: WaitReason.SESSION_BUSY,
    Fault.NO_CREDITS: WaitReason.NO_CREDITS,
}


class NextTry(NamedTuple):
    """Make the call again after `delay_s`. `counts`: the next pause is longer; not where nothing was sent."""

    reason: WaitReason
    delay_s: float
    counts: bool = True


def next_try(
    fault: BackendFault, job: Job, settings: Settings, *, now_ms: int, elsewhere: bool = False
) -> NextTry | None:
    """Say when a job makes its call again; None: it gives up. `elsewhere`: with another token, or in a new session.

    The pause never leads past the job's deadline, at which it ends. Who has canceled waits for no longer pause, and not for
    ever for a backend that nobody asks.
    """
    tries = tries_of(fault, job)
    if tries >= _most_tries(fault, job):
        return None
    pause_s = _pause_s(fault, job, settings)
    if elsewhere:  # what was told of one token holds for no other
        pause_s = 0.0 if tries == 0 else min(pause_s, LONGEST_PAUSE_S)
    cancels = job.status is Status.CANCELING
    if cancels and pause_s > _LONGEST_CANCELING_S:
        return None
    left_s = max(0.0, (job.deadline_ms - now_ms) / 1000)
    return NextTry(
        _REASONS.get(fault.fault, WaitReason.BACKEND_DOWN), min(pause_s, left_s), counts=cancels or _was_sent(fault)
    )


def grown_s(first_s: float, times: int) -> float:
    """How long to wait for the same once more, after so many times: each is twice as long, up to a minute."""
    return _doubled(first_s, times, max(first_s, LONGEST_PAUSE_S))


def repeat_s(job: Job, settings: Settings, *, after: str) -> float:
    """Say how long a job waits before it repeats a step that no call of the backend's cut off: STORAGE, SURPRISE, MEDIA or UNSEEN."""
    return grown_s(settings.backoff_s, job.tries.get(after, 0))


def may_repeat(job: Job) -> bool:
    """Tell whether a step that broke, as nobody expected, is tried once more: what broke it may pass."""
    return job.status is not Status.CANCELING and job.tries.get(SURPRISE, 0) < TRIES


def tries_of(fault: BackendFault, job: Job) -> int:
    """How often the job has gone on after this fault of this call."""
    return job.tries.get(name_of(fault), 0)


def tries_after_upload(job: Job, *, last: bool) -> dict[str, int]:
    """What is still counted after a file was brought: what was waited for is over.

    What broke off is so only with the `last` one: before an edit it begins a new session, into which all files that went
    well are brought again, each time.
    """
    broken = {SURPRISE, *(f"upload {how}" for how in (Fault.BROKEN, _OWN_ERROR, _UNSAID))}
    over = {STORAGE, MEDIA, UNSEEN, *(f"upload {fault}" for fault in PASSING)} - broken
    if last:
        over |= broken
    return {name: times for name, times in job.tries.items() if name not in over}


def name_of(fault: BackendFault) -> str:
    """Name what is counted: ``"upload broken"``. What says something of the call, and not of an outage, is counted apart."""
    if fault.says_no_more:
        return f"{fault.call} {_UNSAID}"
    return f"{fault.call} {_OWN_ERROR if fault.is_own_error else fault.fault}"


def _most_tries(fault: BackendFault, job: Job) -> float:
    """Passing faults are waited out, unless the job is canceled. What is refused ends at once, unless it was paid for.

    A whole file is not brought again and again to a backend that answers each time, and does not say that it has it.
    """
    if fault.says_no_more:
        return TRIES
    if fault.fault in PASSING:
        return TRIES if job.status is Status.CANCELING else float("inf")
    # a 403 that names no scope may be a firewall's, which lets the next call through
    if fault.fault in _REFUSED_FOR_GOOD and fault.status != HTTPStatus.FORBIDDEN:
        return TRIES if job.sent is not None else 0
    return TRIES


def _pause_s(fault: BackendFault, job: Job, settings: Settings) -> float:
    tries = tries_of(fault, job)
    of_page_s = min(fault.retry_after_s or 0.0, _LONGEST_TOLD_S)
    match fault.fault:
        case Fault.HELD_BACK:
            return fault.retry_after_s or _HELD_BACK_S
        case Fault.RATE_LIMITED:
            return token_rest_s(tries, fault.retry_after_s if fault.by_backend else of_page_s, settings)
        case Fault.BUSY:
            return _doubled(_BUSY_TIMES * settings.backoff_s, tries, LONGEST_PAUSE_S)
    first_s = max(settings.backoff_s, of_page_s)
    return _doubled(first_s, tries, max(first_s, LONGEST_PAUSE_S))


def _doubled(first_s: float, times: int, longest_s: float) -> float:
    return float(min(longest_s, first_s * (1 << min(times, 20))))


def _was_sent(fault: BackendFault) -> bool:
    return fault.fault is not Fault.HELD_BACK

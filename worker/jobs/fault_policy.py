"""What a backend's refusal means for a job: the one table from `Fault` to a reaction. Pure.

`worker.jobs.fault_handler` carries the reaction out. A message that may have arrived leads to reading, never to sending
again; everything else may be asked again.
"""

from enum import Enum, auto
from typing import NamedTuple, TypeAlias

from core.errors import Code, Permanent, WaitReason
from core.model import session as sessions
from core.model.job import Job, Stage, Status
from core.model.session import Session
from core.profiles import PROFILES
from core.settings import Settings
from worker.backend.faults import PASSING, BackendFault, Fault

_BUSY_S = 3.0
#: the longest growing pause between two tries while the backend fails
_LONGEST_PAUSE_S = 60.0
#: the longest rest after a 429 that does not say how long
_LONGEST_REST_S = 300.0

_ENDS = {
    Fault.UNSUPPORTED: Code.UNSUPPORTED_MEDIA,
    Fault.REFUSED: Code.BACKEND_UNAVAILABLE,
    Fault.RENDER_DUPLICATE: Code.INTERNAL,
    Fault.RENDER_UNKNOWN: Code.RENDER_FAILED,
}


class Change(Enum):
    """What has to change before the job can go on."""

    #: the message may have been worked on: from now on the draft is read, and nothing is sent
    READ_INSTEAD_OF_SENDING = auto()
    #: the token was refused: hand it back, and go on with its successor or in a new session
    INVALIDATE_TOKEN = auto()
    #: the session is gone: open a new one, unless an edit stands in the lost one
    LEAVE_SESSION = auto()
    #: the token's credits do not suffice: begin again with another one
    EXHAUST_TOKEN = auto()
    #: the token's plan does not let it export
    BLOCK_EXPORT = auto()
    #: the token lacks a scope: begin again with one that has it
    DENY_SCOPE = auto()


class RetryLater(NamedTuple):
    """Ask again after `delay_s`. `token_rests`: nobody else shall take the token meanwhile."""

    reason: WaitReason
    delay_s: float
    token_rests: bool = False
    #: an upload broke off: before the next one the backend is asked what it has
    upload_doubt: bool = False


class EndJob(NamedTuple):
    """The same call will be refused again: the job ends."""

    code: Code
    detail: str | None = None
    hint: str | None = None

    def as_error(self) -> Permanent:
        return Permanent(self.code, self.detail, hint=self.hint)


Reaction: TypeAlias = Change | RetryLater | EndJob


def reaction_to(fault: BackendFault, job: Job, settings: Settings) -> Reaction:
    """Read the table. Total: every fault at every stage has a reaction."""
    if fault.call == "message" and fault.maybe_done:
        return Change.READ_INSTEAD_OF_SENDING
    match fault.fault:
        case Fault.TOKEN_REFUSED:
            return Change.INVALIDATE_TOKEN
        case Fault.SESSION_LOST:
            return Change.LEAVE_SESSION
        case Fault.NO_CREDITS:
            return Change.EXHAUST_TOKEN
        case Fault.EXPORT_BLOCKED:
            return Change.BLOCK_EXPORT
        case Fault.SCOPE_MISSING:
            return Change.DENY_SCOPE
        case Fault.TOO_LARGE:
            return EndJob(Code.MEDIA_TOO_LARGE, hint=_size_hint(job))
        case passing if passing in PASSING:
            return _retry_later(fault, job, settings)
        case lasting:
            return EndJob(_ENDS[lasting], fault.detail or None)


def _retry_later(fault: BackendFault, job: Job, settings: Settings) -> RetryLater:
    """Wait, with a growing pause; the backend's own word counts more where it asks for longer."""
    doubt = fault.call == "upload" and fault.maybe_done
    match fault.fault:
        case Fault.RATE_LIMITED:
            return RetryLater(WaitReason.BACKEND_RATE_LIMITED, _rest_s(fault, job, settings), token_rests=True)
        case Fault.BUSY:
            return RetryLater(WaitReason.SESSION_BUSY, _BUSY_S)
    growing_s = min(_LONGEST_PAUSE_S, settings.backoff_s * _growth(job))
    return RetryLater(WaitReason.BACKEND_DOWN, max(growing_s, fault.retry_after_s or 0.0), upload_doubt=doubt)


def _rest_s(fault: BackendFault, job: Job, settings: Settings) -> float:
    """The backend's own word, or else one try after 30 s, and from then on ever longer rests."""
    return fault.retry_after_s or min(_LONGEST_REST_S, settings.rate_limited_s * _growth(job))


def _growth(job: Job) -> int:
    return 1 << min(job.faults, 10)


def _size_hint(job: Job) -> str:
    limit = PROFILES[job.profile].max_bytes // 1_000_000
    return f"Compress or trim the file to at most {limit} MB and submit again."


def may_begin_again(job: Job) -> bool:
    """Whether nothing was paid for yet: the job's message was refused, or was never sent."""
    return job.stage in (Stage.PREPARING, Stage.UPLOADING, Stage.EDITING) and job.status is Status.RUNNING


def message_was_refused(job: Job) -> bool:
    """Whether a refusal voids the intent to send, since it came before any work.

    A job that is being cancelled has closed its stream, so nobody knows whether its message was refused.
    """
    return job.stage is Stage.EDITING and job.status is Status.RUNNING


def may_leave_session(job: Job, session: Session) -> bool:
    """Whether the job can go on in a new session: no edit stands in this one, or may stand there."""
    return not session.edits and job.stage is not Stage.RECOVERING


def may_take_another_token(job: Job, session: Session) -> bool:
    """Whether the job can go on with a token of another account: what it did so far is not tied to this one."""
    return may_begin_again(job) and not sessions.is_bound(session)


def raised_estimate(job: Job, *, available: int | None, estimate: int) -> int:
    """Say how many credits the next token must have at least.

    A token with credits enough for the estimate was refused: the message costs more than was thought. The next one must
    have twice as much, so that this ends. Of one with fewer it is known now that they are too few.
    """
    if available is None:
        return job.cost_at_least
    return 2 * estimate if available >= estimate else max(job.cost_at_least, available + 1)

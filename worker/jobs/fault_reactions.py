"""What a backend's refusal means for a job: the one table from `Fault` to a reaction. Pure.

`worker.jobs.fault_handling` carries the reaction out; when a call is made again says `worker.jobs.retry_policy`. A message
that may have arrived leads to reading, never to sending again; everything else may be asked again.
"""

from enum import Enum, auto

from core.errors import Code, Permanent
from core.model import session as sessions
from core.model.job import Job, Stage, Status
from core.model.session import Session
from core.model.transitions import BEFORE_MESSAGE
from core.profiles import PROFILES
from worker.backend.faults import BackendFault, Fault
from worker.jobs.edit_outcome import unconfirmed_words

#: the calls whose refusal can be about a file
_MEDIA_CALLS = ("upload", "message")


class Reaction(Enum):
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
    #: nothing: the same call is made again later, as long as the retry rules allow it
    TRY_AGAIN = auto()


_CHANGES = {
    Fault.TOKEN_REFUSED: Reaction.INVALIDATE_TOKEN,
    Fault.SESSION_LOST: Reaction.LEAVE_SESSION,
    Fault.NO_CREDITS: Reaction.EXHAUST_TOKEN,
    Fault.EXPORT_BLOCKED: Reaction.BLOCK_EXPORT,
    Fault.SCOPE_MISSING: Reaction.DENY_SCOPE,
}


def reaction_to(fault: BackendFault) -> Reaction:
    """Read the table. Total: every fault of every call has a reaction.

    The call that makes a token has none yet, so what it is refused for is no token's and no session's fault.
    """
    if fault.call == "message" and fault.maybe_done:
        return Reaction.READ_INSTEAD_OF_SENDING
    if fault.call == "anonymous_token":
        return Reaction.TRY_AGAIN
    return _CHANGES.get(fault.fault, Reaction.TRY_AGAIN)


def end_after(fault: BackendFault, job: Job) -> Permanent:
    """Say how a job ends that gives up after a fault: by what was refused, and by what was paid for already."""
    if job.stage is Stage.RECOVERING:
        return Permanent(Code.EDIT_UNCONFIRMED, fault.detail or unconfirmed_words(job))
    if fault.fault is Fault.SCOPE_MISSING and fault.call != "anonymous_token":
        return Permanent(Code.SCOPE_MISSING, fault.detail or None)
    if fault.fault is Fault.RENDER_UNKNOWN:
        return Permanent(Code.RENDER_FAILED, fault.detail or None)
    if job.sent is not None:
        return Permanent(_code_after_message(fault, job), fault.detail or None)
    match fault.fault:
        case Fault.NO_CREDITS:
            return Permanent(Code.CREDITS_EXHAUSTED)
        case Fault.UNSUPPORTED if fault.call in _MEDIA_CALLS:
            return Permanent(Code.UNSUPPORTED_MEDIA, fault.detail or None)
        case Fault.TOO_LARGE if fault.call in _MEDIA_CALLS:
            return Permanent(Code.MEDIA_TOO_LARGE, hint=_size_hint(job))
    return Permanent(Code.BACKEND_UNAVAILABLE, fault.detail or None)


def _code_after_message(fault: BackendFault, job: Job) -> Code:
    """What came of a message that was sent: nobody could see, or its export was refused."""
    if not job.edited:
        return Code.EDIT_UNCONFIRMED
    return Code.BACKEND_UNAVAILABLE if fault.fault is Fault.TOKEN_REFUSED else Code.RENDER_FAILED


def _size_hint(job: Job) -> str:
    limit = PROFILES[job.profile].max_bytes // 1_000_000
    return f"Compress or trim the file to at most {limit} MB and submit again."


def may_begin_again(job: Job) -> bool:
    """Whether nothing was paid for yet: the job's message was refused, or was never sent."""
    return job.sent is None and job.stage in BEFORE_MESSAGE and job.status is Status.RUNNING


def message_was_refused(fault: BackendFault, job: Job, *, may_send: bool) -> bool:
    """Whether a refusal voids the intent to send: it is the message's own, or comes before the message went out.

    `may_send`: this run has announced the message, and sent nothing since. A fault of any other call says nothing of a
    message that is out; and a job that is being cancelled has closed its stream, so nobody knows what came of it.
    """
    if job.stage is not Stage.EDITING or job.sent is None or job.status is not Status.RUNNING:
        return False
    return may_send or (fault.call == "message" and not fault.maybe_done)


def may_leave_session(job: Job, session: Session) -> bool:
    """Whether the job can go on in a new session: no edit stands in this one, or may stand there."""
    return not session.edits and job.sent is None and job.stage is not Stage.RECOVERING


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

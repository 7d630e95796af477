"""Error codes of a job: a closed set, what each means, and what the caller can do.

`worker/` raises `Permanent` and `Temporary`; `worker/jobs/runner.py` turns them into the record's next state. The
table below is the only place where a code gets its words; `core.model.job_view` shows them as a problem inside the job.
"""

from enum import StrEnum
from typing import NamedTuple


class StartRefused(Exception):  # noqa: N818 - it says what happened
    """A process may not serve this Redis, or has no storage, and ends at its start. The words are for the operator."""


class Code(StrEnum):
    """The codes of a failed job, as callers read them in ``error.code``."""

    CREDITS_EXHAUSTED = "credits_exhausted"
    BUDGET_EXCEEDED = "budget_exceeded"
    EXPORT_BLOCKED = "export_blocked"
    SCOPE_MISSING = "scope_missing"
    UNSUPPORTED_MEDIA = "unsupported_media"
    MEDIA_TOO_LARGE = "media_too_large"
    MEDIA_UNREACHABLE = "media_unreachable"
    SESSION_LOST = "session_lost"
    EDIT_UNCONFIRMED = "edit_unconfirmed"
    NOTHING_CHANGED = "nothing_changed"
    NEEDS_INPUT = "needs_input"
    NOTHING_TO_EXPORT = "nothing_to_export"
    RENDER_FAILED = "render_failed"
    RENDER_TIMEOUT = "render_timeout"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    BACKEND_UNAVAILABLE = "backend_unavailable"
    POISONED = "poisoned"
    INTERNAL = "internal"


class Meaning(NamedTuple):
    """What a code says to a person. `retryable`: the same request may succeed later, by a replay."""

    title: str
    retryable: bool
    hint: str
    #: why a job ends so, and what that has cost
    meaning: str


MEANINGS: dict[Code, Meaning] = {
    Code.CREDITS_EXHAUSTED: Meaning(
        "The backend account has no credits left.",
        True,
        "Top up credits in your account, then replay the job.",
        "The backend refused the edit for want of credits, or a job waited for some (`no_credits`) longer than its "
        "`start_timeout_s`. Nothing was charged for what was refused.",
    ),
    Code.BUDGET_EXCEEDED: Meaning(
        "The job would cost more than its budget.",
        True,
        "Submit it anew with a higher max_credits; or replay it when the month's budget is raised, or begins anew.",
        "The edit's expected cost is above `max_credits`, or above what is left of the tenant's month. It ended before "
        "the message was sent, so nothing was charged.",
    ),
    Code.EXPORT_BLOCKED: Meaning(
        "The backend account's plan does not allow exports.",
        False,
        "Register or upgrade your plan to unlock export.",
        "An edit that was made was charged, and stands in the session; only its export was refused. Where no account may export "
        "a job ends before its message, and costs nothing: `credits_used`.",
    ),
    Code.SCOPE_MISSING: Meaning(
        "The backend token lacks a needed permission.",
        False,
        "Ask the operator for a token with the missing scope.",
        "No token that this tenant uses may do what the job needs. It is about the operator's tokens, not your API key.",
    ),
    Code.UNSUPPORTED_MEDIA: Meaning(
        "A file's format is not supported.",
        False,
        "Use one of: mp4, mov, avi, webm, mkv, jpg, png, gif, webp, mp3, wav, m4a, aac.",
        "The bytes that came from a media URL are of none of the 13 formats. Nothing was charged.",
    ),
    Code.MEDIA_TOO_LARGE: Meaning(
        "A file is too large.",
        False,
        "Compress or trim the file and submit again.",
        "A file has more bytes than the profile takes (`GET /v1/profiles`). Nothing was charged.",
    ),
    Code.MEDIA_UNREACHABLE: Meaning(
        "A media URL could not be fetched.",
        True,
        "Check that the URL is public and answers, or upload the file.",
        "Neither the backend nor this service got the file: its host does not answer, refuses, or leads to an address "
        "that is not public. Nothing was charged.",
    ),
    Code.SESSION_LOST: Meaning(
        "The backend forgot the session, and its timeline with it.",
        False,
        "Start again in a new session with the original media.",
        "Edits that were made in the session were charged and cannot be brought back. Jobs that come after it in the "
        "session end the same way.",
    ),
    Code.EDIT_UNCONFIRMED: Meaning(
        "The connection broke during the edit, and no change could be confirmed.",
        True,
        "Look at the timeline; replay the job if the edit is missing. A replay sends, and charges, the message again.",
        "The message was sent once and not again, so it was charged once or not at all; `credits_exact` says whether "
        "the number is known. The title speaks of one way in which that comes about: `detail` says how the answer ended.",
    ),
    Code.NOTHING_CHANGED: Meaning(
        "The backend answered, and edited nothing.",
        False,
        "Be specific, e.g. 'trim the first 2 seconds'.",
        "The prompt was read as talk. The message was probably charged: `credits_used`. What it said is the `reply`.",
    ),
    Code.NEEDS_INPUT: Meaning(
        "The backend asked a question instead of editing.",
        False,
        "Answer it with a new job in the same session.",
        "The question is the `reply`. The message was probably charged: `credits_used`.",
    ),
    Code.NOTHING_TO_EXPORT: Meaning(
        "The timeline is empty, so there is nothing to export.",
        False,
        "Add media or an edit that makes some first.",
        "The session has no clip on its timeline. The export itself costs nothing.",
    ),
    Code.RENDER_FAILED: Meaning(
        "The backend could not render the timeline.",
        True,
        'Replay with {"from": "render"}: it costs no credits.',
        "The edit was made and charged, and stands in the session; its film could not be made, or was broken.",
    ),
    Code.RENDER_TIMEOUT: Meaning(
        "The render did not finish in time.",
        True,
        'Replay with {"from": "render"}: it costs no credits.',
        "The edit was made and charged, and stands in the session; the render went on for longer than it is waited for.",
    ),
    Code.DEADLINE_EXCEEDED: Meaning(
        "The job did not finish within its timeout_s.",
        True,
        "Submit it anew with a higher timeout_s or shorter clips; a replay has the same timeout_s.",
        "The time ran out since its start. What was charged by then stays charged: `credits_used`.",
    ),
    Code.BACKEND_UNAVAILABLE: Meaning(
        "The editing backend could not be reached.",
        True,
        "Replay the job later.",
        "The backend refused or did not answer for as long as the job may wait. Where the message was sent by then, `credits_used` "
        "says so, and the hint what to do.",
    ),
    Code.POISONED: Meaning(
        "The job stopped its worker three times.",
        False,
        "Report the job's id to the operator of this service.",
        "Something in this job ends the process that works on it, so it is not tried again.",
    ),
    Code.INTERNAL: Meaning(
        "Something went wrong on our side.",
        True,
        "Replay the job; report its id if it happens again.",
        "An error that nobody expected, and that came again when it was tried again; or our storage stayed away. "
        "`credits_used` says what is known to have been charged.",
    ),
}


class WaitReason(StrEnum):
    """Why a job waits, as callers read it in ``wait.reason``."""

    #: It has not had its turn yet; `position` says how many of yours go first.
    QUEUED_BEHIND = "queued_behind"
    #: Another job of its session runs; `behind` names it.
    SESSION_BUSY = "session_busy"
    #: As many jobs of your tenant run as may; it starts when one of them ends.
    TENANT_CAP = "tenant_cap"
    #: The operator of this service has paused the start of jobs; nothing to do. It starts when they go on, or expires.
    PAUSED = "paused"
    #: No token has credits for it. Top up: it goes on by itself, or fails after `start_timeout_s`.
    NO_CREDITS = "no_credits"
    #: The backend asked to be left alone for a while; nothing to do.
    BACKEND_RATE_LIMITED = "backend_rate_limited"
    #: The backend does not answer; it is tried again until the job's deadline.
    BACKEND_DOWN = "backend_down"


class Permanent(Exception):  # noqa: N818 - the name says what the loop does with it
    """This job will not succeed by trying again: end it with `code`. `detail` and `hint` are read by the caller."""

    def __init__(self, code: Code, detail: str | None = None, *, hint: str | None = None) -> None:
        self.code = code
        self.detail = detail or MEANINGS[code].title
        self.hint = hint or MEANINGS[code].hint
        super().__init__(self.detail)


class Temporary(Exception):  # noqa: N818 - see Permanent
    """Come back to the same step in `delay_s` seconds; meanwhile callers read `reason`."""

    def __init__(self, reason: WaitReason, *, delay_s: float) -> None:
        self.reason = reason
        self.delay_s = delay_s
        super().__init__(f"{reason}: again in {delay_s:.1f} s")

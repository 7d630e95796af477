"""Outcome of an edit: done, nothing, or not certain yet, by the state and the credits after the message. Pure.

Words alone prove nothing, and neither does a state in which no change can be seen. One read is enough when the stream
spoke, the change is there, nothing is frozen for it and it was no generation, whose second stage comes later. Else a
changed state counts when two reads agree, and so does a balance of which nothing is missing, which may be charged late; an
unchanged state only after a time in which it would have changed, or when
the backend has just asked a question and used no tool (BACKEND.md, "The message stream"). What is rendered is the draft:
where the change stands beside it, the draft may be late, and is given some time to follow.
"""

from enum import Enum, auto

from core.model.job import Job, Recovery, Sent
from core.model.message_cost import is_generation
from core.settings import Settings
from worker.backend import gui_talk
from worker.jobs.credit_reading import CreditReading, Work, took_credits, took_nothing, work_on

#: a generation takes up to 300 s, five times as long as what else may show late
_GENERATION_TIMES = 5
#: a draft may be so much later than what stands beside it, as a part of the time in which an edit may show late
_DRAFT_SHARE = 0.5
#: by the clock, and not by it alone, since nobody may have looked
_LEAST_LOOKS = 3
#: in the place of "the connection broke", where it did not; what the backend complained of, or said, is the reply
_COMPLAINED = "The backend answered with an error, and no change could be confirmed."
_SILENT = "The backend ended without a word, and no change could be confirmed."
_SPOKE = "The backend answered, and no change could be confirmed in the job's time."


class EditOutcome(Enum):
    """How a job goes on after a look at the state."""

    #: the state has changed, and nothing more can come
    CONFIRMED = auto()
    #: something was done or paid for, and no change can be read
    UNSEEN = auto()
    #: the backend answered, and edited nothing
    NOTHING_DONE = auto()
    #: the state did not change in all the time in which it could; whether it was charged nobody knows
    UNCONFIRMED = auto()
    #: read again
    UNCERTAIN = auto()


def outcome_after_stream(
    job: Job, reading: CreditReading, *, changed: bool, spoke: bool, tools_ran: bool = False, elsewhere: bool = False
) -> EditOutcome:
    """Judge the first look, right after the stream has closed by itself; `spoke`: it said something to the caller.

    `elsewhere`: the draft is still the one before the message.
    """
    assert job.sent is not None
    work = work_on(job.sent, reading)
    if took_nothing(job.sent, reading):
        return EditOutcome.UNCERTAIN
    if not changed and asks_only(job, tools_ran=tools_ran):
        return EditOutcome.UNCERTAIN if _is_under_way(work) or reading.balance is None else EditOutcome.NOTHING_DONE
    if changed and not elsewhere and spoke and work is Work.OVER and not is_generation(job):
        return EditOutcome.CONFIRMED
    return EditOutcome.UNCERTAIN


def outcome_after_read(
    job: Job, reading: CreditReading, *, seen: str, settings: Settings, now_ms: int, elsewhere: bool = False
) -> EditOutcome:
    """Judge one more look, long after the message; `seen`: the state's fingerprint, as `fingerprint_before` takes it."""
    sent, recovery = required_intent(job)
    waited_ms = now_ms - recovery.since_ms
    late = waited_ms > patience_s(job, settings) * 1000
    if may_still_come(job, reading, settings, now_ms):
        return EditOutcome.UNCERTAIN
    if seen == fingerprint_before(sent):
        return _outcome_of_unchanged(job, reading, settings, late=late)
    if elsewhere and waited_ms <= settings.unseen_edit_s * _DRAFT_SHARE * 1000:
        return EditOutcome.UNCERTAIN
    # a field that no page knows may be another one at each read
    return EditOutcome.CONFIRMED if recovery.seen == seen or (late and recovery.seen) else EditOutcome.UNCERTAIN


def _outcome_of_unchanged(job: Job, reading: CreditReading, settings: Settings, *, late: bool) -> EditOutcome:
    sent, recovery = required_intent(job)
    asks = asks_only(job, tools_ran=recovery.tools_ran) and recovery.spoke
    enough = recovery.reads + 1 >= (_LEAST_LOOKS if recovery.spoke else settings.recover_reads)
    if asks:
        return EditOutcome.NOTHING_DONE
    if not enough or (recovery.spoke and not late):
        return EditOutcome.UNCERTAIN
    if recovery.complained and not recovery.tools_ran:
        return EditOutcome.UNCONFIRMED
    # of a message that may never have arrived, a balance that somebody else may use as well is no sign
    has_arrived = recovery.closed or recovery.spoke
    paid_for_work = has_arrived and took_credits(sent, reading) and not gui_talk.says_nothing_was_done(job.reply or "")
    if recovery.tools_ran or paid_for_work:
        return EditOutcome.UNSEEN
    return EditOutcome.NOTHING_DONE if recovery.spoke else EditOutcome.UNCONFIRMED


def may_still_come(job: Job, reading: CreditReading, settings: Settings, now_ms: int) -> bool:
    """Whether the backend may still be at work, and the longest that this can take is not over.

    That is the longest that a message may take where credits are frozen for it, or where a stream broke off and nobody
    says what is frozen. What may as well be frozen for somebody else is waited for as long as a change may show late; of
    a stream that broke off nobody knows what was being made. Credits that may be frozen or spent are then worth all the time.
    """
    sent, recovery = required_intent(job)
    work = work_on(sent, reading, restless=recovery.restless)
    in_time = now_ms - sent.at_ms <= settings.stream_limit_s * 1000
    match work:
        case Work.GOES_ON:
            return in_time
        case Work.UNCLEAR:
            known = recovery.spoke or recovery.seen is not None
            if reading.infers_frozen and not known:
                return in_time
            bound_s = patience_s(job, settings) if known else longest_patience_s(settings)
            return in_time and now_ms - recovery.since_ms <= bound_s * 1000
        case Work.UNTOLD:
            return in_time and not recovery.spoke and recovery.seen is None
    return False


def patience_s(job: Job, settings: Settings) -> float:
    """How long after its stream an edit may still show."""
    return settings.unseen_edit_s * (_GENERATION_TIMES if is_generation(job) else 1)


def longest_patience_s(settings: Settings) -> float:
    """How long after its stream an edit of any kind may still show."""
    return settings.unseen_edit_s * _GENERATION_TIMES


def asks_only(job: Job, *, tools_ran: bool) -> bool:
    """Whether the backend has asked instead of working: a question, and no tool that gave anything."""
    return not tools_ran and gui_talk.is_question(job.reply or "")


def fingerprint_before(sent: Sent) -> str:
    """What a look is compared with: the whole state, or the draft alone in a record of an older version."""
    return sent.state or sent.before


def _is_under_way(work: Work) -> bool:
    return work in (Work.GOES_ON, Work.UNCLEAR)


def first_read_in_s(recovery: Recovery, settings: Settings, now_ms: int) -> float:
    """Say how long to wait before the first read after a drop, when the edit has had time to end; 0 or less: read."""
    if recovery.reads or recovery.seen or recovery.spoke:
        return 0.0
    return settings.recover_first_s - (now_ms - recovery.since_ms) / 1000


def next_read_in_s(job: Job, settings: Settings, now_ms: int, *, changed: bool) -> float:
    """Say when to look again: soon after a change, else after growing pauses, and when its time is over.

    A stream that has not closed by itself is looked after in the documents' steps.
    """
    _, recovery = required_intent(job)
    if changed:
        return settings.settle_s
    if not recovery.spoke:
        return settings.recover_every_s
    left_s = patience_s(job, settings) - (now_ms - recovery.since_ms) / 1000
    growing_s = min(settings.settle_s * (1 << min(recovery.reads, 10)), settings.recover_every_s)
    return settings.settle_s if left_s <= 0 else min(growing_s, left_s + 0.01)


def unconfirmed_words(job: Job) -> str | None:
    """Say how the message's answer ended; None: it broke off, or nobody heard its end, as `edit_unconfirmed` itself says."""
    recovery = job.recovery
    if recovery is None or not (recovery.closed or recovery.complained):
        return None
    if recovery.complained:
        return _COMPLAINED
    return _SPOKE if recovery.spoke else _SILENT


def required_intent(job: Job) -> tuple[Sent, Recovery]:
    """What is known of a message whose effect is looked for; a recovering job has both."""
    assert job.sent is not None
    assert job.recovery is not None
    return job.sent, job.recovery

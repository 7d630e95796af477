"""What an edit amounts to: done, nothing, or not certain yet, by the draft and the credits after the message. Pure.

Words alone prove nothing. One read of the draft is enough when the stream spoke, nothing is frozen and it was no
generation, whose second stage comes later. Else a changed draft counts when two reads agree, unchanged ones when there
were enough of them; and none of that while the backend may still be at work (BACKEND.md, "The message stream").
"""

from enum import Enum, auto

from core.model.job import Job, Recovery, Sent
from core.settings import Settings
from worker.jobs.credit_reading import CreditReading
from worker.tokens.estimate import is_generation

#: unchanged reads after a stream that spoke and closed by itself
_SPOKEN_READS = 2


class EditOutcome(Enum):
    """How a job goes on after a look at the draft."""

    #: the draft has changed, and nothing more can come
    CONFIRMED = auto()
    #: the backend answered, and edited nothing
    NOTHING_DONE = auto()
    #: the draft did not change in all the time in which it could; whether it was charged nobody knows
    UNCONFIRMED = auto()
    #: read again
    UNCERTAIN = auto()


def outcome_after_stream(job: Job, reading: CreditReading, *, changed: bool, spoke: bool) -> EditOutcome:
    """Judge the first look, right after the stream has closed by itself; `spoke`: it said something to the caller."""
    if not spoke or not reading.at_rest or (changed and is_generation(job)):
        return EditOutcome.UNCERTAIN
    return EditOutcome.CONFIRMED if changed else EditOutcome.NOTHING_DONE


def outcome_after_read(job: Job, reading: CreditReading, *, seen: str, settings: Settings, now_ms: int) -> EditOutcome:
    """Judge one more look, long after the message; `seen`: the draft's fingerprint."""
    sent, recovery = required_intent(job)
    if seen == sent.before:
        return _outcome_of_unchanged(recovery, sent, reading, settings, now_ms)
    if recovery.seen != seen or may_still_come(sent, reading, settings, now_ms):
        return EditOutcome.UNCERTAIN
    return EditOutcome.CONFIRMED


def _outcome_of_unchanged(
    recovery: Recovery, sent: Sent, reading: CreditReading, settings: Settings, now_ms: int
) -> EditOutcome:
    needed = _SPOKEN_READS if recovery.spoke else settings.recover_reads
    # a backend that does not tell what is frozen may still be at work, unless it has closed the stream by itself
    untold = reading.balance is None and not recovery.spoke
    if recovery.reads + 1 < needed or may_still_come(sent, reading, settings, now_ms, untold=untold):
        return EditOutcome.UNCERTAIN
    return EditOutcome.NOTHING_DONE if recovery.spoke else EditOutcome.UNCONFIRMED


def may_still_come(
    sent: Sent, reading: CreditReading, settings: Settings, now_ms: int, *, untold: bool = False
) -> bool:
    """Credits are frozen for this job, or nobody says so, and the longest that a message may take is not over."""
    return (reading.still_works or untold) and now_ms - sent.at_ms <= settings.stream_limit_s * 1000


def first_read_in_s(recovery: Recovery, settings: Settings, now_ms: int) -> float:
    """Say how long to wait before the first read after a drop, when the edit has had time to end; 0 or less: read."""
    if recovery.reads or recovery.seen or recovery.spoke:
        return 0.0
    return settings.recover_first_s - (now_ms - recovery.since_ms) / 1000


def required_intent(job: Job) -> tuple[Sent, Recovery]:
    """What is known of a message whose effect is looked for; a recovering job has both."""
    assert job.sent is not None
    assert job.recovery is not None
    return job.sent, job.recovery

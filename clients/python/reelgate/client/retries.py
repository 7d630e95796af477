"""Which outcomes of a request are worth another attempt, and after how long. Pure.

What makes something is repeated under the one Idempotency-Key that it was first sent with, so it is made once.
"""

import email.utils
from dataclasses import dataclass
from datetime import UTC, datetime

from reelgate.client.answers import PASSING, problem_of
from reelgate.client.effects import Answer, Failure, Request

#: limits that no pause of ours outlasts
_LASTING = frozenset({"too_many_sessions", "budget_exceeded"})
#: how long a call that is under way is waited for at least: one whose process died holds its key for two minutes
_UNDER_WAY_S = 150.0


@dataclass(frozen=True)
class RetryPolicy:
    """How long a request is tried again, counted from its first failure; 0: never."""

    within_s: float = 60.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 15.0

    def patience_s(self, outcome: Answer | Failure) -> float:
        """Give how long to go on after such an outcome. That an attempt is under way is no failure, and its end is near."""
        return max(self.within_s, _UNDER_WAY_S) if self.within_s and is_under_way(outcome) else self.within_s


def is_worth_retrying(request: Request, outcome: Answer | Failure) -> bool:
    """Whether the same request may do better, and does no harm a second time."""
    if isinstance(outcome, Failure):
        return not outcome.permanent and (request.repeatable or not outcome.sent)
    if is_under_way(outcome):
        return True
    if outcome.status not in PASSING or problem_of(outcome).code in _LASTING:
        return False
    # A 429 did nothing; after the others nobody knows.
    return request.repeatable or outcome.status == 429  # noqa: PLR2004


def is_under_way(outcome: Answer | Failure) -> bool:
    """Whether an earlier attempt under this very key has not ended yet."""
    return isinstance(outcome, Answer) and problem_of(outcome).code == "in_progress"


def pause_s(
    policy: RetryPolicy, outcome: Answer | Failure, *, failures: int, failing_for_s: float, dice: float, now: datetime
) -> float | None:
    """How long to wait before the next attempt; None: it would come too late.

    `failures`: how many there were, this one included. `dice`: 0 to 1, since others wait for the same moment.
    """
    grown_s = min(policy.first_pause_s * 2 ** (failures - 1), policy.longest_pause_s) * (0.5 + dice / 2)
    asked_s = retry_after_s(outcome, now) if isinstance(outcome, Answer) else None
    # What is asked for is taken, but nobody is called without a pause at all.
    pause = grown_s if not asked_s else asked_s + dice * min(1.0, asked_s / 10)
    return pause if failing_for_s + pause <= policy.patience_s(outcome) else None


def may_be_done(request: Request, outcome: Answer | Failure) -> bool:
    """Whether a request that failed so may have been carried out: its answer was lost, or another attempt is under way."""
    if request.method == "GET":
        return False
    if isinstance(outcome, Failure):
        return outcome.sent
    return outcome.status >= 500 or outcome.status == 408 or is_under_way(outcome)  # noqa: PLR2004


def retry_after_s(answer: Answer, now: datetime) -> float | None:
    """Read ``Retry-After``: seconds, or a date (RFC 9110, 10.2.3). None where there is none that can be read.

    A date is measured from the answer's own ``Date``, so that clocks need not agree, else from `now`.
    """
    given = answer.headers.get("retry-after", "").strip()
    if given.isascii() and given.isdigit():
        return float(given[:9])
    then = _moment(given)
    asked_at = _moment(answer.headers.get("date", "")) or now
    return None if then is None else max(0.0, (then - asked_at).total_seconds())


def _moment(text: str) -> datetime | None:
    """Read an HTTP date; without a zone, as ``asctime`` writes it, it is UTC and not this machine's."""
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):  # none, or a year that no clock reaches
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC)

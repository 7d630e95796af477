"""The retry policy of callbacks: delivered, again later, given up, or the URL switched off. Pure.

`send` makes the `AttemptResult`; `deliver` asks `decide` and carries the decision out. Nothing here knows HTTP clients,
Redis or time: jitter and scale are handed in.
"""

from enum import StrEnum
from http import HTTPStatus

import msgspec

from core.events.delivery import Delivery

#: Seconds from one attempt to the next: the first entry is the wait before the first attempt.
STEPS_S = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.2
#: A receiver's Retry-After may stretch a step, up to this many times its length.
RETRY_AFTER_STEPS = 2
#: A URL that has done nothing but fail for this long is disabled.
WORN_OUT_S = 5 * 86_400
WORN_OUT = "Nothing but failures for 5 days."
#: So many attempts in a row that we spoilt are made anew, after growing pauses; the next one counts for the delivery.
MOST_SPOILT, FIRST_SPOILT_PAUSE_S = 6, 2.0
#: No schedule lasts so long, however far a receiver stretches its steps. What has got no turn by then, its host being silent or full,
#: is given up: each that waits costs Redis and a worker something every few minutes, and a URL that jobs name is never disabled.
NO_TURN_S = 7 * 86_400
#: A progress event that could not be sent for so long says nothing any more: the next one is due.
_PROGRESS_LIFE_MS = 120_000


class AttemptFault(StrEnum):
    """Why an attempt got no usable answer."""

    FORBIDDEN = "forbidden"
    NAME_NOT_FOUND = "name_not_found"
    REFUSED = "connection_refused"
    UNREACHABLE = "unreachable"
    TLS = "tls_failed"
    TIMEOUT = "timeout"
    BROKEN = "connection_broken"
    NOT_HTTP = "not_http"
    TOO_LARGE = "answer_too_large"
    OUR_LATENESS = "our_lateness"
    NO_MEANS = "no_means"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


#: the host gave no sign at all; one that hangs up, or fails a handshake, is there
_SILENCES = {AttemptFault.NAME_NOT_FOUND, AttemptFault.REFUSED, AttemptFault.UNREACHABLE, AttemptFault.TIMEOUT}

#: this process had no time to hear the host, or no socket to ask it with: a moment later it may have
_PASSING = {AttemptFault.OUR_LATENESS, AttemptFault.NO_MEANS}
#: the host has not been asked, or not been heard
_OURS = {*_PASSING, AttemptFault.NOT_SENT}


class AttemptResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came back of one attempt. Either `status` or `error` is set."""

    #: The HTTP status, also of a redirect, which is not followed.
    status: int | None = None
    error: AttemptFault | None = None
    #: One sentence for whoever looks into the delivery, e.g. "The certificate is not valid: it has expired."
    detail: str = ""
    #: What the receiver asked for, in seconds from the answer on.
    retry_after_s: float | None = None
    #: The answer header `webhook-delivery` said `disable` or `abort-message`.
    disable: bool = False
    abort: bool = False
    #: The start of the answer's body as printable text, 1 kB at most.
    excerpt: str = ""
    latency_ms: int = 0


class Delivered(msgspec.Struct, frozen=True, tag=True):
    """The receiver has it."""


class RetryIn(msgspec.Struct, frozen=True, tag=True):
    """Send it again after `delay_s` seconds."""

    delay_s: float


class Dead(msgspec.Struct, frozen=True, tag=True):
    """No further attempt by itself; somebody may send it again."""

    reason: str


class DisableUrl(msgspec.Struct, frozen=True, tag=True):
    """The receiver wants no more of anything. `delivered`: it took this one all the same."""

    reason: str
    delivered: bool = False


Decision = Delivered | RetryIn | Dead | DisableUrl

NO_NEWS = Dead("It could not be sent while it was news.")
NO_TURN = Dead("Its host was silent, or had no room for it, for 7 days.")


def outcome_name(decision: Decision | type[Decision]) -> str:
    """Name a decision for metrics and logs: ``delivered``, ``retryin``, ``dead``, ``disableurl``."""
    kind = decision if isinstance(decision, type) else type(decision)
    return kind.__name__.lower()


OUTCOMES = tuple(outcome_name(kind) for kind in (Delivered, RetryIn, Dead, DisableUrl))


def decide(*, attempt: int, result: AttemptResult, retried: bool, jitter: float, step_scale: float) -> Decision:
    """Say what follows attempt number `attempt` (the first is 1).

    `retried` is false for progress events: the next one says more. `jitter` is random, 0 to 1; `step_scale`
    shrinks all steps where nobody can wait for days.
    """
    taken = is_taken(result)
    if result.disable:
        return DisableUrl("The receiver answered webhook-delivery: disable.", delivered=taken)
    if result.status == HTTPStatus.GONE:
        return DisableUrl("The receiver answered 410 Gone.")
    if taken:
        return Delivered()
    if result.abort:
        return Dead("The receiver answered webhook-delivery: abort-message.")
    if not retried:
        return Dead("Progress events are not sent again.")
    if attempt >= len(STEPS_S):
        words = f"All {len(STEPS_S)} attempts failed."
        return Dead(f"{words} {result.detail}" if result.error is AttemptFault.NOT_SENT else words)
    return RetryIn(_delay_s(STEPS_S[attempt] * step_scale, jitter, result.retry_after_s))


def is_failure(result: AttemptResult) -> bool:
    """Tell whether a result speaks against its URL: not where it does not want this message, nor where we were late."""
    return not (is_taken(result) or result.abort or says_nothing(result))


def is_taken(result: AttemptResult) -> bool:
    """Tell whether the receiver took the message: 2xx alone is success."""
    return result.status is not None and HTTPStatus.OK <= result.status < HTTPStatus.MULTIPLE_CHOICES


def _delay_s(step_s: float, jitter: float, retry_after_s: float | None) -> float:
    """Spread a step by ±20 %, and wait longer if asked to, within reason."""
    spread_s = step_s * (1 - JITTER + 2 * JITTER * jitter)
    return max(spread_s, min(retry_after_s or 0.0, RETRY_AFTER_STEPS * step_s))


def says_nothing(result: AttemptResult) -> bool:
    """Tell whether an attempt was spoilt by us: that never counts against the host or the URL."""
    return result.error in _OURS


def spoilt_pause_s(delivery: Delivery, result: AttemptResult) -> float | None:
    """Say after how many seconds an attempt that we were late for, or unable to make, is made anew, as if it had not been made.

    None: the attempt counts. So does one that was spoilt where many before it were, too: all retries have an end. What
    we cannot put together counts at once, since it will be no better in a moment.
    """
    if result.error not in _PASSING or delivery.spoilt >= MOST_SPOILT:
        return None
    return FIRST_SPOILT_PAUSE_S * float(2**delivery.spoilt)


def is_silence(result: AttemptResult) -> bool:
    """Tell whether the host gave no sign at all: that is what its circuit breaker counts."""
    return result.error in _SILENCES


def is_stale_progress(delivery: Delivery, *, at_ms: int) -> bool:
    """Tell whether a progress event would be no news any more by the time at which it can be sent, nor asked for lately."""
    since_ms = delivery.again_at_ms or delivery.created_at_ms
    return delivery.type == "job.progress" and at_ms > since_ms + _PROGRESS_LIFE_MS


def given_up_waiting(delivery: Delivery, *, since_ms: int, at_ms: int) -> Dead | None:
    """Say why a delivery is given up that is asked for since `since_ms`, and can't be sent before `at_ms`. None: it waits on."""
    if is_stale_progress(delivery, at_ms=at_ms):
        return NO_NEWS
    return NO_TURN if at_ms > since_ms + NO_TURN_S * 1000 else None


def disable_if_worn_out(
    decision: Decision, result: AttemptResult, *, failing_since_ms: int | None, now_ms: int
) -> Decision:
    """Switch the tenant's default URL off, whatever else follows, where one more failure was one too many."""
    if isinstance(decision, DisableUrl) or not is_failure(result):
        return decision
    return DisableUrl(WORN_OUT) if worn_out(failing_since_ms=failing_since_ms, now_ms=now_ms) else decision


def worn_out(*, failing_since_ms: int | None, now_ms: int) -> bool:
    """Tell whether a URL has failed so long, without one success, that it is to be disabled."""
    return failing_since_ms is not None and now_ms - failing_since_ms >= WORN_OUT_S * 1000

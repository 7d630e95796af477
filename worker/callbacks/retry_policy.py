"""What a callback attempt's answer means: delivered, again later, given up, or the URL switched off. Pure decisions.

`attempt` makes the `Answer`; the delivery loop asks `decide` and carries the decision out. Nothing here knows HTTP
clients, Redis or time: jitter and scale are handed in.
"""

from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus

import msgspec

#: Seconds from one attempt to the next: the first entry is the wait before the first attempt.
STEPS_S = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.2
#: A receiver's Retry-After may stretch a step, up to this many times its length.
RETRY_AFTER_STEPS = 2
#: What is kept of a Retry-After of any size.
LONGEST_RETRY_AFTER_S = 30 * 86_400.0
#: A URL that has done nothing but fail for this long is disabled.
WORN_OUT_S = 5 * 86_400
WORN_OUT = "Nothing but failures for 5 days."


class Fault(StrEnum):
    """Why an attempt got no usable answer."""

    FORBIDDEN = "forbidden"
    NAME_NOT_FOUND = "name_not_found"
    REFUSED = "connection_refused"
    UNREACHABLE = "unreachable"
    TLS = "tls_failed"
    TIMEOUT = "timeout"
    BROKEN = "connection_broken"
    NOT_HTTP = "not_http"
    UNKNOWN = "unknown"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt heard. Either `status` or `error` is set."""

    #: The HTTP status, also of a redirect, which is not followed.
    status: int | None = None
    error: Fault | None = None
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


def decide(*, attempt: int, answer: Answer, retried: bool, jitter: float, step_scale: float) -> Decision:
    """Say what follows attempt number `attempt` (the first is 1).

    `retried` is false for progress events: the next one says more. `jitter` is random, 0 to 1; `step_scale`
    shrinks all steps where nobody can wait for days.
    """
    taken = _is_taken(answer)
    if answer.disable:
        return DisableUrl("The receiver answered webhook-delivery: disable.", delivered=taken)
    if answer.status == HTTPStatus.GONE:
        return DisableUrl("The receiver answered 410 Gone.")
    if taken:
        return Delivered()
    if answer.abort:
        return Dead("The receiver answered webhook-delivery: abort-message.")
    if not retried:
        return Dead("Progress events are not sent again.")
    if attempt >= len(STEPS_S):
        return Dead(f"All {len(STEPS_S)} attempts failed.")
    return RetryIn(_delay_s(STEPS_S[attempt] * step_scale, jitter, answer.retry_after_s))


def is_failure(answer: Answer) -> bool:
    """Tell whether an answer speaks against its URL; one that says it does not want this message does not."""
    return not _is_taken(answer) and not answer.abort


def _is_taken(answer: Answer) -> bool:
    return answer.status is not None and HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES


def _delay_s(step_s: float, jitter: float, retry_after_s: float | None) -> float:
    """Spread a step by ±20 %, and wait longer if asked to, within reason."""
    spread_s = step_s * (1 - JITTER + 2 * JITTER * jitter)
    return max(spread_s, min(retry_after_s or 0.0, RETRY_AFTER_STEPS * step_s))


def retry_after_s(text: str | None, *, now_ms: int) -> float | None:
    """Read a Retry-After header, seconds or an HTTP date (RFC 9110, 10.2.3); None if there is none to be read."""
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(text)
        at_s = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, at_s - now_ms / 1000), LONGEST_RETRY_AFTER_S)


def worn_out(*, failing_since_ms: int | None, now_ms: int) -> bool:
    """Tell whether a URL has failed so long, without one success, that it is to be disabled."""
    return failing_since_ms is not None and now_ms - failing_since_ms >= WORN_OUT_S * 1000

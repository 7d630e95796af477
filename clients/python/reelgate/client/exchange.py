"""A call and its retries: sent again where that helps, until it is answered or has failed for too long."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from reelgate.client import calls
from reelgate.client.answers import refusal_of, utc_now
from reelgate.client.calls import Call
from reelgate.client.effects import Answer, Failure, Pause, Request, Send, Steps
from reelgate.client.errors import NoAnswer, ReelgateError
from reelgate.client.retries import RetryPolicy, is_worth_retrying, may_be_done, pause_s, retry_after_s

T = TypeVar("T")


@dataclass(frozen=True)
class Circumstances:
    """What verbs know of the world: how patient to be, the time, and chance. Tests turn them."""

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    #: seconds, never back
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = utc_now
    dice: Callable[[], float] = random.random
    new_key: Callable[[], str] = calls.new_key

    def within(self, seconds: float) -> "Circumstances":
        """Be patient for no longer than so many seconds."""
        return replace(self, policy=replace(self.policy, within_s=min(seconds, self.policy.within_s)))

    def key(self, given: str | None) -> str:
        """Give the caller's Idempotency-Key, or a new one. Raises ValueError."""
        return self.new_key() if given is None else calls.checked_key(given)


class Patience:
    """How long it has been failing, and what that means for the next attempt."""

    def __init__(self, circumstances: Circumstances) -> None:
        self._circumstances = circumstances
        self._failures = 0
        self._since_s = 0.0
        #: whether an attempt of these may have been carried out
        self.maybe_done = False

    def restore(self) -> None:
        """Take note of a success."""
        self._failures = 0

    def pause_after(self, request: Request, outcome: Answer | Failure) -> float:
        """Seconds until the next attempt. Raises what the failure means where there should be none."""
        now_s = self._circumstances.clock()
        self._since_s = self._since_s if self._failures else now_s
        self._failures += 1
        self.maybe_done = self.maybe_done or may_be_done(request, outcome)
        pause = None
        if is_worth_retrying(request, outcome):
            pause = pause_s(
                self._circumstances.policy,
                outcome,
                failures=self._failures,
                failing_for_s=now_s - self._since_s,
                dice=self._circumstances.dice(),
                now=self._circumstances.now(),
            )
        if pause is None:
            error = error_of(outcome, self._circumstances.now(), maybe_done=self.maybe_done)
            raise known_by(error, request, maybe_done=self.maybe_done)
        return pause


def error_of(outcome: Answer | Failure, now: datetime, *, maybe_done: bool) -> ReelgateError:
    """Make the exception of what went wrong."""
    if isinstance(outcome, Answer):
        return refusal_of(outcome, retry_after_s=retry_after_s(outcome, now))
    certain = "" if outcome.sent or maybe_done else "; nothing was sent"
    return NoAnswer(f"The API cannot be reached ({outcome.kind}{certain}).", retryable=not outcome.permanent)


def known_by(error: ReelgateError, request: Request, *, maybe_done: bool) -> ReelgateError:
    """Write on an exception what its caller needs to repeat the call without doing it twice."""
    error.maybe_done = maybe_done
    error.idempotency_key = calls.key_of(request)
    return error


def exchange(here: Circumstances, call: Call[T]) -> Steps[T]:
    """Make a call, again where that helps, and read its answer."""
    patience = Patience(here)
    while True:
        outcome = yield Send(call.request)
        if isinstance(outcome, Answer) and not outcome.is_error:
            return read_answer(call, outcome)
        if patience.maybe_done and (before := answer_before(call, outcome)):
            return call.read(before)
        yield Pause(patience.pause_after(call.request, outcome))


def answer_before(call: Call[T], outcome: Answer | Failure) -> Answer | None:
    """Give what an earlier attempt was answered where this one is refused because that one was carried out."""
    return call.once_done.get(refusal_of(outcome).code) if isinstance(outcome, Answer) else None


def read_answer(call: Call[T], answer: Answer) -> T:
    """Read what answered. Raises NoAnswer where that was not the API; it may have got the call all the same."""
    try:
        return call.read(answer)
    except NoAnswer as error:
        raise known_by(error, call.request, maybe_done=call.request.method != "GET") from None

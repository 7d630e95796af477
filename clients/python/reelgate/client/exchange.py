"""A call and its retries: sent again where that helps, until it is answered or has failed for too long."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from reelgate.client import calls
from reelgate.client.answers import refusal_of, utc_now
from reelgate.client.calls import Call
from reelgate.client.effects import (
    Answer,
    Emit,
    Failure,
    Pause,
    Request,
    Send,
    Steps,
)
from reelgate.client.errors import NoAnswer, ReelgateError
from reelgate.client.retries import RetryPolicy, is_worth_retrying, pause_s, retry_after_s
from reelgate.client.types import Page

T = TypeVar("T")
Row = TypeVar("Row")


@dataclass(frozen=True)
class Circumstances:
    """What verbs know of the world: how patient to be, the time, and chance. Tests turn them."""

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    #: seconds, never back
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = utc_now
    dice: Callable[[], float] = random.random
    new_key: Callable[[], str] = calls.new_key


class Patience:
    """How long it has been failing, and what that means for the next attempt."""

    def __init__(self, circumstances: Circumstances) -> None:
        self._circumstances = circumstances
        self._failures = 0
        self._since_s = 0.0

    def restore(self) -> None:
        """Take note of a success."""
        self._failures = 0

    def pause_after(self, request: Request, outcome: Answer | Failure) -> float:
        """Seconds until the next attempt. Raises what the failure means where there should be none."""
        now_s = self._circumstances.clock()
        self._since_s = self._since_s if self._failures else now_s
        self._failures += 1
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
            raise error_of(outcome, self._circumstances.now())
        return pause


def error_of(outcome: Answer | Failure, now: datetime) -> ReelgateError:
    """Make the exception of what went wrong."""
    if isinstance(outcome, Answer):
        return refusal_of(outcome, retry_after_s=retry_after_s(outcome, now))
    certain = "" if outcome.sent else "; nothing was sent"
    return NoAnswer(f"The API cannot be reached ({outcome.kind}{certain}).", retryable=not outcome.permanent)


def exchange(here: Circumstances, call: Call[T]) -> Steps[T]:
    """Make a call, again where that helps, and read its answer."""
    patience = Patience(here)
    while True:
        outcome = yield Send(call.request)
        if isinstance(outcome, Answer) and not outcome.is_error:
            return call.read(outcome)
        yield Pause(patience.pause_after(call.request, outcome))


def pages(here: Circumstances, page: Callable[[str | None], Call[Page[Row]]]) -> Steps[None]:
    """Emit every row of a list, page after page; `page` makes the call that goes on after a cursor."""
    cursor: str | None = None
    while True:
        found = yield from exchange(here, page(cursor))
        for row in found.data:
            yield Emit(row)
        if not found.has_more or found.next_cursor is None:
            return
        cursor = found.next_cursor

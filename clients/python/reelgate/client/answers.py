"""Reading answers: into results where they are good, into exceptions where they are not. Pure."""

import http.client
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from reelgate.client.effects import Answer
from reelgate.client.errors import NoAnswer, Refused, refusal
from reelgate.client.types import Problem

T = TypeVar("T")

#: what reading raises of JSON that is none, or none of the API's: no UTF-8, or as deep as no answer of its is
NO_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
#: statuses that pass by themselves: timeouts, limits, and a service or proxy in trouble
PASSING = frozenset({408, 429, 500, 502, 503, 504})
_NO_CONTENT = 204


def read_as(kind: type[T]) -> Callable[[Answer], T]:
    """Make a reader of JSON answers. It raises NoAnswer for what the API never says, e.g. a proxy's page."""

    def read(answer: Answer) -> T:
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except NO_JSON as wrong:
            words = f"What answered with status {answer.status} is not the Reelgate API ({wrong})."
            raise NoAnswer(words, retryable=False) from None

    return read


def read_json(answer: Answer) -> Any:
    """Give an answer that has no type of its own, e.g. the tracks of a timeline."""
    return read_as(object)(answer)


def read_nothing(answer: Answer) -> None:
    """Look that an answer says that it is done. Raises NoAnswer, e.g. for a proxy's page."""
    if answer.status != _NO_CONTENT:
        raise NoAnswer(f"What answered with status {answer.status} is not the Reelgate API.", retryable=False)


def problem_of(answer: Answer) -> Problem:
    """Read the problem document; where a proxy answered in the API's place, make one of the status."""
    try:
        problem = msgspec.json.decode(answer.body, type=Problem)
    except NO_JSON:
        problem = Problem()
    if problem.code:
        return problem
    words = http.client.responses.get(answer.status, "no known status")
    return Problem(
        status=answer.status, title=words, detail=f"{answer.status} {words}", retryable=answer.status in PASSING
    )


def refusal_of(answer: Answer, *, retry_after_s: float | None = None) -> Refused:
    """Make the exception of an answer that is an error."""
    return refusal(problem_of(answer), status=answer.status, retry_after_s=retry_after_s)


def utc_now() -> datetime:
    """Tell the time of day, which ``Retry-After`` may name."""
    return datetime.now(UTC)

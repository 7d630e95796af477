"""Plays a client's verb without a network: hands it outcomes in their order, and notes what it asked for."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec

from reelgate.client.effects import Answer, Done, Emit, Open, Pause, Raised, Read, Send, Steps, Work, resume
from reelgate.client.exchange import Circumstances
from reelgate.client.retries import RetryPolicy

T = TypeVar("T")

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


class Time:
    """A clock that pauses turn."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Played(Generic[T]):
    """What a verb did: its requests and pauses in their order, what it emitted, and what it came to."""

    requests: list[Any] = field(default_factory=list)
    pauses_s: list[float] = field(default_factory=list)
    emitted: list[Any] = field(default_factory=list)
    result: T | None = None


def circumstances(*, within_s: float = 60.0, clock: Time | None = None) -> Circumstances:
    keys = iter(f"key-{number}" for number in range(100))
    return Circumstances(
        policy=RetryPolicy(within_s=within_s),
        clock=clock or Time(),
        now=lambda: NOW,
        dice=lambda: 0.0,
        new_key=lambda: next(keys),
    )


def play(
    steps: Steps[T], outcomes: Iterable[Any], *, clock: Time | None = None, played: Played[T] | None = None
) -> Played[T]:
    """Play a verb to its end. Raises what it raises; whoever wants to see what it did until then hands over `played`."""
    played = Played() if played is None else played
    coming = iter(outcomes)
    effect = resume(steps, None)
    while not isinstance(effect, Done):
        outcome: Any = None
        match effect:
            case Send(request) | Open(request):
                played.requests.append(request)
                outcome = next(coming)
            case Read():
                outcome = next(coming)
            case Pause(seconds):
                played.pauses_s.append(seconds)
                if clock:
                    clock.now_s += seconds
            case Work(task):
                try:
                    outcome = task()
                except OSError as error:
                    outcome = Raised(error)
            case Emit(value):
                played.emitted.append(value)
        effect = resume(steps, outcome)
    played.result = effect.value
    return played


def answer(status: int = 200, body: Any = None, **headers: str) -> Answer:
    """Make an answer; underscores in header names are dashes."""
    data = body if isinstance(body, bytes) else msgspec.json.encode(body or {})
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, data)


def problem(status: int, code: str, *, retryable: bool = False, **headers: str) -> Answer:
    return answer(status, {"code": code, "status": status, "detail": "Words.", "retryable": retryable}, **headers)

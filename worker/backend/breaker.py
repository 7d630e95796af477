"""Circuit breaker and pacing for the backend: no calls while it fails, fewer at once where it asks for that (AIMD).

`transport` asks before each call and tells what came back. Pure but for what it remembers; it is told the time, and must
not know HTTP. One per process: a guess that each worker makes for itself, and may forget.
"""

from core.breaker import BreakerRule, CircuitBreaker
from worker.backend.faults import BackendFault, Fault

#: so many failures in a row open the breaker
FAILURES_ALLOWED = 5
LONGEST_PAUSE_S = 30.0
#: while one call tries the backend after a pause, the others wait this long
PROBE_S = 5.0
#: calls that wait for their answer's first bytes, at the most and at the least
MOST_AT_ONCE = 1000.0
LEAST_AT_ONCE = 4.0
#: a call that finds all places taken comes back after this
CROWDED_S = 1.0

_FAILURES = frozenset({Fault.UNREACHABLE, Fault.BROKEN})
_SLOW_DOWN = frozenset({Fault.RATE_LIMITED, Fault.BROKEN})


class BackendBreaker:
    """Lets calls through, or refuses them before a byte is sent."""

    def __init__(self, *, first_pause_s: float) -> None:
        self._breaker = CircuitBreaker(
            BreakerRule(
                failures_allowed=FAILURES_ALLOWED,
                first_pause_s=first_pause_s,
                longest_pause_s=LONGEST_PAUSE_S,
                probe_s=PROBE_S,
            )
        )
        self._pacing = Pacing()

    def enter(self, call: str, *, now_s: float) -> None:
        """Begin a call, or raise UNREACHABLE without having sent a byte."""
        if wait_s := self._breaker.wait_s(now_s=now_s):
            raise _left_alone(call, wait_s)
        if not self._pacing.has_room:
            raise _left_alone(call, CROWDED_S)
        self._breaker.begin(now_s=now_s)
        self._pacing.begin()

    def leave(self, fault: Fault | None, *, now_s: float) -> None:
        """End a call: `fault` is what came back, None an answer. A refusal is an answer too."""
        self._pacing.end(fault)
        if fault in _FAILURES:
            self._breaker.failed(now_s=now_s)
        else:
            self._breaker.succeeded()


class Pacing:
    """Additive increase, multiplicative decrease: a slow-down halves what may be under way, an answer adds a little."""

    def __init__(self) -> None:
        self._at_once = MOST_AT_ONCE
        self._under_way = 0

    @property
    def has_room(self) -> bool:
        """Whether one more call may go out."""
        return self._under_way < self._at_once

    def begin(self) -> None:
        self._under_way += 1

    def end(self, fault: Fault | None) -> None:
        self._under_way -= 1
        if fault in _SLOW_DOWN:
            self._at_once = max(LEAST_AT_ONCE, min(self._at_once, self._under_way + 1) / 2)
        elif fault is None:
            self._at_once = min(MOST_AT_ONCE, self._at_once + 1 / self._at_once)


def _left_alone(call: str, for_s: float) -> BackendFault:
    return BackendFault(Fault.UNREACHABLE, call=call, retry_after_s=for_s, detail="the backend is being left alone")

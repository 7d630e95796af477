"""When to leave the backend alone: a pause after failures in a row, and fewer calls at once when it asks for that.

`transport` asks before each call and tells it what came back. Pure but for what it remembers; it is told the time, and
must not know HTTP. One per process: a guess that each worker makes for itself, and may forget.
"""

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


class Breaker:
    """Failures in a row double the pause; each slow-down halves what may be under way, each success adds a little."""

    def __init__(self, *, first_pause_s: float) -> None:
        self._first_pause_s = first_pause_s
        self._failures = 0
        self._shut_until_s = 0.0
        self._at_once = MOST_AT_ONCE
        self._under_way = 0

    def enter(self, call: str, *, now_s: float) -> None:
        """Begin a call, or raise UNREACHABLE without having sent a byte."""
        if now_s < self._shut_until_s:
            raise _left_alone(call, self._shut_until_s - now_s)
        if self._under_way >= self._at_once:
            raise _left_alone(call, CROWDED_S)
        if self._failures >= FAILURES_ALLOWED:
            self._shut_until_s = now_s + PROBE_S
        self._under_way += 1

    def leave(self, fault: Fault | None, *, now_s: float) -> None:
        """End a call: `fault` is what came back, None an answer."""
        self._under_way -= 1
        if fault in _SLOW_DOWN:
            self._at_once = max(LEAST_AT_ONCE, min(self._at_once, self._under_way + 1) / 2)
        elif fault is None:
            self._at_once = min(MOST_AT_ONCE, self._at_once + 1 / self._at_once)
        if fault in _FAILURES:
            self._fail(now_s)
        else:
            self._failures, self._shut_until_s = 0, 0.0

    def _fail(self, now_s: float) -> None:
        self._failures += 1
        over = self._failures - FAILURES_ALLOWED
        if over >= 0:
            self._shut_until_s = now_s + min(self._first_pause_s * 2 ** min(over, 10), LONGEST_PAUSE_S)


def _left_alone(call: str, for_s: float) -> BackendFault:
    return BackendFault(Fault.UNREACHABLE, call=call, retry_after_s=for_s, detail="the backend is being left alone")

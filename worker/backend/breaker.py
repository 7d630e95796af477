"""Circuit breakers and pacing for the backend: no calls while it fails, fewer at once where it asks for that (AIMD).

`transport` asks before each call and tells what came back. One breaker for each kind of call, which opens when several
jobs in a row fail at it: what one job brings may be poison, and holds up nobody else. One for all calls together, which
opens when no connection can be made. Pure but for what it remembers; it is told the time, and must not know HTTP. One
per process: a guess that each worker makes for itself, and may forget.
"""

from core.breaker import BreakerRule, CircuitBreaker
from worker.backend.faults import BackendFault, Fault

#: what names the breaker of all calls together
CONNECTIONS = "connections"
#: so many failures in a row open a breaker: each of another job, or each without a connection
FAILURES_ALLOWED = 5
_LONGEST_PAUSE_S = 30.0
#: while one call tries the backend after a pause, the others wait this long
PROBE_S = 5.0
#: calls that wait for their answer's first bytes, at the most and at the least
MOST_AT_ONCE = 1000.0
LEAST_AT_ONCE = 4.0
#: a call that finds all places taken comes back after this
CROWDED_S = 1.0

_SLOW_DOWN = frozenset({Fault.RATE_LIMITED, Fault.BROKEN})


class BackendBreaker:
    """Lets calls through, or refuses them before a byte is sent."""

    def __init__(self, *, first_pause_s: float) -> None:
        self._rule = BreakerRule(
            failures_allowed=FAILURES_ALLOWED,
            first_pause_s=first_pause_s,
            longest_pause_s=_LONGEST_PAUSE_S,
            probe_s=PROBE_S,
        )
        self._connections = CircuitBreaker(self._rule)
        self._calls: dict[str, _CallBreaker] = {}
        self._pacing = Pacing()

    def is_open(self, call: str) -> bool:
        """Whether calls of a kind are held back, until one of them has been answered; ``connections``: all calls."""
        if call == CONNECTIONS:
            return self._connections.is_open
        return call in self._calls and self._calls[call].breaker.is_open

    def enter(self, call: str, *, now_s: float) -> None:
        """Begin a call, or raise HELD_BACK without having sent a byte."""
        of_call = self._of(call).breaker
        if wait_s := max(self._connections.wait_s(now_s=now_s), of_call.wait_s(now_s=now_s)):
            raise _held_back(call, wait_s)
        if not self._pacing.has_room:
            raise _held_back(call, CROWDED_S)
        self._connections.begin(now_s=now_s)
        of_call.begin(now_s=now_s)
        self._pacing.begin()

    def leave(self, call: str, fault: Fault | None, *, job_id: str, now_s: float) -> None:
        """End a job's call: `fault` is what came back, None an answer. A refusal is an answer too."""
        of_call = self._of(call)
        if fault is Fault.UNREACHABLE:
            self._connections.failed(now_s=now_s)
            of_call.breaker.withdrawn()
        else:
            self._connections.succeeded()
            of_call.note(fault, job_id=job_id, now_s=now_s)
        self._pacing.end(fault, alone=of_call.troubled_jobs < 2)  # noqa: PLR2004 - one job alone may be the reason

    def withdraw(self, call: str) -> None:
        """End a call that was cut off from this side, which says nothing of the backend."""
        self._connections.withdrawn()
        self._of(call).breaker.withdrawn()
        self._pacing.withdraw()

    def _of(self, call: str) -> "_CallBreaker":
        return self._calls.setdefault(call, _CallBreaker(self._rule))


class _CallBreaker:
    """One kind of call: a breaker, and the jobs that have had trouble with it since somebody last had an answer."""

    def __init__(self, rule: BreakerRule) -> None:
        self.breaker = CircuitBreaker(rule)
        self._broken: set[str] = set()
        self._slowed: set[str] = set()

    @property
    def troubled_jobs(self) -> int:
        return len(self._broken | self._slowed)

    def note(self, fault: Fault | None, *, job_id: str, now_s: float) -> None:
        """Count an end; of one job's failures in a row the first alone, unless it was the probe."""
        if fault is Fault.BROKEN:
            if job_id not in self._broken or self.breaker.probing:
                self.breaker.failed(now_s=now_s)
            self._broken.add(job_id)
            return
        self.breaker.succeeded()
        self._broken.clear()
        if fault is Fault.RATE_LIMITED:
            self._slowed.add(job_id)
        else:
            self._slowed.clear()


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

    def withdraw(self) -> None:
        self._under_way -= 1

    def end(self, fault: Fault | None, *, alone: bool) -> None:
        """`alone`: the trouble is one job's so far, and slows down nobody else."""
        self._under_way -= 1
        if fault in _SLOW_DOWN:
            if not alone:
                self._at_once = max(LEAST_AT_ONCE, min(self._at_once, self._under_way + 1) / 2)
        elif fault is None:
            self._at_once = min(MOST_AT_ONCE, self._at_once + 1 / self._at_once)


def _held_back(call: str, for_s: float) -> BackendFault:
    return BackendFault(Fault.HELD_BACK, call=call, retry_after_s=for_s, detail="the backend is being left alone")

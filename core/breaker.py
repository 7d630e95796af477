"""Circuit breaker: after some failures in a row nobody calls for a while, then one call probes, and the others wait.

Closed, everybody may call. So many failures in a row open it for a pause. When the pause is over it is half open: one
call goes out as a probe and keeps the others away until its end is known, or `probe_s` have passed. A probe that fails
opens it for twice as long; any answer closes it. Failures of calls that were under way when it opened change nothing.

Pure: it is told the time, in seconds of any clock that only goes forward. What counts as a failure is its owner's to
say. Three own one: `core.store.redis.breaker`, `worker.backend.breaker`, and each host of `worker.outbound.host_limits`.
"""

from typing import NamedTuple


class BreakerRule(NamedTuple):
    """When a breaker opens, and for how long."""

    #: so many in a row open it
    failures_allowed: int
    #: the pause doubles with each probe that fails, from the first up to the longest; 0: it never keeps anybody away
    first_pause_s: float
    longest_pause_s: float
    #: so long a probe keeps the others away, in case that its end is never told: as long as a call may take
    probe_s: float


class CircuitBreaker:
    """Ask `wait_s`; at 0 call `begin`, make the call, and tell `succeeded` or `failed`. Nothing may be awaited between
    the question and `begin`.
    """

    def __init__(self, rule: BreakerRule) -> None:
        self._rule = rule
        self._failures = 0
        self._pause_s = 0.0
        self._shut_until_s = 0.0
        self._probing = False

    @property
    def failures(self) -> int:
        """Failures in a row: 0 for a breaker that has nothing to remember."""
        return self._failures

    @property
    def probing(self) -> bool:
        """Whether a probe is under way: its end decides."""
        return self._probing

    def wait_s(self, *, now_s: float) -> float:
        """How long a caller has to stay away; 0: it may call."""
        return max(0.0, self._shut_until_s - now_s) if self.is_open else 0.0

    def begin(self, *, now_s: float) -> None:
        """A call goes out. Where the breaker is half open, it is the probe."""
        if self.is_open:
            self._probing = True
            self._shut_until_s = max(self._shut_until_s, now_s + self._rule.probe_s)

    def succeeded(self) -> None:
        """A call was answered: the breaker is closed."""
        self._failures, self._pause_s, self._probing = 0, 0.0, False

    def failed(self, *, now_s: float) -> None:
        """A call failed: the last one that was allowed, or a probe, opens the breaker."""
        self._failures += 1
        if self.is_open and (self._probing or not self._pause_s):
            self._pause_s = min(self._pause_s * 2 or self._rule.first_pause_s, self._rule.longest_pause_s)
            self._shut_until_s = now_s + self._pause_s
            self._probing = False

    def withdrawn(self) -> None:
        """A call came to no end that says anything: a probe makes room for the next one, and no pause grows."""
        if self._probing:
            self._probing, self._shut_until_s = False, 0.0

    @property
    def is_open(self) -> bool:
        """Whether callers are kept away, or one of them is finding out whether they must be."""
        return self._failures >= self._rule.failures_allowed

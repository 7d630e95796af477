"""Circuit breaker for Redis: after a timeout one caller probes now and then, the others fail fast.

A hundred callers that each wait for a silent Redis, few at a time, would hear of it after many seconds. What is
special here: a missing answer counts only where it says something about Redis.
"""

import asyncio

from core.breaker import BreakerRule, CircuitBreaker

#: an answer that is so many times later than it may be was late because this process was, not Redis
_LATE = 1.5


class RedisBreaker:
    """What the connections of one client have found out. `rest_s`: between two probes; 0: everybody may call."""

    def __init__(self, rest_s: float) -> None:
        rule = BreakerRule(failures_allowed=1, first_pause_s=rest_s, longest_pause_s=rest_s, probe_s=rest_s)
        self._breaker = CircuitBreaker(rule)
        self._answered_s = 0.0
        #: the last that was heard of Redis is that it takes no such password; who may not call hears the same
        self.locked_out = False

    def may_call(self) -> bool:
        """Ask before a connection is taken. Who gets yes makes the call: while Redis is away it is the probe."""
        now_s = asyncio.get_running_loop().time()
        if self._breaker.wait_s(now_s=now_s):
            return False
        self._breaker.begin(now_s=now_s)
        return True

    def unanswered(self, *, asked_s: float, answer_s: float) -> None:
        """Somebody who asked at `asked_s`, on the loop's clock, got no answer within `answer_s`.

        That says nothing about Redis where others got one since, or where this process was too busy to read it.
        """
        now_s = asyncio.get_running_loop().time()
        if self._answered_s < asked_s and now_s - asked_s < _LATE * answer_s:
            self._breaker.failed(now_s=now_s)

    def answered(self) -> None:
        """Somebody got an answer."""
        self.locked_out = False
        self._breaker.succeeded()
        self._answered_s = asyncio.get_running_loop().time()

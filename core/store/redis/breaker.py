"""Remembers that Redis was found away, so that callers hear so at once, and not each after a try of his own.

A hundred callers that each wait for a silent Redis, few at a time, would hear of it after many seconds. While it is away
one caller tries now and then, the others are refused.
"""

import asyncio

#: an answer that is so many times later than it may be was late because this process was, not Redis
_LATE = 1.5


class RedisBreaker:
    """What the connections of one client have found out. `rest_s`: between two tries; 0: everybody tries."""

    def __init__(self, rest_s: float) -> None:
        self._rest_s = rest_s
        self._next_try_s: float | None = None
        self._answered_s = 0.0

    def forbids(self) -> bool:
        """Whether nobody shall ask now. Whoever may is the one who tries: others wait for the next time."""
        now_s = asyncio.get_running_loop().time()
        if self._next_try_s is None or now_s >= self._next_try_s:
            self._next_try_s = self._next_try_s and now_s + self._rest_s
            return False
        return True

    def begins(self, *, asked_s: float, answer_s: float) -> None:
        """Somebody who asked at `asked_s`, on the loop's clock, got no answer.

        That says nothing about Redis where others got one since, or where this process was too busy to read it.
        """
        now_s = asyncio.get_running_loop().time()
        if self._rest_s and self._answered_s < asked_s and now_s - asked_s < _LATE * answer_s:
            self._next_try_s = now_s + self._rest_s

    def ends(self) -> None:
        """Somebody got an answer."""
        self._next_try_s = None
        self._answered_s = asyncio.get_running_loop().time()

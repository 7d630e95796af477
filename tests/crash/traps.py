"""Traps: at which moment a worker is stopped, and how."""

import asyncio
from collections.abc import Sequence
from typing import Literal, NamedTuple

#: `before`: the other side never heard of it yet. `after`: it has done it, and the worker does not know. `amid`: the
#: worker has got the beginning of the answer
Side = Literal["before", "after", "amid"]
#: `kill`: SIGKILL. `freeze`: SIGSTOP until another worker writes the job's record, or has ended it; then SIGCONT.
#: `end`: SIGTERM, and it gets its answer. `cut`: the connection breaks, and the worker lives
How = Literal["kill", "freeze", "end", "cut"]


class Moment(NamedTuple):
    """The `nth` request of a name, counted over all workers of a lane: ``Moment("commit_job", 6, "after", "kill")``."""

    name: str
    nth: int
    side: Side
    how: How

    def __str__(self) -> str:
        return f"{self.how} {self.side} {self.name} {self.nth}"


class Trap:
    """Waits for a moment, `times` in a row: the same request made again by the next worker springs it again."""

    def __init__(self, moment: Moment, *, times: int = 1) -> None:
        #: the one that it waits for, or has just caught
        self.moment = moment
        self._left = times
        self._seen = 0
        #: set when it has sprung as often as it shall
        self.sprung = asyncio.Event()

    def catches(self, names: Sequence[str]) -> bool:
        """Count a request, and say whether it is the one."""
        if self._left == 0 or self.moment.name not in names:
            return False
        self._seen += 1
        if self._seen < self.moment.nth:
            return False
        self._left -= 1
        if self._left == 0:
            self.sprung.set()
        return True


class EveryNthTrap(Trap):
    """Catches every `nth` request of a name as long as it is set, by turns before and after."""

    def catches(self, names: Sequence[str]) -> bool:
        if self.moment.name not in names:
            return False
        self._seen += 1
        if self._seen % self.moment.nth:
            return False
        self.sprung.set()
        self.moment = self.moment._replace(side="after" if self.moment.side == "before" else "before")
        return True

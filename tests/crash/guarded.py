"""One worker process with a guard: it sees what the worker asks, and stops it where the lane's trap says."""

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from tests.crash.traps import Side, Trap


class Lane(Protocol):
    """Where the worker works, as far as its guard must know it."""

    trap: Trap | None
    #: set when another worker than the stopped one has written, or nothing is left to be written
    elsewhere: asyncio.Event

    def log(self, name: str) -> Path: ...

    def heard(self, worker: "Worker", names: Sequence[str]) -> None: ...

    def stopped(self, worker: "Worker") -> None: ...

    def follow(self, worker: "Worker", how: signal.Signals) -> None: ...


class Worker:
    """One worker process, and the guard of its proxies."""

    def __init__(self, lane: Lane, number: int) -> None:
        self.pid = 0
        self.frozen = False
        #: set once the worker has said in Redis that it lives
        self.ready = asyncio.Event()
        self.log = lane.log(f"worker-{number}")
        self._lane = lane

    def meets(self, names: Sequence[str]) -> Side | None:
        """See a request go by, and say where to stop the worker about it."""
        self._lane.heard(self, names)
        if "admit_jobs" in names:
            self.ready.set()
        trap = self._lane.trap
        return trap.moment.side if trap and trap.catches(names) else None

    async def stop(self) -> None:
        """Do to it what the trap says. Whoever is gone is followed by another."""
        trap = self._lane.trap
        assert trap is not None
        self._lane.stopped(self)
        match trap.moment.how:
            case "end":
                self._lane.follow(self, signal.SIGTERM)
            case "cut":
                raise ConnectionAbortedError
            case "kill":
                self._lane.follow(self, signal.SIGKILL)
                raise ConnectionAbortedError
            case "freeze":
                await self._freeze()

    async def _freeze(self) -> None:
        self.frozen = True
        self.signal(signal.SIGSTOP)
        await self._lane.elsewhere.wait()
        self.signal(signal.SIGCONT)
        self.frozen = False

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

"""One process of the world: started, ready when it says so, stopped with everything that it started itself.

A child runs in a session of its own, so that Ctrl-C reaches the world alone, which then stops the children in order.
What it prints goes to a file; the line that says it is ready is read from there.
"""

import asyncio
import os
import re
import signal
import tempfile
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

from sandbox.world.parent_death import dying_with_parent
from sandbox.world.together import together

T = TypeVar("T")

LOOK_EVERY_S = 0.05
START_LIMIT_S = 120.0
STOP_LIMIT_S = 15.0
TAIL_LINES = 15


class ChildFailed(Exception):  # noqa: N818 - it says what happened, as the person at the terminal reads it
    """`name` {what}; the message ends with the last lines of its log."""

    def __init__(self, name: str, what: str, *, log_path: Path) -> None:
        super().__init__(f"{name} {what}. The end of {log_path}:\n{tail(log_path)}")


class Child:
    """A program that runs until it is stopped. `ready`: a pattern in what it prints; a group in it is the address.

    `told` is all that it finds on its input, at each start: what others must not read off its command line.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        ready: str,
        address: str,
        log_path: Path,
        told: str = "",
    ) -> None:
        self.name = name
        self.address = address
        self.log_path = log_path
        self._command = command
        self._env = env
        self._told = told.encode()
        self._ready = re.compile(ready.encode(), re.MULTILINE)
        self._process: asyncio.subprocess.Process | None = None
        self._held: Sequence[int] = ()

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    def hold(self, files: Sequence[int]) -> None:
        """Have it keep these open as long as it lives, from its next start on: a lock that outlives who took it."""
        self._held = files

    async def start(self) -> None:
        """Start it and wait until it is ready. Raises ChildFailed. Also starts one again that was killed."""
        with self.log_path.open("ab") as log, _input_of(self._told) as told:
            begins_at = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                env=self._env,
                stdin=told,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=dying_with_parent(),
                pass_fds=self._held,
            )
        try:
            async with asyncio.timeout(START_LIMIT_S):
                await self._until_ready(self._process, begins_at)
        except TimeoutError:
            raise ChildFailed(self.name, f"was not ready in {START_LIMIT_S:.0f} s", log_path=self.log_path) from None

    async def _until_ready(self, process: asyncio.subprocess.Process, begins_at: int) -> None:
        while (found := self._ready.search(self.log_path.read_bytes(), begins_at)) is None:
            if process.returncode is not None:
                raise self._ended(process.returncode)
            await asyncio.sleep(LOOK_EVERY_S)
        if found.groups():
            self.address = found[1].decode()

    async def end(self) -> ChildFailed:
        """Wait until it ends by itself, and say so."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._ended(await self._process.wait())

    def _ended(self, status: int) -> ChildFailed:
        how = f"was ended by signal {-status}" if status < 0 else f"ended by itself with status {status}"
        return ChildFailed(self.name, how, log_path=self.log_path)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program alone, not to what it started."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def stop(self) -> None:
        """Ask it to end, insist after a while, and take what it started with it. Safe to repeat."""
        if self._process is None:
            return
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_LIMIT_S):
                await self._process.wait()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()


@contextmanager
def _input_of(told: bytes) -> Iterator[IO[bytes]]:
    """Make the input of a program that is to read this and no more: a file without a name, so nobody else opens it."""
    with tempfile.TemporaryFile() as file:
        file.write(told)
        file.seek(0)
        yield file


async def start_all(children: Sequence[Child]) -> None:
    """Start several side by side. Raises the first one's ChildFailed; what had started stays, for `stop_all`."""
    await together(child.start() for child in children)


async def stop_all(children: Sequence[Child]) -> None:
    await together(child.stop() for child in children)


async def first_end(children: Sequence[Child]) -> ChildFailed:
    """Wait until any of them ends by itself."""
    waits = [asyncio.ensure_future(child.end()) for child in children]
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        return next(iter(done)).result()
    finally:
        for wait in waits:
            wait.cancel()


async def while_alive(children: Sequence[Child], work: Coroutine[None, None, T]) -> T:
    """Run `work` in the company of `children`. Raises ChildFailed when one of them ends before it does."""
    task, death = asyncio.ensure_future(work), asyncio.ensure_future(first_end(children))
    try:
        await asyncio.wait({task, death}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise death.result()
        return task.result()
    finally:
        task.cancel()
        death.cancel()
        await asyncio.gather(task, death, return_exceptions=True)


def tail(log_path: Path) -> str:
    lines = log_path.read_text("utf-8", errors="replace").splitlines()[-TAIL_LINES:]
    return "\n".join(f"  {line}" for line in lines) or "  (it printed nothing)"

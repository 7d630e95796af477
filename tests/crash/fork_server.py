"""Forks real workers and APIs from a process that has imported everything already, so that a test can afford fifty.

Run as a program it reads orders, one JSON line each, and answers with the pid of the new process. What it forks is
`reelgate worker` or `reelgate api` and nothing else; production code knows nothing of it.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from sandbox.world.parent_death import dying_with_parent

ROOT = Path(__file__).resolve().parents[2]


class ForkServer:
    """The running program, as tests use it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._turn = asyncio.Lock()

    async def start(self, *command: str, env: Mapping[str, str], log: Path) -> int:
        """Start ``("worker", …)`` or ``("api", …)`` with these variables in its environment; returns its pid at once."""
        order = json.dumps({"command": command, "env": dict(env), "log": str(log)})
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with self._turn:
            self._process.stdin.write(order.encode() + b"\n")
            return int(await self._process.stdout.readline())


@asynccontextmanager
async def running_fork_server(program: str) -> AsyncIterator[ForkServer]:
    """Run it until the block ends; what it has forked ends with it."""
    command = [sys.executable, "-m", program]
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, **pipes)
    try:
        yield ForkServer(process)
    finally:
        process.stdin.close()
        await process.wait()


def serve_orders() -> None:
    """Fork a process for each line. At the end of the input the kernel tells all of them to end."""
    import service.main
    import worker.main
    from worker.jobs.language import detect_language

    commands = {"worker": worker.main.worker, "api": service.main.api}
    detect_language("load the models once for all of them")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that the dead are not kept
    tie = dying_with_parent()
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            if tie:
                tie()
            name, *arguments = order["command"]
            _become(commands[name], arguments, order)
        print(pid, flush=True)  # noqa: T201 - the answer


def _become(command, arguments, order) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.update(order["env"])
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number in (1, 2):
        os.dup2(log, number)
    os.close(0)
    status = 1
    try:
        command.main(args=arguments, prog_name="reelgate")
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        os._exit(status)


if __name__ == "__main__":
    serve_orders()

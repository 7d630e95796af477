"""The processes of a Reelgate, started by their commands from any checkout: of this version, or of another one."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sandbox.world.parent_death import dying_with_parent
from tests.ready_line import address_in
from tests.until import PATIENCE_S

_STOP_S = PATIENCE_S
_OURS = ("NEMO_", "REELGATE_", "SANDBOX_", "REDIS_URL", "SKILL_SOURCE", "VIRTUAL_ENV", "PYTHONPATH")

#: where this checkout has its own
PROGRAMS = Path(sys.executable).parent
COMMANDS: dict[str, tuple[str, ...]] = {
    "api": ("reelgate", "api", "--port", "0"),
    "worker": ("reelgate", "worker", "--metrics-port", "0"),
    "sandbox": ("reelgate", "sandbox", "--port", "0"),
    "receiver": ("python", "-m", "sandbox.receiver"),
}


class Process:
    """A running process; `url` is what it said to be ready with, `log` what it wrote to stderr."""

    def __init__(self, url: str, log: Path, running: subprocess.Popen[str]) -> None:
        self.url = url
        self.log = log
        self._running = running

    def send(self, how: signal.Signals) -> None:
        """Freeze it, or let it thaw."""
        self._running.send_signal(how)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._running.poll() is None:
            self._running.send_signal(how)
        self._running.wait(_STOP_S)


@contextmanager
def running(
    kind: str,
    *options: str,
    env: Mapping[str, str],
    folder: Path,
    programs: Path = PROGRAMS,
    reelgate: Sequence[str] = (),
    name: str = "",
) -> Iterator[Process]:
    """Run an ``api``, ``worker``, ``sandbox`` or ``receiver`` of the checkout whose programs these are.

    `reelgate`: the words that start another checkout's under these programs.
    """
    program, *arguments = COMMANDS[kind]
    command = [*(reelgate or [str(programs / program)]), *arguments, *options]
    log = folder / f"{name or kind}.log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command,
            env=clean_environment() | dict(env),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            preexec_fn=dying_with_parent(),  # noqa: PLW1509 - it loads nothing after the fork
        ) as process,
    ):
        assert process.stdout is not None
        line = process.stdout.readline()
        address = address_in(line, kind)
        started = Process(address or "", log, process)
        try:
            assert address, f"{kind} did not start: {line!r}, see {log}"
            yield started
        finally:
            started.end()


def clean_environment() -> dict[str, str]:
    """Give this process's environment without what would tell a Reelgate anything."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}

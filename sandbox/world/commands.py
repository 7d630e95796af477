"""Runs a short command to its end and gives what it printed; what it complained of goes to a log."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.world.child_process import ChildFailed
from sandbox.world.parent_death import dying_with_parent


async def run(command: Sequence[str], *, env: Mapping[str, str], stdin: str, log_path: Path) -> str:
    """Run it with `stdin` as its input. Raises ChildFailed when it ends badly; ends it when the caller is cancelled."""
    with log_path.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=env,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            preexec_fn=dying_with_parent(),
        )
        try:
            printed, _ = await process.communicate(stdin.encode())
        finally:
            if process.returncode is None:
                process.kill()
    if process.returncode:
        name = " ".join([Path(command[0]).name, *command[1:3]])
        raise ChildFailed(name, f"ended with status {process.returncode}", log_path=log_path)
    return printed.decode()

"""Runs ffmpeg as a child process, for the prober, the renderer and the clip maker.

Decided here: that a cancelled caller never leaves the child behind, and that its complaints become one plain sentence.
It must not know what is being edited.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import imageio_ffmpeg

_LINES_KEPT = 40


class FfmpegFailed(Exception):  # noqa: N818  # says what happened
    """ffmpeg ended with an error; the text is its last complaint, without paths of this machine."""


@cache
def binary() -> str:
    """Find the ffmpeg that came with the installation."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


async def run(
    args: Sequence[str],
    *,
    cwd: Path | None = None,
    on_out: Callable[[str], None] = lambda _: None,
    on_log: Callable[[str], None] = lambda _: None,
) -> None:
    """Run ffmpeg to its end, handing over each line of its output (`-progress`) and of its log.

    Raises FfmpegFailed. When the calling task is cancelled, the child is killed and waited for.
    """
    child = await asyncio.create_subprocess_exec(
        binary(),
        *("-hide_banner", "-nostdin", "-y", *args),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=cwd,
    )
    log: deque[str] = deque(maxlen=_LINES_KEPT)
    try:
        await asyncio.gather(_lines(child.stdout, on_out), _lines(child.stderr, on_log, log))
        code = await child.wait()
    finally:
        await asyncio.shield(_ended(child))
    if code:
        raise FfmpegFailed(_complaint(log))


def frames(progress: Sequence[str]) -> int:
    """How many pictures were written, by what `-progress` told."""
    counts = [line.removeprefix("frame=").strip() for line in progress if line.startswith("frame=")]
    return int(counts[-1]) if counts and counts[-1].isdecimal() else 0


async def _lines(
    pipe: asyncio.StreamReader | None, tell: Callable[[str], None], kept: deque[str] | None = None
) -> None:
    assert pipe is not None
    async for raw in pipe:
        line = raw.decode(errors="replace").rstrip()
        if kept is not None:
            kept.append(line)
        tell(line)


async def _ended(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()


def _complaint(log: Sequence[str]) -> str:
    said = [line.rpartition("] ")[2] for line in log if line and "/" not in line]
    return said[-1] if said else "ffmpeg ended without saying why"

"""Makes the file: a draft, the wished output and the session's media go in, one finished video comes out.

Called by the sandbox's render pool, which bounds how many run at once. One ffmpeg does it all; cancelling the task ends
it, and nothing is left behind but a finished file.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import ffmpeg
from sandbox.media import Media
from sandbox.render.graph import GRAPH_FILE, ffmpeg_args, filter_graph
from sandbox.render.plan import Plan, plan
from sandbox.render.shape import RenderFailed
from sandbox.render.text import FONT, FONT_FILE, words_file, wrapped

__all__ = ["RenderFailed", "Rendered", "render"]


@dataclass(frozen=True)
class Rendered:
    """A finished file."""

    path: Path
    duration_s: float
    size_bytes: int
    width: int
    height: int


async def render(
    draft: dict[str, Any],
    output: dict[str, Any],
    media: Mapping[str, Media],
    *,
    into: Path,
    on_progress: Callable[[int], None],
) -> Rendered:
    """Render a draft into the file `into`, telling the percentage done, 0 to 100, never backwards.

    `media` is keyed by the URL that segments name as `src`. Raises RenderFailed.
    """
    made = plan(draft, output, media)
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=".render-") as folder:
        work_folder = Path(folder)
        _lay_out(work_folder, made)
        out = work_folder / f"out.{made.format}"
        frames = await _encoded(made, work_folder, out.name, on_progress)
        return _put(out, into, made, frames)


def _put(out: Path, into: Path, made: Plan, frames: int) -> Rendered:
    out.replace(into)
    return Rendered(into, frames / made.fps, into.stat().st_size, made.width, made.height)


async def _encoded(made: Plan, work_folder: Path, out: str, on_progress: Callable[[int], None]) -> int:
    """Write the file and tell how many frames it has: where none are found, ffmpeg may see no error."""
    told: list[str] = []
    tell = _percentages(made, on_progress)

    def read(line: str) -> None:
        told.append(line)
        tell(line)

    try:
        await ffmpeg.run(ffmpeg_args(made, out), cwd=work_folder, on_out=read)
    except ffmpeg.FfmpegFailed as problem:
        raise RenderFailed(f"the video could not be encoded: {problem}") from problem
    if not (frames := ffmpeg.frames(told)):
        raise RenderFailed("nothing of the media is at the places that the timeline names")
    return frames


def _lay_out(work_folder: Path, made: Plan) -> None:
    (work_folder / FONT_FILE).symlink_to(FONT)
    (work_folder / GRAPH_FILE).write_text(filter_graph(made), encoding="utf-8")
    for number, words in enumerate(made.words):
        (work_folder / words_file(number)).write_text(wrapped(made, words), encoding="utf-8")


def _percentages(made: Plan, on_progress: Callable[[int], None]) -> Callable[[str], None]:
    told = -1

    def read(line: str) -> None:
        nonlocal told
        key, _, value = line.partition("=")
        if key == "frame" and value.strip().isdecimal():
            percent = min(99, int(value) * 100 // made.frames)
        elif line == "progress=end":
            percent = 100
        else:
            return
        if percent > told:
            told = percent
            on_progress(percent)

    return read

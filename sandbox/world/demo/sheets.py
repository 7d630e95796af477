"""Contact sheets, posters and waves: what clips and films look and sound like, as pictures for the page."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sandbox import ffmpeg
from sandbox.render.text import FONT
from sandbox.world.demo.film import length_s

STILLS = 6
#: a still's size in pixels
WIDE, HIGH = 320, 180
#: what a phone shows beside each other
NARROW = 3
_GAP = 4
_WAVE, _WAVE_COLOR = "1280x64", "0x2a9d8f"
_QUALITY = ("-q:v", "3", "-frames:v", "1", "-update", "1")


class Still(NamedTuple):
    """One picture of a file; an image has but one, at 0."""

    path: Path
    at_s: float


class Sheets(NamedTuple):
    """The same stills in one row, and in rows of three for a narrow screen."""

    row: Path
    rows: Path


def moments(paths: Sequence[Path]) -> list[Still]:
    """Choose stills spread evenly over files that follow each other; of images, each is one."""
    lengths = [length_s(path) for path in paths]
    if not any(lengths):
        return [Still(path, 0) for path in paths]
    step = sum(lengths) / STILLS
    return [_still_at(paths, lengths, (number + 0.5) * step) for number in range(STILLS)]


def _still_at(paths: Sequence[Path], lengths: Sequence[float], at_s: float) -> Still:
    for path, length in zip(paths, lengths, strict=True):
        if at_s < length:
            return Still(path, at_s)
        at_s -= length
    return Still(paths[-1], 0)


async def make_sheets(stills: Sequence[Still], folder: Path, name: str) -> Sheets:
    """Write both sheets as ``<name>.jpg`` and ``<name>-narrow.jpg``."""
    sheets = Sheets(folder / f"{name}.jpg", folder / f"{name}-narrow.jpg")
    seen = [part for still in stills for part in ("-ss", f"{still.at_s:.3f}", "-i", str(still.path))]
    wide = ("-map", "[wide]", *_QUALITY, str(sheets.row))
    narrow = ("-map", "[narrow]", *_QUALITY, str(sheets.rows))
    await ffmpeg.run(["-v", "error", *seen, "-filter_complex", _graph(stills), *wide, *narrow])
    return sheets


async def make_poster(film: Path, path: Path) -> None:
    """Write a picture from the film's beginning."""
    at = f"{length_s(film) / 5:.3f}"
    look = ("-vf", f"scale={WIDE * 3}:-2")
    await ffmpeg.run(["-v", "error", "-ss", at, "-i", str(film), *look, *_QUALITY, str(path)])


async def make_wave(paths: Sequence[Path], path: Path) -> None:
    """Write the sound of files that follow each other as a curve: where it is thin, nobody speaks."""
    heard = [part for each in paths for part in ("-i", str(each))]
    mono = "".join(
        f"[{number}:a]aformat=channel_layouts=mono:sample_rates=8000[a{number}];" for number in range(len(paths))
    )
    joined = "".join(f"[a{number}]" for number in range(len(paths))) + f"concat=n={len(paths)}:v=0:a=1"
    look = f"showwavespic=s={_WAVE}:colors={_WAVE_COLOR}:scale=sqrt"
    graph = ("-filter_complex", f"{mono}{joined},alimiter=level_in=4,{look}")
    await ffmpeg.run(["-v", "error", *heard, *graph, "-frames:v", "1", "-update", "1", str(path)])


def _graph(stills: Sequence[Still]) -> str:
    count = len(stills)
    fit = f"scale={WIDE}:{HIGH}:force_original_aspect_ratio=decrease,pad={WIDE}:{HIGH}:-1:-1,setsar=1,format=yuvj420p"
    each = [f"[{number}]{fit}{_time(still)},split[a{number}][b{number}]" for number, still in enumerate(stills)]
    return ";".join([*each, _stacked("a", count, count, "wide"), _stacked("b", count, NARROW, "narrow")])


def _time(still: Still) -> str:
    """Write the moment into a still's corner; an image has none."""
    if not still.at_s:
        return ""
    minutes, seconds = divmod(int(still.at_s), 60)
    look = "fontsize=18:fontcolor=white:box=1:boxcolor=black@0.5:boxborderw=5:x=10:y=h-th-10"
    return f",drawtext=fontfile='{FONT}':text='{minutes}\\:{seconds:02d}':{look}"


def _stacked(letter: str, count: int, columns: int, name: str) -> str:
    given = "".join(f"[{letter}{number}]" for number in range(count))
    places = (f"{number % columns * (WIDE + _GAP)}_{number // columns * (HIGH + _GAP)}" for number in range(count))
    return f"{given}xstack=inputs={count}:layout={'|'.join(places)}:fill=0x808080[{name}]"

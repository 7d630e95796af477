"""Decides the shape of a file: its size in pixels, frame rate, container and quality. Pure; called by `plan`.

Anything that can't be done is refused here with its limits, never quietly replaced.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

FORMATS = ("mp4", "mov", "webm")
QUALITIES = ("low", "medium", "high")

_SHORT_SIDES_PX = range(144, 1081)
_FPS = range(1, 61)
_SLOWEST_FPS, _USUAL_FPS, _FASTEST_FPS = 10, 25, 31

_T = TypeVar("_T")


class RenderFailed(Exception):  # noqa: N818  # says what happened
    """The render can't be done; the text is a plain, short reason without paths of this machine."""


def format_of(output: Mapping[str, Any]) -> str:
    """Read the container; mp4 where none is named."""
    return _among(str(output.get("format") or "mp4").lower(), FORMATS, "format")


def quality_of(output: Mapping[str, Any]) -> str:
    """Read the quality; high where none is named."""
    return _among(str(output.get("quality") or "high").lower(), QUALITIES, "quality")


def fps_of(output: Mapping[str, Any], sources: Sequence[float]) -> int:
    """Read the frame rate; else keep the first film's, halved where it is a fast one, so that no frame shows twice."""
    rate = next((rate for rate in sources if rate >= _SLOWEST_FPS), _USUAL_FPS)
    while rate > _FASTEST_FPS:
        rate /= 2
    return _among(round(float(output.get("fps") or rate)), _FPS, "fps")


def size_of(m: Mapping[str, Any], output: Mapping[str, Any]) -> tuple[int, int]:
    """Read width and height: the draft's shape at the output's resolution, e.g. 9:16 at "720p" is 720x1280."""
    across, down = float(m.get("width") or 16), float(m.get("height") or 9)
    short = _short_side(str(output.get("resolution") or "1080p").lower())
    if across >= down:
        return _even(short * across / down), _even(short)
    return _even(short), _even(short * down / across)


def _short_side(resolution: str) -> int:
    sides = [part.removesuffix("p") for part in resolution.replace("×", "x").split("x")]
    if not all(side.isdecimal() for side in sides):
        raise RenderFailed("the resolution must look like 1080p")
    return _among(min(int(side) for side in sides), _SHORT_SIDES_PX, "resolution")


def _even(size: float) -> int:
    return round(size / 2) * 2


def _among(value: _T, allowed: Sequence[_T], what: str) -> _T:
    if value not in allowed:
        names = f"{allowed[0]} to {allowed[-1]}" if isinstance(allowed, range) else ", ".join(map(str, allowed))
        raise RenderFailed(f"the {what} must be one of: {names}")
    return value

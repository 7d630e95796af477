"""A small painter of flat shapes, without any library: columns of pixels, drawn at twice the size and made smaller later.

A picture is kept column by column, since nearly everything in a landscape is a column from a height down; ffmpeg turns
it (`transpose`). What is painted covers what was there, also where it lets through what is below the canvas. Colours are ``#rrggbb`` or ``#rrggbbaa``; lengths are pixels of the finished picture.
"""

import math
from collections.abc import Callable
from pathlib import Path

#: How much larger than the finished picture is drawn, so that edges come out smooth.
FINER = 2
_PIXEL_BYTES = 4

Height = Callable[[float], float]


class Canvas:
    """A transparent picture to be painted on."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._columns: list[bytearray] = []

    def fill(self, left: float, right: float, top: Height, bottom: Height, *colors: str) -> None:
        """Paint from `left` to `right` between two outlines; several colours run from the picture's top to its bottom."""
        paint = shade(self.height * FINER, *colors)
        self._columns = self._columns or self._untouched(paint[:3])
        for x in range(max(0, round(left * FINER)), min(self.width * FINER, round(right * FINER))):
            at = (x + 0.5) / FINER
            first, last = self._row(top(at)), self._row(bottom(at))
            if first < last:
                self._columns[x][first:last] = paint[first:last]

    def ground(self, top: Height, *colors: str) -> None:
        """Paint all that lies below an outline."""
        self.fill(0, self.width, top, lambda _: self.height, *colors)

    def rect(self, left: float, top: float, width: float, height: float, *colors: str) -> None:
        self.fill(left, left + width, lambda _: top, lambda _: top + height, *colors)

    def oval(self, x: float, y: float, wide: float, high: float, *colors: str) -> None:
        """Paint an ellipse around (x, y), `wide` and `high` from its middle."""

        def half(at: float) -> float:
            return high * math.sqrt(max(0.0, 1 - ((at - x) / wide) ** 2))

        self.fill(x - wide, x + wide, lambda at: y - half(at), lambda at: y + half(at), *colors)

    def peak(self, x: float, top: float, wide: float, bottom: float, *colors: str) -> None:
        """Paint a triangle that stands on `bottom`, `wide` from its middle."""
        steep = (bottom - top) / wide
        self.fill(x - wide, x + wide, lambda at: top + steep * abs(at - x), lambda _: bottom, *colors)

    def save(self, path: Path) -> None:
        """Write the pixels alone: rows of RGBA, of which each is one column."""
        path.write_bytes(b"".join(self._columns))

    def _untouched(self, color: bytes) -> list[bytearray]:
        """Make columns that let all through, of the first colour painted, so that no edge mixes with black."""
        return [bytearray((color + b"\0") * (self.height * FINER)) for _ in range(self.width * FINER)]

    def _row(self, y: float) -> int:
        return _PIXEL_BYTES * min(self.height * FINER, max(0, round(y * FINER)))


def shade(length: int, *colors: str) -> bytes:
    """Make a column of pixels that runs through the colours in equal parts."""
    stops = [rgba(color) for color in colors]
    if len(stops) == 1:
        return bytes(stops[0]) * length
    parts = len(stops) - 1
    return b"".join(_between(stops, parts * at / max(1, length - 1)) for at in range(length))


def rgba(color: str) -> tuple[int, int, int, int]:
    """Read ``#rrggbb`` or ``#rrggbbaa``."""
    red, green, blue, alpha = bytes.fromhex(color.removeprefix("#").ljust(8, "f"))
    return red, green, blue, alpha


def _between(stops: list[tuple[int, int, int, int]], at: float) -> bytes:
    number = min(int(at), len(stops) - 2)
    share = at - number
    return bytes(round(a + (b - a) * share) for a, b in zip(stops[number], stops[number + 1], strict=True))

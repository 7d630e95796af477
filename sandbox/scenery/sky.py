"""Skies: a gradient and the glow of a light, computed for few pixels and made large softly."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sandbox.scenery.canvas import rgba

#: A sky is soft, so a picture of this size is enough.
WIDTH, HEIGHT = 160, 90


class Sky(NamedTuple):
    """Colours from top to bottom, and a light at shares (0 to 1) of the picture's width and height."""

    colors: tuple[str, ...]
    glow: str = "#fff4d6"
    glow_at: tuple[float, float] = (0.7, 0.45)
    #: how far the glow reaches, as a share of the width; 0 for none
    reach: float = 0.35
    #: the light's own radius, as a share of the width; 0 where it is not in the picture
    disc: float = 0.03


def save_sky(sky: Sky, path: Path) -> None:
    """Write rows of RGB, from the top."""
    path.write_bytes(b"".join(_row(sky, y) for y in range(HEIGHT)))


def _row(sky: Sky, y: int) -> bytes:
    parts = len(sky.colors) - 1
    at = parts * y / (HEIGHT - 1)
    number = min(int(at), parts - 1)
    ground = _mixed(rgba(sky.colors[number]), rgba(sky.colors[number + 1]), at - number)
    return b"".join(bytes(_pixels(sky, ground, x, y)) for x in range(WIDTH))


def _pixels(sky: Sky, ground: tuple[float, ...], x: int, y: int) -> Iterator[int]:
    if not sky.reach:
        return (round(part) for part in ground)
    far = math.hypot(x / WIDTH - sky.glow_at[0], (y / HEIGHT - sky.glow_at[1]) * HEIGHT / WIDTH)
    light = 0.75 * math.exp(-3 * (far / sky.reach) ** 2)
    return (round(part) for part in _mixed(ground, rgba(sky.glow), light))


def _mixed(a: tuple[float, ...], b: tuple[float, ...], share: float) -> tuple[float, ...]:
    return tuple(one + (other - one) * share for one, other in zip(a[:3], b[:3], strict=True))

"""Houses, a market, a shop."""

import math
from random import Random
from typing import NamedTuple

from sandbox.scenery.canvas import Canvas


class Panes(NamedTuple):
    """Colours of windows, and the share of them that is seen."""

    colors: tuple[str, ...]
    lit: float = 0.5


NIGHT = Panes(("#e8c27a", "#c9975a", "#f5e0ac", "#a8774f", "#8a6a52"))
DAY = Panes(("#a98c74", "#b59a83", "#98816f"))
#: the share of houses with a mast
_MASTS = 0.3


def draw_town(canvas: Canvas, level: float, tall: float, seed: int, *colors: str, panes: Panes = NIGHT) -> None:
    """Draw houses side by side, with windows."""
    by = Random(seed)
    x = 0.0
    while x < canvas.width:
        wide, high = by.uniform(60, 130) * tall / 260, tall * by.uniform(0.35, 1.0)
        canvas.rect(x, level - high, wide + 1, canvas.height, *colors)
        if by.random() < _MASTS:
            canvas.rect(x + wide / 2, level - high - tall * 0.12, 2, tall * 0.13, *colors)
        _windows(canvas, by, (x, level - high), (wide, high), panes)
        x += wide + by.choice((0, 0, 0, 8))


def _windows(canvas: Canvas, by: Random, corner: tuple[float, float], size: tuple[float, float], look: Panes) -> None:
    step_x, step_y = max(9.0, size[0] / 7), max(13.0, size[0] / 5)
    for column in range(1, int(size[0] / step_x)):
        for row in range(1, int(size[1] / step_y)):
            if by.random() < look.lit:
                spot = corner[0] + column * step_x, corner[1] + row * step_y
                canvas.rect(*spot, step_x * 0.5, step_y * 0.5, by.choice(look.colors))


def draw_bunting(canvas: Canvas, level: float, colors: tuple[str, ...]) -> None:
    """Draw a line of flags that hangs in bows of 320 pixels."""

    def line(x: float) -> float:
        return level + 46 * math.sin(math.pi * (x % 320) / 320)

    canvas.fill(0, canvas.width, line, lambda x: line(x) + 2, "#5b4636")
    for number, x in enumerate(range(16, canvas.width, 40)):
        _flag(canvas, x, line(x) + 2, colors[number % len(colors)])


def _flag(canvas: Canvas, x: float, top: float, color: str) -> None:
    canvas.fill(x - 13, x + 13, lambda _: top, lambda at: top + 32 - abs(at - x) * 2.4, color)


def draw_stalls(canvas: Canvas, level: float, seed: int) -> None:
    """Draw market stalls: striped awnings, posts, crates heaped with fruit."""
    by = Random(seed)
    for number, x in enumerate(range(40, canvas.width, 430)):
        stripe = ("#d8473d", "#2f7f86", "#e0a12f", "#5a8f4a")[number % 4]
        for side in (6, 340):
            canvas.rect(x + side, level - 250, 9, 290, "#6b4a33", "#4f3524")
        canvas.rect(x - 8, level - 78, 372, 140, "#8a5f3f", "#5c3d28")
        for crate in range(3):
            _crate(canvas, by, x + 8 + crate * 118, level)
        draw_awning(canvas, x - 28, level - 300, 412, stripe)


def draw_awning(canvas: Canvas, left: float, top: float, wide: float, color: str) -> None:
    """Draw a striped awning with a scalloped edge."""
    stripes = 10
    each = wide / stripes
    for number in range(stripes):
        x, paint = left + number * each, color if number % 2 else "#fbf3e4"
        canvas.rect(x, top, each + 1, 84, paint)
        canvas.oval(x + each / 2, top + 84, each / 2, 18, paint)
    canvas.rect(left, top, wide, 8, "#cfc6b8")


def _crate(canvas: Canvas, by: Random, x: float, level: float) -> None:
    fruit = by.choice((("#e8562f", "#f07a3c"), ("#e9b52c", "#f5cf5a"), ("#7fae3b", "#9cc653"), ("#b3272d", "#d5484a")))
    for row in range(3):
        for number in range(5 - row):
            spot = x + 14 + row * 10 + number * 20, level - 88 - row * 15
            canvas.oval(*spot, 12, 12, fruit[0])
            canvas.oval(spot[0] - 3, spot[1] - 4, 5, 4, fruit[1])
    canvas.rect(x, level - 88, 108, 40, "#b98a5a")
    canvas.rect(x, level - 70, 108, 3, "#8d653f")


def draw_shop(canvas: Canvas) -> None:
    """Draw the bakery's front: a window with lights, an awning, a door, a street."""
    draw_town(canvas, 560, 420, 8, "#c4a892", "#b39480", panes=DAY)
    canvas.rect(250, 150, 780, 430, "#2f5d5a", "#244a48")
    canvas.rect(270, 160, 740, 70, "#1f3f3e")
    canvas.rect(300, 330, 430, 200, "#ffe2a0", "#ffbf63")
    for number in range(6):
        canvas.oval(350 + number * 66, 470, 34, 24, "#c97d37", "#b0652a")
    canvas.rect(300, 492, 430, 10, "#6b4a33")
    canvas.rect(512, 330, 8, 200, "#244a48")
    canvas.rect(800, 320, 150, 260, "#7a4a2c", "#5f3820")
    canvas.rect(820, 340, 110, 130, "#ffdf9a", "#ffc873")
    canvas.oval(932, 490, 6, 6, "#f2d27a")
    draw_awning(canvas, 240, 236, 800, "#d8473d")
    canvas.rect(0, 580, 1280, 140, "#b9aa9a", "#8f8176")
    for x in range(-60, 1280, 120):
        canvas.rect(x, 622, 112, 4, "#9a8c80")

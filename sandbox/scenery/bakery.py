"""Bread, and the oven that it comes from."""

import math
from random import Random

from sandbox.scenery.canvas import Canvas, Height


def draw_loaf(canvas: Canvas) -> None:
    """Draw a loaf on a board, in warm light."""
    canvas.ground(lambda _: 520, "#8a5230", "#6d3d22", "#5c3019")
    canvas.oval(640, 568, 470, 46, "#4a2513")
    canvas.fill(230, 1050, lambda _: 540, lambda _: 580, "#b8834f", "#9a673a")
    canvas.fill(300, 980, _crust, lambda _: 542, "#f0bd72", "#d98d3e", "#b5652a", "#8a441b")
    for x in range(400, 1000, 120):
        _score(canvas, x)


def _score(canvas: Canvas, x: float) -> None:
    cut = _cut(x)
    canvas.fill(x - 46, x + 46, cut, lambda at: cut(at) + 22 - ((at - x) / 12) ** 2, "#fbe6bb")


def _crust(x: float) -> float:
    left = max(0.0, 1 - (abs(x - 640) / 340) ** 2.4)
    return 542 - 250 * math.sqrt(left)


def _cut(middle: float) -> Height:
    return lambda at: _crust(middle) + 34 + (middle - at) * 0.55


def draw_oven(canvas: Canvas) -> None:
    """Draw a brick oven whose fire lights two loaves."""
    canvas.ground(lambda _: 0, "#5c2f2a", "#43211f")
    by = Random(4)
    for row in range(24):
        for x in range(-40 + (row % 2) * 40, 1280, 80):
            canvas.rect(x, row * 30, 77, 27, by.choice(("#7d4036", "#8a473a", "#73392f", "#94503f")))
    for rim, paint in ((60, ("#b98668", "#8a5a44")), (0, ("#1c0d0a", "#5a1d0c", "#c9501a", "#ffb347"))):
        canvas.fill(300 - rim, 980 + rim, _arch(340 + rim), lambda _: 590, *paint)
    for number in range(26):
        x, high = 330 + number * 25, by.uniform(40, 150)
        canvas.peak(x, 540 - high, 22, 560, "#ff7a1f", "#ffb03a", "#ff8a2a", "#ffd25e")
    for x in (520, 760):
        canvas.oval(x, 560, 110, 48, "#e7a44f", "#c9772f", "#a85722")
        canvas.oval(x, 536, 60, 8, "#f6d193")
    canvas.rect(200, 590, 880, 40, "#a98a78", "#6e554a")


def _arch(high: float) -> Height:
    return lambda x: 590 - 1.2 * math.sqrt(max(0.0, high**2 - (x - 640) ** 2))

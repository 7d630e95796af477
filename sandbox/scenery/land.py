"""Ridges, mountains and woods."""

import math
from random import Random

from sandbox.scenery.canvas import Canvas, Height


def ridge(level: float, rise: float, seed: int, roughness: float = 1.0) -> Height:
    """Give the outline of hills around the height `level`, `rise` pixels up and down."""
    by = Random(seed)
    waves = [(rise / n**1.3, roughness * n * by.uniform(0.7, 1.3) / 260, by.uniform(0, 6.3)) for n in (1, 2, 3, 5, 9)]
    return lambda x: level + sum(high * math.sin(x * often + shift) for high, often, shift in waves) * 0.6


def draw_hills(canvas: Canvas, level: float, rise: float, seed: int, *colors: str, roughness: float = 1.0) -> None:
    canvas.ground(ridge(level, rise, seed, roughness), *colors)


def draw_mountains(canvas: Canvas, level: float, seed: int, rock: tuple[str, ...], snow: tuple[str, ...]) -> None:
    """Draw peaks with snow on their heads, which ends in a ragged line."""
    by = Random(seed)
    for x in range(-100, canvas.width + 200, 190):
        middle, high = x + by.uniform(-50, 50), by.uniform(150, 290)
        wide, top = high * by.uniform(0.9, 1.25), level - high
        canvas.peak(middle, top, wide, level, *rock)
        snow_line = ridge(level - high * 0.62, 16, by.randrange(999), 9)
        reach = wide * 0.38
        canvas.fill(middle - reach, middle + reach, _slope(middle, top, high / wide), snow_line, *snow)
    canvas.ground(lambda _: level - 1, *rock)


def _slope(middle: float, top: float, steep: float) -> Height:
    return lambda at: top + steep * abs(at - middle)


def draw_pines(canvas: Canvas, level: float, tall: float, seed: int, *colors: str) -> None:
    """Draw a wood's edge: firs of three tiers on a ridge."""
    by, ground = Random(seed), ridge(level, tall * 0.25, seed)
    x = -tall / 4
    while x < canvas.width + tall:
        high, foot = tall * by.uniform(0.55, 1.15), ground(x) + 4
        for tier in range(4):
            top = foot - high * (1 - tier * 0.22)
            canvas.peak(x, top, high * (0.1 + 0.05 * tier), top + high * 0.36, *colors)
        x += tall * by.uniform(0.12, 0.42)
    canvas.ground(ground, *colors)


def draw_trunks(canvas: Canvas, thick: float, apart: float, seed: int, *colors: str) -> None:
    """Draw trunks of a tall wood that we walk in, and the ground that they stand on."""
    by, ground = Random(seed), ridge(560 + thick * 1.6, 12, seed)
    x = by.uniform(0, apart)
    while x < canvas.width:
        wide, lean = thick * by.uniform(0.6, 1.3), by.uniform(-0.4, 0.4) * thick
        _trunk(canvas, x, wide, ground(x) + 10, colors)
        for _ in range(3):
            y = by.uniform(20, 330)
            _branch(canvas, (x, y), lean + by.choice((-1, 1)) * thick * by.uniform(1.5, 3.5), wide * 0.2, colors)
        x += apart * by.uniform(0.5, 1.5)
    canvas.ground(ground, *colors)


def _trunk(canvas: Canvas, x: float, wide: float, foot: float, colors: tuple[str, ...]) -> None:
    def top(at: float) -> float:
        return (
            max(0.0, foot - 40 * (wide / max(1.0, 2.2 * abs(at - x) - wide * 0.8)) ** 2)
            if abs(at - x) > wide / 2
            else 0
        )

    canvas.fill(x - wide, x + wide, top, lambda _: foot, *colors)


def _branch(canvas: Canvas, spot: tuple[float, float], reach: float, thick: float, colors: tuple[str, ...]) -> None:
    x, y = spot

    def line(at: float) -> float:
        return y - abs(at - x) * 0.45

    left, right = sorted((x, x + reach))
    canvas.fill(left, right, line, lambda at: line(at) + max(1, thick * (1 - abs(at - x) / abs(reach))), *colors)


def draw_shafts(canvas: Canvas, seed: int, color: str) -> None:
    """Draw slanting shafts of light; `color` is nearly transparent."""
    by = Random(seed)
    for _ in range(7):
        x, wide = by.uniform(0, canvas.width), by.uniform(30, 110)
        for shift in range(0, 640, 4):
            canvas.rect(x - shift * 0.55, shift, wide, 4, color)

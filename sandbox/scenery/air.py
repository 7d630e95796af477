"""Clouds, stars and birds."""

import math
from random import Random

from sandbox.scenery.canvas import Canvas, Height


def draw_clouds(canvas: Canvas, seed: int, color: str, low: float = 240) -> None:
    """Draw flat clouds: heaps of ovals cut off below."""
    by = Random(seed)
    for _ in range(max(2, canvas.width // 330)):
        x, y, size = by.uniform(0, canvas.width), by.uniform(60, low), by.uniform(0.5, 1.3)
        heaps = [(x + by.uniform(-90, 90) * size, by.uniform(14, 44) * size) for _ in range(9)]
        heaps += [(x + side * 110 * size, 9 * size) for side in (-1, 1)]
        _cloud(canvas, heaps, (x - 170 * size, x + 170 * size), y, color)


def _cloud(
    canvas: Canvas, heaps: list[tuple[float, float]], span: tuple[float, float], foot: float, color: str
) -> None:
    canvas.fill(*span, _heaped(heaps, foot), lambda _: foot, color)


def _heaped(heaps: list[tuple[float, float]], foot: float) -> Height:
    def top(at: float) -> float:
        return foot - max(math.sqrt(max(0.0, high**2 - ((at - x) / 1.7) ** 2)) for x, high in heaps)

    return top


def draw_stars(canvas: Canvas, seed: int, low: float = 420) -> None:
    by = Random(seed)
    for _ in range(canvas.width // 6):
        size = by.choice((1, 1, 1.5, 2))
        canvas.rect(
            by.uniform(0, canvas.width), low * by.random() ** 1.3, size, size, f"#ffffff{by.randrange(70, 255):02x}"
        )


def draw_birds(canvas: Canvas, color: str, seed: int = 5) -> None:
    """Draw a flight of birds, far off."""
    by = Random(seed)
    for _ in range(9):
        x, y, wing = by.uniform(20, canvas.width - 40), by.uniform(10, canvas.height - 14), by.uniform(7, 14)
        arc = _wings(x, y, wing)
        _stroke(canvas, (x - wing, x + wing), arc, 2, color)


def _wings(x: float, y: float, wing: float) -> Height:
    return lambda at: y - wing * 0.45 * math.sin(math.pi * min(1, abs(at - x) / wing) * 0.8)


def _stroke(canvas: Canvas, span: tuple[float, float], line: Height, thick: float, color: str) -> None:
    canvas.fill(*span, line, lambda at: line(at) + thick, color)

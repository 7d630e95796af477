"""Water, waves and a boat."""

from random import Random

from sandbox.scenery.canvas import Canvas
from sandbox.scenery.land import ridge


def draw_water(canvas: Canvas, level: float, glitter_x: float, *colors: str, glint: str = "#fff2cc") -> None:
    """Draw a sea to the picture's foot, with glints that gather below the light at `glitter_x`."""
    canvas.ground(lambda _: level, *colors)
    by = Random(3)
    for _ in range(520):
        deep = by.random() ** 1.4
        y = level + 4 + deep * (canvas.height - level)
        x = glitter_x + by.gauss(0, 50 + 260 * deep)
        canvas.rect(x, y, by.uniform(6, 16 + 50 * deep), 1 + 2 * deep, glint + f"{by.randrange(60, 190):02x}")


def draw_swell(canvas: Canvas, level: float, high: float, seed: int, *colors: str) -> None:
    """Draw one near wave with a light crest."""
    crest = ridge(level, high, seed, 2.2)
    canvas.ground(crest, *colors)
    canvas.fill(0, canvas.width, crest, lambda x: crest(x) + 2.5, "#ffffff50")


def draw_boat(canvas: Canvas, hull: str, sails: tuple[str, str]) -> None:
    """Draw a sailing boat that fills the canvas."""
    wide, high = canvas.width, canvas.height
    deck, mast = high * 0.82, wide * 0.52
    canvas.rect(mast - 1.5, high * 0.02, 3, high * 0.8, "#4a3426")
    canvas.fill(mast + 5, wide * 0.9, lambda x: high * 0.06 + (x - mast) * 2.3, lambda _: deck - 12, sails[0])
    canvas.fill(wide * 0.16, mast - 5, lambda x: high * 0.14 + (mast - x) * 2.1, lambda _: deck - 12, sails[1])
    canvas.fill(wide * 0.06, wide * 0.96, lambda _: deck, lambda x: high - 2 - 0.001 * abs(x - wide / 2) ** 2.2, hull)
    canvas.rect(wide * 0.08, deck + 4, wide * 0.85, 3, "#ffffffc0")

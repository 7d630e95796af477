"""The scenes by name: a sky, and layers from the farthest to the nearest, each with the way it moves."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from sandbox.scenery import air, bakery, land, sea, studio, town
from sandbox.scenery.canvas import Canvas
from sandbox.scenery.sky import Sky

WIDTH, HEIGHT = 1280, 720
#: No scene goes on for longer: the layers are just wide enough to pass by for this time.
LONGEST_S = 10

Paint = Callable[[Canvas], None]


class Layer(NamedTuple):
    """A picture, and where its left upper corner is, in pixels, by the scene's time `t` in seconds."""

    paint: Paint
    width: int = WIDTH
    height: int = HEIGHT
    x: str = "0"
    y: str = "0"
    #: whether it is there only while the voice speaks
    speaks: bool = False


class Scene(NamedTuple):
    """What stands before a sky, the farthest first."""

    sky: Sky
    things: tuple[Layer, ...]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The sun or moon where it is seen, then the things."""
        return (_disc(self.sky), *self.things) if self.sky.disc else self.things


def _disc(sky: Sky) -> Layer:
    size = round(sky.disc * WIDTH)
    corner = round(sky.glow_at[0] * WIDTH) - size - 1, round(sky.glow_at[1] * HEIGHT) - size - 1
    side = 2 * size + 2
    return Layer(
        lambda on: on.oval(size + 1, size + 1, size, size, sky.glow), side, side, f"{corner[0]}", f"{corner[1]}"
    )


def _passing(paint: Paint, speed: int, *, bob: int = 0) -> Layer:
    """Make a layer that passes by at a speed in pixels per second, and may rise and fall like a wave."""
    return Layer(paint, WIDTH + LONGEST_S * speed, x=f"-{speed}*t", y=f"{bob}*sin(1.4*t+{speed})")


def _hills(far: str, near: tuple[str, str, str, str]) -> tuple[Layer, ...]:
    a, b, c, d = near
    return (
        _passing(partial(air.draw_clouds, seed=2, color="#ffffff48"), 8),
        _passing(lambda on: land.draw_hills(on, 420, 70, 3, far, a), 12),
        _passing(lambda on: land.draw_hills(on, 500, 60, 8, a, b), 25),
        _passing(lambda on: land.draw_pines(on, 590, 90, 5, b, c), 50),
        _passing(lambda on: land.draw_pines(on, 720, 210, 9, c, d), 100),
    )


def _sea(water: tuple[str, ...], swell: tuple[str, str], coast: str, light_x: int) -> tuple[Layer, ...]:
    boat = partial(sea.draw_boat, hull="#7a2f2a", sails=("#fdf4e3", "#f3dfc0"))
    return (
        _passing(partial(air.draw_clouds, seed=6, color="#ffffff55", low=200), 6),
        _passing(lambda on: land.draw_hills(on, 408, 40, 12, coast), 6),
        Layer(lambda on: sea.draw_water(on, 420, light_x, *water), x="0", y="0"),
        Layer(boat, 190, 230, x="260+34*t", y="272+5*sin(1.3*t)"),
        Layer(partial(air.draw_birds, color="#40404a"), 420, 150, x="820-22*t", y="110+8*sin(t)"),
        _passing(lambda on: sea.draw_swell(on, 600, 14, 4, *swell), 60, bob=7),
        _passing(lambda on: sea.draw_swell(on, 668, 20, 7, *swell), 110, bob=10),
    )


def _studio(coat: tuple[str, str], skin: str, hair: str, *, x: int) -> tuple[Layer, ...]:
    sway_x, sway_y = "5*sin(0.9*t)", "3*sin(1.7*t)"
    return (
        Layer(studio.draw_room, x="-6+4*sin(0.4*t)", width=WIDTH + 20),
        Layer(lambda on: studio.draw_speaker(on, skin, hair, coat), 560, 620, x=f"{x}+{sway_x}", y=f"104+{sway_y}"),
        Layer(studio.draw_mouth, 56, 34, x=f"{x + 252}+{sway_x}", y=f"{104 + 321}+{sway_y}", speaks=True),
    )


SCENES = {
    "wood": Scene(
        Sky(("#f7f0c8", "#dfe6b0", "#a9c98f"), glow="#fffbe0", glow_at=(0.62, 0.3), reach=0.5, disc=0),
        (
            _passing(lambda on: land.draw_trunks(on, 14, 60, 2, "#a5c08c", "#93b183"), 20),
            _passing(lambda on: land.draw_trunks(on, 24, 120, 3, "#6f966c", "#628a63"), 40),
            Layer(partial(land.draw_shafts, seed=4, color="#fffbd01c"), WIDTH + 200, x="-80+6*t"),
            _passing(lambda on: land.draw_trunks(on, 40, 300, 5, "#3f6149", "#2f4c3a"), 90),
            _passing(lambda on: land.draw_trunks(on, 84, 1000, 7, "#1d3328", "#14241d"), 160),
        ),
    ),
    "morning": Scene(
        Sky(("#6fa8d6", "#bcd9ea", "#fde8c4", "#fbc99a"), glow="#fff3d0", glow_at=(0.68, 0.5)),
        _hills("#c9c3cf", ("#9fb4c0", "#6f9a96", "#3f6f63", "#1f4038")),
    ),
    "evening": Scene(
        Sky(("#2c2a5a", "#7a3f78", "#e2705f", "#ffc27a"), glow="#ffe2a8", glow_at=(0.35, 0.55), disc=0.045),
        _hills("#c06a7a", ("#8f4a72", "#5f3565", "#35244f", "#180f2c")),
    ),
    "peaks": Scene(
        Sky(("#3f7fc0", "#86b8e0", "#dcebf2"), glow_at=(0.2, 0.18), reach=0.3, disc=0.025),
        (
            _passing(partial(air.draw_clouds, seed=9, color="#ffffff80", low=180), 10),
            _passing(lambda on: land.draw_mountains(on, 520, 3, ("#8aa3bb", "#6d88a3"), ("#ffffff", "#dfeaf4")), 16),
            _passing(lambda on: land.draw_hills(on, 520, 40, 6, "#5f8a72", "#4a7560"), 35),
            _passing(lambda on: land.draw_pines(on, 640, 150, 4, "#2f5a48", "#1b382d"), 85),
        ),
    ),
    "harbour": Scene(
        Sky(("#4f9ad0", "#a5d2ea", "#f3ead2"), glow_at=(0.66, 0.3)),
        _sea(("#8ec5d6", "#3f86a8", "#1f5576"), ("#2f7396", "#174a68"), "#7f9fae", 845),
    ),
    "sunset": Scene(
        Sky(("#33305f", "#8f4a7d", "#f08a63", "#ffd08a"), glow="#ffefc0", glow_at=(0.6, 0.53), disc=0.05),
        _sea(("#f0a070", "#8f4f74", "#3a2c58"), ("#5a3a66", "#2a2048"), "#6f4468", 770),
    ),
    "town": Scene(
        Sky(("#0b1030", "#1c2a5c", "#46427e"), glow="#f4f0ff", glow_at=(0.78, 0.2), reach=0.22, disc=0.032),
        (
            Layer(partial(air.draw_stars, seed=3)),
            _passing(
                lambda on: town.draw_town(on, 640, 300, 5, "#2c3468", "#39407a", panes=town.NIGHT._replace(lit=0.2)), 15
            ),
            _passing(lambda on: town.draw_town(on, 680, 380, 9, "#1a2148", "#232a57"), 40),
            _passing(lambda on: town.draw_town(on, 720, 260, 4, "#0c1028", "#0a0d20"), 90),
        ),
    ),
    "market": Scene(
        Sky(("#8cc4de", "#d5e9e4", "#f8ecd0"), glow_at=(0.2, 0.2), reach=0.4, disc=0),
        (
            _passing(lambda on: town.draw_town(on, 600, 420, 12, "#d9b99a", "#c9a184", panes=town.DAY), 20),
            _passing(lambda on: town.draw_bunting(on, 90, ("#d8473d", "#f2c14e", "#2f7f86", "#f7f2e6")), 45),
            _passing(lambda on: on.ground(lambda _: 590, "#c9b8a0", "#a8937c"), 20),
            _passing(lambda on: town.draw_stalls(on, 600, 3), 70),
        ),
    ),
    "studio": Scene(
        Sky(("#d6c3a8", "#a98d72"), glow="#ffe9bd", glow_at=(0.805, 0.28), reach=0.42, disc=0),
        _studio(("#2f5f7a", "#1f4258"), "#f0c29c", "#4a2c20", x=400),
    ),
    "guest": Scene(
        Sky(("#86a9a8", "#4f7674"), glow="#ffe9bd", glow_at=(0.805, 0.28), reach=0.4, disc=0),
        _studio(("#a8503c", "#7a3529"), "#a86f4a", "#1d1512", x=300),
    ),
}

#: Scenes that do not move.
STILLS = {
    "loaf": Scene(
        Sky(("#f3cf98", "#dd9a5c", "#b9692f"), glow="#fff3d0", glow_at=(0.72, 0.2), reach=0.5, disc=0),
        (Layer(bakery.draw_loaf),),
    ),
    "oven": Scene(Sky(("#000000", "#000000"), reach=0, disc=0), (Layer(bakery.draw_oven),)),
    "shop": Scene(
        Sky(("#8fc7dc", "#d9ecdf", "#f6ead0"), glow_at=(0.2, 0.2), reach=0.4, disc=0), (Layer(town.draw_shop),)
    ),
}

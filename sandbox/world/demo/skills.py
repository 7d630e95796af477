"""The five skills, each with its typical ask, the material for it, and what must be true of the film that comes back.

The clips are made here and now: moving scenes that differ, and a voice with silent stretches of known place and length.
"""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import NamedTuple

from sandbox.clips import make_image, make_talk_clip


class Clip(NamedTuple):
    """A clip to be made. `silences` are (from, to) in seconds."""

    name: str
    scenes: int
    duration_s: float
    silences: tuple[tuple[float, float], ...]


class Image(NamedTuple):
    name: str
    label: str
    color: str


class Ask(NamedTuple):
    """One job, and the bounds of its film's length. Every film is 1080p, asked for or by default."""

    skill: str
    prompt: str
    material: tuple[Clip | Image, ...]
    shortest_s: float
    longest_s: float


TEXT = "Harbour Bakery. Fresh bread, every morning. Open from six o'clock."

ASKS = (
    Ask(
        "free-video-fast",
        "trim, add transitions, and export a clean video for free",
        (Clip("walk.mp4", 3, 30.0, ((6.0, 8.0), (18.0, 20.0))),),
        5.0,
        30.5,
    ),
    Ask(
        "ai-video-pro-online",
        "cut the pauses, add background music, and export in 1080p",
        (Clip("interview.mp4", 3, 32.0, ((5.0, 7.5), (14.0, 16.0), (24.0, 26.5))),),
        20.0,
        28.0,
    ),
    Ask(
        "trimmer-exe",
        "trim the silent pauses and cut the intro down to 30 seconds",
        (Clip("intro.mp4", 4, 40.0, ((8.0, 10.0), (21.0, 23.5))),),
        20.0,
        30.5,
    ),
    Ask(
        "maker-free",
        "turn my clips into a finished video with music and transitions",
        (Clip("harbour.mp4", 2, 18.0, ((4.0, 5.5),)), Clip("market.mp4", 2, 16.0, ((9.0, 10.5),))),
        20.0,
        34.5,
    ),
    Ask(
        "free-video-generation-automatic",
        f"generate a 30-second promotional video from my text and images automatically. Text: {TEXT}",
        (
            Image("loaf.png", "Loaf", "0xb5541c"),
            Image("oven.png", "Oven", "0x7a3f8f"),
            Image("shop.png", "Shop", "0x2f7d4f"),
        ),
        29.5,
        30.5,
    ),
)


async def make_material(folder: Path) -> None:
    """Make every file that the asks name, as many at once as there are cores for."""
    turns = asyncio.Semaphore(2)

    async def in_turn(making: Coroutine[None, None, None]) -> None:
        async with turns:
            await making

    async with asyncio.TaskGroup() as group:
        for ask in ASKS:
            for thing in ask.material:
                group.create_task(in_turn(_make(thing, folder)))


async def _make(thing: Clip | Image, folder: Path) -> None:
    if isinstance(thing, Image):
        await make_image(folder / thing.name, label=thing.label, color=thing.color)
    else:
        await make_talk_clip(
            folder / thing.name, scenes=thing.scenes, duration_s=thing.duration_s, silences=thing.silences
        )

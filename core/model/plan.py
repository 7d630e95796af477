"""The plan of a job: what its prompt is read into, and the values that an output can have."""

from typing import Literal

import msgspec

from core.redacted_repr import redacted_repr

Action = Literal["export", "none", "credits", "state", "upload"]

#: Containers that a render can come in; the other formats are for media that go in.
OUTPUT_FORMATS: tuple[str, ...] = ("mp4", "mov", "webm")
#: From the smallest to the largest that the backend renders (the shorter side of the picture).
RESOLUTIONS: tuple[str, ...] = ("360p", "480p", "540p", "720p", "1080p")
_DEFAULT_RESOLUTION = "1080p"
QUALITIES: tuple[str, ...] = ("low", "medium", "high")
ASPECT_RATIOS: tuple[str, ...] = ("16:9", "9:16", "1:1", "4:3", "3:4", "4:5", "21:9")


class Output(msgspec.Struct, frozen=True, omit_defaults=False):
    """What the job shall deliver, all fields settled. `aspect_ratio` None: as the media have it."""

    export: bool = True
    format: str = "mp4"
    quality: str = "high"
    resolution: str = _DEFAULT_RESOLUTION
    aspect_ratio: str | None = None
    #: the caller or the prompt named a resolution
    resolution_asked: bool = False

    @property
    def wanted_resolution(self) -> str | None:
        """The resolution to ask the backend for; None leaves it to its own default, which is ours.

        Records of older versions do not say whether one was asked for; one that is not the default was.
        """
        return self.resolution if self.resolution_asked or self.resolution != _DEFAULT_RESOLUTION else None


class RequestedOutput(msgspec.Struct, frozen=True):
    """What the caller set in the job's `output`; None where the prompt may decide."""

    export: bool | None = None
    format: str | None = None
    quality: str | None = None
    resolution: str | None = None
    aspect_ratio: str | None = None


@redacted_repr("action")
class Plan(msgspec.Struct, frozen=True):
    """`message`: the text that goes to the backend, None if nothing does. `action`: what follows it."""

    message: str | None
    action: Action


@redacted_repr("plan", "output")
class Reading(msgspec.Struct, frozen=True):
    """How a prompt was read. `hints`: sentences for the caller on what would do better; never an error."""

    plan: Plan
    output: Output
    hints: tuple[str, ...]

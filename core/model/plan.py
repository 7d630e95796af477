"""The plan of a job: what its prompt is read into, and the values that an output can have."""

from typing import Literal

import msgspec

from core.security.redacted_repr import redacted_repr

Action = Literal["export", "none", "credits", "state", "upload"]

#: Containers that a render can come in; the other formats are for media that go in.
OUTPUT_FORMATS: tuple[str, ...] = ("mp4", "mov", "webm")
#: From the smallest to the largest that the backend renders (the shorter side of the picture).
RESOLUTIONS: tuple[str, ...] = ("360p", "480p", "540p", "720p", "1080p")
_DEFAULT_RESOLUTION = "1080p"
QUALITIES: tuple[str, ...] = ("low", "medium", "high")
ASPECT_RATIOS: tuple[str, ...] = ("16:9", "9:16", "1:1", "4:3", "3:4", "4:5", "21:9")


class Output(msgspec.Struct, frozen=True, omit_defaults=False):
    """What the job shall deliver, all fields settled: from the request, else from the prompt, else by default."""

    #: Whether a film is rendered. Without one only the session's timeline changes.
    export: bool = True
    #: The film's container: `mp4`, `mov` or `webm`.
    format: str = "mp4"
    #: `low`, `medium` or `high`: larger files look better.
    quality: str = "high"
    #: The shorter side of the picture, from `360p` to `1080p`.
    resolution: str = _DEFAULT_RESOLUTION
    #: The picture's shape, e.g. `9:16`; null: as the media have it.
    aspect_ratio: str | None = None
    #: Whether the request or the prompt named a resolution; else the backend's own default is taken.
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
    """How the prompt was read. Look at it with `POST /v1/jobs:validate` before you pay for it."""

    #: The text that goes to the backend, which is what costs credits; null: nothing does, and nothing is charged.
    message: str | None
    #: What follows it: `export` renders a film, `none` leaves the edit in the session, `credits` and `state` answer a
    #: question in `result`, `upload` only brings the media into the session.
    action: Action


@redacted_repr("plan", "output")
class Reading(msgspec.Struct, frozen=True):
    """How a prompt was read. `hints`: sentences for the caller on what would do better; never an error."""

    plan: Plan
    output: Output
    hints: tuple[str, ...]

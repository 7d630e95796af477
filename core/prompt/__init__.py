"""How a prompt is read: pure rules, called at submit and at `:validate`. They know no Redis, no HTTP and no clock."""

from core.prompt.reading import UNCHANGED_MEDIA, needs_media, read_prompt
from core.prompt.shapes import (
    ASPECT_RATIOS,
    OUTPUT_FORMATS,
    QUALITIES,
    RESOLUTIONS,
    Action,
    Output,
    OutputAsk,
    Plan,
    Reading,
)

__all__ = [
    "ASPECT_RATIOS",
    "OUTPUT_FORMATS",
    "QUALITIES",
    "RESOLUTIONS",
    "UNCHANGED_MEDIA",
    "Action",
    "Output",
    "OutputAsk",
    "Plan",
    "Reading",
    "needs_media",
    "read_prompt",
]

"""Merges the output settings: what the caller set, else what the prompt names, else the defaults; and the hints it earns."""

from bisect import bisect_right
from collections.abc import Iterator

from core.model.plan import OUTPUT_FORMATS, RESOLUTIONS, Output, RequestedOutput
from service.prompt.specs import Specs

_MOST_LINES = 1080
_LINES = [int(name.removesuffix("p")) for name in RESOLUTIONS]


def merge_output(asked: RequestedOutput, named: Specs, *, export: bool) -> Output:
    """Merge field by field; a resolution or format that is not rendered becomes the nearest that is."""
    lines = _lines(asked.resolution) or named.resolution
    return Output(
        export=export,
        format=_format(asked.format or named.format),
        quality=asked.quality or named.quality or Output().quality,
        resolution=_resolution(lines),
        resolution_asked=lines is not None,
        aspect_ratio=asked.aspect_ratio or named.aspect_ratio,
    )


def output_hints(asked: RequestedOutput, named: Specs) -> Iterator[str]:
    """Say what was asked for and can't be had, and where the caller's fields overrule the prompt."""
    lines = _lines(asked.resolution) or named.resolution
    if lines and lines > _MOST_LINES:
        yield f"{lines}p is not rendered; the largest is 1080p, which is used."
    ending = asked.format or named.format
    if ending and _format(ending) != ending:
        yield f"Videos come out as {', '.join(OUTPUT_FORMATS)}, not as {ending}; mp4 is used."
    if asked.aspect_ratio and named.aspect_in_edit and asked.aspect_ratio != named.aspect_in_edit:
        yield f"The prompt says {named.aspect_in_edit}; output.aspect_ratio says {asked.aspect_ratio}, and wins."


def _format(name: str | None) -> str:
    return name if name in OUTPUT_FORMATS else Output().format


def _lines(resolution: str | None) -> int | None:
    digits = (resolution or "").lower().removesuffix("p")
    return int(digits) if digits.isdecimal() else {"2k": 1440, "4k": 2160, "8k": 4320}.get(digits)


def _resolution(lines: int | None) -> str:
    """Take the largest rendered resolution that is no larger than asked, e.g. ``540p`` for 600 lines."""
    if lines is None:
        return Output().resolution
    fitting = bisect_right(_LINES, lines)
    return RESOLUTIONS[max(fitting - 1, 0)]

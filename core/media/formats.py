"""Which media formats the backend takes, told by a file's first bytes; its name is a hint, and what the backend goes by.

`service/` calls this at upload and submit, `worker/` when it sends a file. It knows no sizes (those are a profile's)
and reads no files: whoever has the bytes hands over the first `HEAD_BYTES`.
"""

import posixpath
import re
from collections.abc import Collection
from typing import Literal

from core.media.file_names import UNNAMED, plain_name
from core.media.sniff import HEAD_BYTES, format_of_content

__all__ = ["FORMATS", "HEAD_BYTES", "MEDIUM_OF", "Medium", "foreign_suffix", "format_of_content"]
__all__ += ["format_of_name", "is_named", "may_be_same_file", "name_as", "same_family"]

Medium = Literal["video", "audio", "image"]

MEDIUM_OF: dict[str, Medium] = {
    "mp4": "video",
    "mov": "video",
    "avi": "video",
    "webm": "video",
    "mkv": "video",
    "jpg": "image",
    "png": "image",
    "gif": "image",
    "webp": "image",
    "mp3": "audio",
    "wav": "audio",
    "m4a": "audio",
    "aac": "audio",
}

#: The 13 formats, in the order in which the backend lists them.
FORMATS: tuple[str, ...] = tuple(MEDIUM_OF)

_OTHER_NAMES = {"jpeg": "jpg"}
#: Formats that share a container, so a file of one under the other's name plays all the same.
_FAMILIES: tuple[frozenset[str], ...] = (frozenset({"mp4", "mov", "m4a"}), frozenset({"mkv", "webm"}))
#: Endings of files that are surely none of the formats. Every other one (``.php``, ``.2024``, ``.download``) says nothing.
_FOREIGN_SUFFIXES = """
    pdf doc docx odt rtf xls xlsx ods csv ppt pptx odp txt epub eml ics srt vtt zip rar 7z tar gz tgz bz2 xz zst iso dmg
    exe msi dll apk deb rpm jar bat cmd ps1 ttf otf woff woff2 psd eps svg ico bmp tif tiff heic heif avif jxl jp2 cr2 cr3
    nef arw dng flac ogg oga opus wma aif aiff amr ac3 mid midi ogv mpg mpeg mts m2ts vob wmv asf flv swf rmvb
"""
_FOREIGN = frozenset(_FOREIGN_SUFFIXES.split())
_SUFFIX_INSIDE = re.compile(r"(?<=[^.])\.([A-Za-z0-9]{3,4})(?![A-Za-z0-9])")


def format_of_name(name: str) -> str | None:
    """Read ``Clip.MP4``, or the path of ``https://…/a/clip.mp4?sig=1``, as ``mp4``; None where it is none of the 13."""
    path = name.split("?", 1)[0].split("#", 1)[0] if "://" in name else name
    suffix = posixpath.splitext(path.rstrip())[1].removeprefix(".").lower()
    suffix = _OTHER_NAMES.get(suffix, suffix)
    return suffix if suffix in MEDIUM_OF else None


def same_family(named: str, found: str) -> bool:
    """Tell whether a file named as one format may hold the other: the same, or another of the same container."""
    return named == found or any(named in family and found in family for family in _FAMILIES)


def foreign_suffix(name: str) -> str | None:
    """Give the ending, e.g. ``pdf``, by which a name alone shows that its file is none of the formats."""
    suffix = posixpath.splitext(name.rstrip())[1].removeprefix(".").lower()
    return suffix if suffix in _FOREIGN else None


def name_as(name: str, found: str) -> str:
    """Name a file so that its ending says what it is; a name that does so stays.

    ``blob`` that is an mp4 becomes ``blob.mp4``, ``clip.mp4.download`` and ``clip.mp4;v=2`` become ``clip.mp4``.
    """
    for match in reversed(list(_SUFFIX_INSIDE.finditer(name))):
        named = format_of_name(name[: match.end()])
        if named and same_family(named, found):
            return name[: match.end()]
    return f"{plain_name(name).rstrip(' .') or UNNAMED}.{found}"


def may_be_same_file(one: str, other: str) -> bool:
    """Tell whether two names may stand for one file: as somebody called it, and as `name_as` did when its bytes were known."""
    return not _names_as_any(one).isdisjoint(_names_as_any(other))


def is_named(name: str, names: Collection[str]) -> bool:
    """Tell whether a name may stand for one of these files."""
    return any(may_be_same_file(name, one) for one in names)


def _names_as_any(name: str) -> set[str]:
    return {name, *(name_as(name, found) for found in FORMATS)}

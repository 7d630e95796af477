"""Media formats: which ones the backend takes, told by a file's name and by its first bytes.

`service/` calls this at upload and submit, `worker/` before it fetches a file. It knows no sizes (those are
a profile's) and reads no files: whoever has the bytes hands over the first few kilobytes.
"""

import posixpath
from typing import Literal

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
_RIFF = {b"AVI ": "avi", b"WAVE": "wav", b"WEBP": "webp"}
_STILL_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1", b"hevc", b"crx ")
#: QuickTime files older than the brand atom begin with one of these.
_OLD_QUICKTIME = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_MPEG_LAYER_3 = 0b01


def format_of_name(name: str) -> str | None:
    """Read ``Clip.MP4``, or the path of ``https://…/a/clip.mp4?sig=1``, as ``mp4``; None where it is none of the 13."""
    path = name.split("?", 1)[0].split("#", 1)[0] if "://" in name else name
    suffix = posixpath.splitext(path.rstrip())[1].removeprefix(".").lower()
    suffix = _OTHER_NAMES.get(suffix, suffix)
    return suffix if suffix in MEDIUM_OF else None


def format_of_content(head: bytes) -> str | None:
    """Tell a file's format from its first bytes (4 kB do; an MP3 with a picture in its tag shows by the tag alone)."""
    return _picture(head) or _riff(head) or _iso_media(head) or _matroska(head) or _sound(head)


def same_family(named: str, found: str) -> bool:
    """Tell whether a file named as one format may hold the other: the same, or another of the same container."""
    return named == found or any(named in family and found in family for family in _FAMILIES)


def _picture(head: bytes) -> str | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpg"
    return "gif" if head.startswith((b"GIF87a", b"GIF89a")) else None


def _riff(head: bytes) -> str | None:
    return _RIFF.get(head[8:12]) if head.startswith((b"RIFF", b"RF64")) else None


def _iso_media(head: bytes) -> str | None:
    if head[4:8] != b"ftyp":
        return "mov" if head[4:8] in _OLD_QUICKTIME and len(head) > 8 else None  # noqa: PLR2004 - length and name of an atom
    brand = head[8:12]
    if brand == b"qt  ":
        return "mov"
    if brand in (b"M4A ", b"M4B ", b"M4P "):
        return "m4a"
    return "mp4" if len(brand) == len(b"mp42") and brand not in _STILL_BRANDS else None


def _matroska(head: bytes) -> str | None:
    """Read the DocType element (id 42 82, one byte of length) of the EBML header."""
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    at = head.find(b"\x42\x82", 4, 256)
    kind = head[at + 3 : at + 3 + (head[at + 2] & 0x7F)] if 0 <= at < len(head) - 2 else b""
    return {b"webm": "webm", b"matroska": "mkv"}.get(kind.rstrip(b"\0"))


def _sound(head: bytes) -> str | None:
    if not head.startswith(b"ID3"):
        return _sound_frame(head)
    return _sound_frame(head[_id3_bytes(head) :]) or "mp3"


def _id3_bytes(head: bytes) -> int:
    """Length of an ID3v2 tag: ten bytes and four times seven bits of size."""
    size = 0
    for byte in head[6:10]:
        size = size << 7 | (byte & 0x7F)
    return 10 + size


def _sound_frame(head: bytes) -> str | None:
    """Read a frame's first bytes: eleven bits of sync, then the layer, which is 00 in AAC's ADTS only."""
    if head.startswith(b"ADIF"):
        return "aac"
    if len(head) < 4 or head[0] != 0xFF:  # noqa: PLR2004 - a frame's header
        return None
    if head[1] & 0xF6 == 0xF0:  # noqa: PLR2004 - twelve bits of sync, layer 00
        return "aac"
    layer = head[1] >> 1 & 0b11
    is_frame = head[1] & 0xE0 == 0xE0 and layer == _MPEG_LAYER_3  # noqa: PLR2004 - eleven bits of sync
    return "mp3" if is_frame and head[2] >> 4 != 0xF and head[2] & 0x0C != 0x0C else None  # noqa: PLR2004 - reserved values

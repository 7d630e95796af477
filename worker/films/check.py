"""Judges whether a rendered file is the film that was asked for: its container, a picture, its length and its size.

Generous where the backend's own words may be wrong, or may not mean what they seem to: whoever refuses a good film has
paid for an edit and shows nothing. A length is wrong only where nothing that was told agrees with it.

Pure but for the `read` that it is handed.
"""

import msgspec

from core.media.film_header.facts import FilmFacts, NotAFilm, Read
from core.media.film_header.iso_media import read_iso_media
from core.media.film_header.matroska import read_matroska
from core.media.formats import format_of_content, same_family

#: by so many bytes it shows of what kind a file is
TELLING_BYTES = 4096
#: a file may be so much smaller than the backend said; or by less than a unit, where that may have rounded it up
_SIZE_SHORTFALL = 0.02
_SIZE_UNITS = (1 << 20, 1_000_000, 1 << 10, 1000)
#: a film may be so much longer or shorter than the backend said
_LENGTH_SHARE, _LENGTH_S = 0.2, 2.0
#: a film that is shorter than this share of its timeline, and a second, is not the timeline's
_TIMELINE_SHARE, _TIMELINE_S = 0.5, 1.0
_ISO_MEDIA = ("mp4", "mov", "m4a")
#: a length of so much may be in milliseconds: the documents show ``30.5``, and do not say what that is
_MILLISECONDS_FROM = 1000


class Expected(msgspec.Struct, frozen=True):
    """What is known of a film before it comes; None where it is not known."""

    format: str
    size_bytes: int | None = None
    #: as the render's status has it
    duration_s: float | None = None
    timeline_s: float | None = None
    #: its timeline holds sounds alone, so there may be nothing to see
    sound_only: bool = False


async def check_film(read: Read, size_bytes: int, expected: Expected) -> FilmFacts:
    """Read a file's header. Raises NotAFilm."""
    facts = await _facts(read, size_bytes, expected.format)
    if not facts.has_picture and not expected.sound_only:
        raise NotAFilm("has no picture in it")
    if facts.duration_s is not None:
        _check_length(facts.duration_s, expected)
    if expected.size_bytes and size_bytes < expected.size_bytes - _may_lack_bytes(expected.size_bytes):
        raise NotAFilm(f"has {size_bytes:,} of {expected.size_bytes:,} bytes")
    return facts


async def _facts(read: Read, size_bytes: int, asked_format: str) -> FilmFacts:
    found = check_head(await read(0, min(TELLING_BYTES, size_bytes)), asked_format)
    return await (read_iso_media if found in _ISO_MEDIA else read_matroska)(read, size_bytes)


def check_head(head: bytes, asked_format: str) -> str:
    """Tell by a file's first bytes in which format it is. Raises NotAFilm where that is not the one that was asked for."""
    if not head:
        raise NotAFilm("is empty")
    found = format_of_content(head)
    if found is None or not same_family(asked_format, found):
        name = _name_of(head, found)
        raise NotAFilm(f"is {name}, not a film in {asked_format}", is_page=name == _PAGE)
    return found


_PAGE = "a web page"


def _name_of(head: bytes, found: str | None) -> str:
    """Say what came instead of a film."""
    if found:
        return f"in {found}"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(b"<"):
        return _PAGE if b"<html" in text or text.startswith(b"<!doctype html") else "an XML document"
    return "a JSON document" if text.startswith((b"{", b"[")) else "of no known kind"


def _check_length(film_s: float, expected: Expected) -> None:
    if film_s <= 0:
        raise NotAFilm("has no length")
    timeline_s = expected.timeline_s
    if expected.duration_s:
        # what the status says is believed to be about something else where the timeline alone agrees with the film
        if not _is_said(film_s, expected.duration_s) and not (timeline_s and _near(film_s, timeline_s)):
            raise NotAFilm(f"is {film_s:.1f} s long, not {expected.duration_s:.1f} s")
    elif timeline_s and film_s < timeline_s * _TIMELINE_SHARE - _TIMELINE_S:
        raise NotAFilm(f"is {film_s:.1f} s long, its timeline {timeline_s:.1f} s")


def _may_lack_bytes(said_bytes: int) -> float:
    rounded_to = next((unit for unit in _SIZE_UNITS if said_bytes % unit == 0), 1)
    return max(said_bytes * _SIZE_SHORTFALL, rounded_to - 1)


def _is_said(film_s: float, said: float) -> bool:
    """Whether a length is the one that was said, in seconds or in milliseconds."""
    return _near(film_s, said) or (said >= _MILLISECONDS_FROM and _near(film_s, said / 1000))


def _near(film_s: float, said_s: float) -> bool:
    return abs(film_s - said_s) <= max(_LENGTH_S, said_s * _LENGTH_SHARE)

"""Reads the boxes of an MP4 or MOV file (ISO/IEC 14496-12): length, size, picture, and whether it is whole."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from core.media.film_header.facts import FilmFacts, NotAFilm, Read

#: a header above this size is not read
_MAX_MOOV_BYTES = 64 << 20
_BOX_HEAD = 16
_UNKNOWN_32, _UNKNOWN_64 = (1 << 32) - 1, (1 << 64) - 1
_SHORTEST_BOX = 8
#: of a header that is only asked for its length so much is read, which stands at its beginning
_LENGTH_WITHIN_BYTES = 64 << 10
#: a film in fragments has a few boxes for each second; so many are looked at
_MOST_BOXES = 2000


class _Boxes(msgspec.Struct):
    """What stands at the top of a file."""

    moov: bytes | None = None
    media_bytes: int = 0
    fragments: int = 0


class _Track(NamedTuple):
    is_picture: bool
    size: tuple[int, int] | None
    #: None: it does not say
    samples: int | None


async def read_iso_media(read: Read, size_bytes: int) -> FilmFacts:
    """Find the ``moov`` box, wherever it is, and read it. Raises NotAFilm, also for a box that goes on past the end."""
    boxes = await _top_boxes(read, size_bytes)
    if boxes.moov is None:
        raise NotAFilm("has no header")
    try:
        facts, samples = _facts(boxes.moov, fragmented=boxes.fragments > 0)
    except (struct.error, IndexError):
        raise NotAFilm("has a damaged header") from None
    if samples and not boxes.media_bytes:
        raise NotAFilm("is cut off")
    return facts


async def read_iso_length_s(read: Read, size_bytes: int) -> float | None:
    """Read how long a film or a sound is; None where it does not say. Raises NotAFilm, and what damaged boxes raise."""
    at = 0
    while at + _SHORTEST_BOX <= size_bytes:
        kind, length, skip = _box(await read(at, min(at + _BOX_HEAD, size_bytes)), size_bytes - at)
        if length < skip:
            raise NotAFilm("has damaged boxes")
        if kind == b"moov":
            moov = await read(at + skip, min(at + length, at + skip + _LENGTH_WITHIN_BYTES, size_bytes))
            mvhd = _find(moov, b"mvhd")
            return (mvhd and _duration_s(mvhd)) or _fragments_s(moov, mvhd)
        at += length
    return None


async def _top_boxes(read: Read, size_bytes: int) -> _Boxes:
    seen, at = _Boxes(), 0
    for _ in range(_MOST_BOXES):
        if at + _SHORTEST_BOX > size_bytes:
            break
        kind, length, skip = _box(await read(at, min(at + _BOX_HEAD, size_bytes)), size_bytes - at)
        if length < skip:
            if seen.moov is None:
                raise NotAFilm("has damaged boxes")
            break  # what follows the film is none of its boxes
        if at + length > size_bytes:
            raise NotAFilm("is cut off")
        await _take(read, seen, kind, at + skip, at + length)
        at += length
    return seen


async def _take(read: Read, seen: _Boxes, kind: bytes, start: int, end: int) -> None:
    match kind:
        case b"moov":
            if end - start > _MAX_MOOV_BYTES:
                raise NotAFilm("has a header too large to read")
            seen.moov = await read(start, end)
        case b"mdat":
            seen.media_bytes += end - start
        case b"moof":
            seen.fragments += 1


def _box(head: bytes, rest: int) -> tuple[bytes, int, int]:
    """Read a box's kind, whole length and the length of its head."""
    length, kind = struct.unpack_from(">I4s", head)
    if length == 1 and len(head) >= _BOX_HEAD:
        return kind, struct.unpack_from(">Q", head, 8)[0], 16
    return kind, rest if length == 0 else length, 8


def _children(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    for _ in range(_MOST_BOXES):
        if at + _SHORTEST_BOX > len(body):
            return
        kind, length, skip = _box(body[at : at + _BOX_HEAD], len(body) - at)
        if length < skip:
            return
        yield kind, body[at + skip : at + length]
        at += length


def _find(body: bytes, *path: bytes) -> bytes | None:
    """Find a box by its place, e.g. ``mdia``, ``hdlr``."""
    for kind, inner in _children(body):
        if kind == path[0]:
            return _find(inner, *path[1:]) if len(path) > 1 else inner
    return None


def _facts(moov: bytes, *, fragmented: bool) -> tuple[FilmFacts, int]:
    """Read the header, and count the samples that it lists."""
    mvhd = _find(moov, b"mvhd")
    tracks = [_track(body) for kind, body in _children(moov) if kind == b"trak"]
    pictures = [track for track in tracks if track.is_picture and (fragmented or track.samples != 0)]
    width, height = next((track.size for track in pictures if track.size), (None, None))
    duration_s = _duration_s(mvhd) if mvhd else None
    if fragmented and not duration_s:
        duration_s = _fragments_s(moov, mvhd)
    return FilmFacts(duration_s, width, height, bool(pictures)), sum(track.samples or 0 for track in tracks)


def _duration_s(mvhd: bytes) -> float | None:
    """Read a film's length; all ones say that whoever wrote it did not know (8.2.2)."""
    scale, length = _scale_and_length(mvhd)
    is_known = length != (_UNKNOWN_64 if mvhd[0] == 1 else _UNKNOWN_32)
    return round(length / scale, 3) if scale and is_known else None


def _scale_and_length(mvhd: bytes) -> tuple[int, int]:
    scale, length = struct.unpack_from(">IQ", mvhd, 20) if mvhd[0] == 1 else struct.unpack_from(">II", mvhd, 12)
    return scale, length


def _fragments_s(moov: bytes, mvhd: bytes | None) -> float | None:
    """Read the length of all fragments together, where the header knows it (``mehd``)."""
    mehd = _find(moov, b"mvex", b"mehd")
    scale = _scale_and_length(mvhd)[0] if mvhd else 0
    if mehd is None or not scale:
        return None
    (length,) = struct.unpack_from(">Q" if mehd[0] == 1 else ">I", mehd, 4)
    return round(length / scale, 3) or None


def _track(trak: bytes) -> _Track:
    """Read what a track is; one that does not say is a picture where it has a size."""
    size = _size(_find(trak, b"tkhd") or b"")
    handler = (_find(trak, b"mdia", b"hdlr") or b"")[8:12]
    return _Track(handler == b"vide" if handler else size is not None, size, _samples(trak))


def _size(tkhd: bytes) -> tuple[int, int] | None:
    """Read a track's size, in 16.16 fixed point at the end of ``tkhd``; sound has none."""
    if len(tkhd) < 8:  # noqa: PLR2004 - the two numbers
        return None
    width, height = struct.unpack_from(">II", tkhd, len(tkhd) - 8)
    return (width >> 16, height >> 16) if width and height else None


def _samples(trak: bytes) -> int | None:
    """Count a track's samples, by ``stsz`` or its compact form."""
    table = (b"mdia", b"minf", b"stbl")
    sizes = _find(trak, *table, b"stsz") or _find(trak, *table, b"stz2")
    return None if sizes is None else int(struct.unpack_from(">I", sizes, 8)[0])

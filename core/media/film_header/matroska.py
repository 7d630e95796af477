"""Reads the elements of a WebM or Matroska file (RFC 8794, RFC 9559): length, size, picture, and whether it is whole."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from core.media.film_header.facts import FilmFacts, NotAFilm, Read

_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067
_INFO, _TIMESTAMP_SCALE, _DURATION = 0x1549A966, 0x2AD7B1, 0x4489
_TRACKS, _TRACK, _TRACK_TYPE, _VIDEO, _WIDTH, _HEIGHT = 0x1654AE6B, 0xAE, 0x83, 0xE0, 0xB0, 0xBA
_CLUSTER, _CLUSTER_TIMESTAMP = 0x1F43B675, 0xE7
_PICTURE = 1
_NANOSECONDS = 1_000_000_000
#: a tick is a millisecond where the file does not say otherwise
_USUAL_SCALE = 1_000_000
#: an element's id and size take so many bytes at most
_HEAD_BYTES = 12
#: a header above this size is not read
_MAX_HEADER_BYTES = 4 << 20
#: a cluster with less in it holds its own time and no block
_EMPTY_CLUSTER_BYTES = 16
_MOST_ELEMENTS = 5000
#: no header holds so many side by side; a million empty ones would keep a process from everything else
_MOST_CHILDREN = 256


class _Element(NamedTuple):
    """`end` None: its size is unknown, as in a file that was written while it was sent."""

    id: int
    start: int
    end: int | None


class _Segment(msgspec.Struct):
    info: bytes = b""
    tracks: bytes = b""
    blocks: bool = False
    #: when the last cluster begins, in ticks
    last_tick: int | None = None


async def read_matroska(read: Read, size_bytes: int) -> FilmFacts:
    """Walk to the first picture, or over all clusters where only they tell the length. Raises NotAFilm."""
    header = await _element(read, 0, size_bytes)
    if header is None or header.id != _EBML or header.end is None:
        raise NotAFilm("has a damaged header")
    segment = await _element(read, header.end, size_bytes)
    if segment is None or segment.id != _SEGMENT:
        raise NotAFilm("has no header")
    try:
        return _facts(await _walk(read, segment, size_bytes))
    except (struct.error, IndexError):
        raise NotAFilm("has a damaged header") from None


async def _walk(read: Read, segment: _Element, size_bytes: int) -> _Segment:
    seen, at = _Segment(), segment.start
    end = size_bytes if segment.end is None else segment.end
    for _ in range(_MOST_ELEMENTS):
        child = await _element(read, at, size_bytes) if at < end else None
        if child is None:
            break
        await _take(read, seen, child, size_bytes)
        if child.end is None or (seen.blocks and _tells_all(seen, segment)):
            break
        at = child.end
    return seen


def _tells_all(seen: _Segment, segment: _Element) -> bool:
    """Whether no more need be read: the segment's own size says that it is whole, and its header how long it is."""
    return segment.end is not None and bool(seen.tracks) and _ticks(seen.info) is not None


async def _take(read: Read, seen: _Segment, child: _Element, size_bytes: int) -> None:
    end = size_bytes if child.end is None else child.end
    if child.id == _INFO:
        seen.info = await _body(read, child.start, end)
    elif child.id == _TRACKS:
        seen.tracks = await _body(read, child.start, end)
    elif child.id == _CLUSTER:
        seen.blocks = seen.blocks or end - child.start > _EMPTY_CLUSTER_BYTES
        seen.last_tick = _cluster_tick(await read(child.start, min(child.start + 2 * _HEAD_BYTES, end)))


async def _body(read: Read, start: int, end: int) -> bytes:
    if end - start > _MAX_HEADER_BYTES:
        raise NotAFilm("has a header too large to read")
    return await read(start, end)


async def _element(read: Read, at: int, size_bytes: int) -> _Element | None:
    """Read an element's head. None: there is none. Raises NotAFilm for one that goes on past the end of the file."""
    head = await read(at, min(at + _HEAD_BYTES, size_bytes))
    found = _head(head)
    if found is None:
        return None
    element_id, length, skip = found
    if length is not None and at + skip + length > size_bytes:
        raise NotAFilm("is cut off")
    return _Element(element_id, at + skip, None if length is None else at + skip + length)


def _head(data: bytes) -> tuple[int, int | None, int] | None:
    """Read an element's id, the length of its body (None: unknown), and the length of its head."""
    id_bytes = _width(data, most=4)
    size_bytes = _width(data[id_bytes:], most=8) if id_bytes else 0
    if not size_bytes or len(data) < id_bytes + size_bytes:
        return None
    written = int.from_bytes(data[id_bytes : id_bytes + size_bytes], "big")
    length = written & ((1 << 7 * size_bytes) - 1)
    unknown = length == (1 << 7 * size_bytes) - 1
    return int.from_bytes(data[:id_bytes], "big"), None if unknown else length, id_bytes + size_bytes


def _width(data: bytes, *, most: int) -> int:
    """Tell how many bytes a number of variable width has by the zeros that it begins with; 0 where it is none."""
    width = 9 - data[0].bit_length() if data and data[0] else 0
    return width if width <= most else 0


def _children(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    for _ in range(_MOST_CHILDREN):
        found = _head(body[at : at + _HEAD_BYTES])
        if found is None:
            return
        element_id, length, skip = found
        end = len(body) if length is None else at + skip + length
        yield element_id, body[at + skip : end]
        at = end


def _find(body: bytes, element_id: int) -> bytes | None:
    return next((inner for found, inner in _children(body) if found == element_id), None)


def _facts(seen: _Segment) -> FilmFacts:
    pictures = [track for found, track in _children(seen.tracks) if found == _TRACK and _is_picture(track)]
    video = next((video for video in (_find(track, _VIDEO) for track in pictures) if video), b"")
    size = _size(video, _WIDTH), _size(video, _HEIGHT)
    return FilmFacts(_duration_s(seen), *size, has_picture=bool(pictures) and seen.blocks)


def _is_picture(track: bytes) -> bool:
    return _number(_find(track, _TRACK_TYPE)) == _PICTURE


def _size(video: bytes, element_id: int) -> int | None:
    return _number(_find(video, element_id)) or None


def _duration_s(seen: _Segment) -> float | None:
    """Read the length from the header; without one the film goes on at least to where its last cluster begins."""
    scale = _number(_find(seen.info, _TIMESTAMP_SCALE)) or _USUAL_SCALE
    ticks = _ticks(seen.info)
    if ticks is None:
        return round(seen.last_tick * scale / _NANOSECONDS, 3) or None if seen.last_tick else None
    return round(ticks * scale / _NANOSECONDS, 3)


def _ticks(info: bytes) -> float | None:
    """Read ``Duration``, a float of four or eight bytes."""
    written = _find(info, _DURATION)
    if written is None or len(written) not in (4, 8):
        return None
    (ticks,) = struct.unpack(">f" if len(written) == 4 else ">d", written)  # noqa: PLR2004 - the shorter one
    return float(ticks) if 0 <= ticks < 1e15 else None  # noqa: PLR2004 - no film is that long


def _cluster_tick(body: bytes) -> int | None:
    return _number(_find(body, _CLUSTER_TIMESTAMP))


def _number(written: bytes | None) -> int | None:
    return int.from_bytes(written, "big") if written is not None and len(written) <= 8 else None  # noqa: PLR2004 - 64 bits

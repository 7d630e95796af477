"""How long a film or a sound is, by its header alone: for estimates, so a file that does not tell it soon has no length."""

import asyncio
import math
import struct

from core.media.film_header.facts import NotAFilm, Read
from core.media.film_header.iso_media import read_iso_length_s
from core.media.film_header.matroska import read_matroska

#: a caller waits for its upload meanwhile: what needs more than this has no length
_WITHIN_S = 5.0
_MOST_READS, _MOST_BYTES = 40, 1 << 20


async def read_length_s(read: Read, size_bytes: int, media_format: str, *, within_s: float = _WITHIN_S) -> float | None:
    """Read a file's length in seconds. None: it has none, does not say, or not within some small reads."""
    few = _few_reads(read)
    try:
        async with asyncio.timeout(within_s):
            length_s = await _length_s(few, size_bytes, media_format)
    except (NotAFilm, TimeoutError, struct.error, IndexError):
        return None
    return length_s if length_s and math.isfinite(length_s) and length_s > 0 else None


async def _length_s(read: Read, size_bytes: int, media_format: str) -> float | None:
    match media_format:
        case "mp4" | "mov" | "m4a":
            return await read_iso_length_s(read, size_bytes)
        case "webm" | "mkv":
            return (await read_matroska(read, size_bytes)).duration_s
    return None


def _few_reads(read: Read) -> Read:
    """Refuse to read on where a file's boxes lead from one to the next for ever."""
    reads = read_bytes = 0

    async def few(start: int, end: int) -> bytes:
        nonlocal reads, read_bytes
        reads, read_bytes = reads + 1, read_bytes + end - start
        if reads > _MOST_READS or read_bytes > _MOST_BYTES:
            raise NotAFilm("has a header too long to read")
        return await read(start, end)

    return few

"""A file on its way into the storage, in parts: what comes in chunks is joined, and handed on to the library one part at a time.

Nothing here holds on to more than it has to: a worker writes a hundred files at once.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Self

#: read and written in pieces of this size
CHUNK_BYTES = 1 << 20
#: S3 takes parts of at least 5 MiB
PART_BYTES = 8 << 20
#: so many parts of one file at most wait for S3, while another one comes: a worker brings a hundred files at once, an API some dozen
PARTS_ON_THE_WAY = 1


def most_held_bytes(size_bytes: int | None) -> int:
    """Say how much of a file may be in memory while it is written; `size_bytes` None: nobody knows how large it is."""
    if size_bytes is None or size_bytes >= PART_BYTES:
        return (PARTS_ON_THE_WAY + 1) * PART_BYTES
    return max(size_bytes, CHUNK_BYTES)


class BrokenOff(Exception):  # noqa: N818 - says what happened
    """No more comes of a file that is being written."""


#: what is written next: pieces of a file, then b"" at its end, or None where it breaks off
HandedOn = asyncio.Queue[bytes | None]


class Taken:
    """Gives the library what is written, and holds none of it: a generator would keep the last piece while it waits."""

    def __init__(self, handed_on: HandedOn) -> None:
        self._handed_on = handed_on

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Raises BrokenOff, after which the library gives up what it has."""
        piece = await self._handed_on.get()
        if piece is None:
            raise BrokenOff
        if not piece:
            raise StopAsyncIteration
        return piece


def hand_on_first(handed_on: HandedOn, head: bytes) -> int:
    """Hand on a file's head, whose size it returns: nobody else may hold on to that while all the rest comes."""
    handed_on.put_nowait(head)
    return len(head)


async def hand_on(handed_on: HandedOn, piece: bytes, writing: asyncio.Task[None]) -> None:
    """Wait until there is room for a piece, or the writing has ended. Raises what that has ended with."""
    giving = asyncio.create_task(handed_on.put(piece))
    try:
        await asyncio.wait({giving, writing}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        giving.cancel()
    if writing.done():
        writing.result()


async def in_pieces(chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """Join chunks: first as many as fill a part, so that a file which is less is known, then as many as are worth a call."""
    held, least_bytes = bytearray(), PART_BYTES
    async for chunk in chunks:
        held += chunk
        if len(held) >= least_bytes:
            yield _taken_out(held)
            least_bytes = CHUNK_BYTES
    if held:
        yield _taken_out(held)


def _taken_out(held: bytearray) -> bytes:
    """Empty what was held, and return it."""
    piece = bytes(held)
    held.clear()
    return piece

"""The mark in Redis that says which record format is written and who may read it, and the processes that move it.

`core.model.formats` says what a format is. A process asks here at its start whether it may serve this Redis, and says
again and again that it lives and what it writes: the mark rises once nobody has lived for a while who could not read
more, and falls at once when somebody comes who cannot.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Literal, NamedTuple

from core.clock import Clock
from core.errors import StartRefused
from core.ids import new_id
from core.logs import get_logger
from core.model.formats import NO_NUMBER, Mark, read_format, refusal
from core.store.redis.client import STORE_DOWN, STORE_ERROR, Store
from core.store.redis.keys import key

log = get_logger(__name__)

#: how often a process says that it lives
_EVERY_S = 2.0
#: and how much longer than a worker's lease it counts as living after that: whoever is listed as a worker is known here
_MARGIN_S = 30.0


class WrongFormat(StartRefused):
    """This release may not serve a Redis. Its words are a sentence for the operator."""


class _Noted(NamedTuple):
    written: int
    oldest_reader: int
    older: int | None = None
    comes: bool = False


def new_process_id() -> str:
    """Name this process."""
    return f"{socket.gethostname()}:{os.getpid()}:{new_id('evt')[-6:]}"


async def check_formats(store: Store) -> None:
    """Look whether this release may serve this Redis, and write from now on what the mark says. Raises WrongFormat."""
    written, oldest_reader = await store.ask("HMGET", key("formats"), "written", "oldest_reader")
    mark = Mark(read_format(written), read_format(oldest_reader))
    if words := refusal(store.release, mark):
        raise WrongFormat(words)
    store.mark = mark


class Membership:
    """This process among all that serve a Redis. Others hear its format, and the names of its secret keys."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        kind: Literal["api", "worker"],
        process_id: str,
        secret_key_names: Sequence[str],
        lease_s: float,
        settle_s: float,
    ) -> None:
        self._store = store
        self._clock = clock
        self._kind = kind
        self._process_id = process_id
        self._secret_key_names = secret_key_names
        self._alive_s = lease_s + _MARGIN_S
        self._settle_s = settle_s
        self._joined = self._left = False

    async def note(self) -> bool:
        """Say that this process lives, and hear what may be written. True: this Redis did not know of it."""
        before, self._joined = self._store.mark, True
        noted = await self._note(self._alive_s)
        if noted.older is not None:
            log.error("a process that is too old for this Redis is running", its_format=noted.older)
        if self._store.mark != before:
            log.info("the record format moves", written=noted.written, oldest_reader=noted.oldest_reader)
        return noted.comes

    async def leave(self) -> None:
        """Say that this process goes: after all else by which others see it, or they would take it for an older one."""
        self._left = True
        if self._joined:
            with suppress(*STORE_DOWN):  # then it is forgotten by itself
                await self._note(0)

    async def _note(self, alive_s: float) -> _Noted:
        release = self._store.release
        arguments = self._clock.for_operations() | {
            "process": self._process_id,
            "kind": self._kind,
            "format": release.format,
            "oldest_reader": release.oldest_reader,
            "alive_ms": int(alive_s * 1000),
            "settle_ms": int(self._settle_s * 1000),
            "secret_keys": list(self._secret_key_names),
        }
        noted = await self._store.run("note_process", arguments, _Noted)
        mark = Mark(noted.written, noted.oldest_reader)
        if mark.is_number:
            self._store.mark = mark
        else:  # what was heard before holds: a process that has begun writes on as it did
            log.error(NO_NUMBER)
        return noted

    async def run(self, *, when_unknown: Callable[[], Awaitable[None]] | None = None) -> None:
        """Say so for ever; while Redis is away, or refuses it, nobody hears it, which is told once.

        `when_unknown` is called until it has succeeded where this Redis did not know of this process: it was away for long,
        or has lost what it was told, and what only a start tells it must be told again.
        """
        unknown, told = False, ""
        while not self._left:
            try:
                unknown = await self.note() or unknown
                if unknown and when_unknown:
                    await when_unknown()
                unknown, told = False, ""
            except STORE_ERROR as refused:
                if (why := type(refused).__name__) != told:
                    log.warning("Redis is away, or does not take what this process says", error=why)
                told = why
            await asyncio.sleep(_EVERY_S)

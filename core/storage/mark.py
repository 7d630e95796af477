"""Mark check: is this the storage in which the files lie that this Redis knows?

A volume that is not mounted, another folder and another prefix look like a storage whose files are all gone: jobs would fail for
their uploads, films be called lost and records forgotten whose files stay for ever, and what is written there would be lost
when the right one is back. So whoever comes first leaves a mark, a small file, whose content Redis knows. It moves with the
files.
"""

import asyncio
from secrets import token_hex
from typing import NamedTuple

from core.errors import StartRefused
from core.storage.errors import StorageDenied, StorageDown
from core.storage.location import MARK_FILE
from core.storage.storage import Storage
from core.store.redis.client import STORE_FULL, Store
from core.store.redis.keys import key

#: who comes first has so long to leave the mark, a write of some bytes
_LOOKS, _LOOK_S = 20, 0.1


class WrongStorage(StartRefused):
    """This is not the storage that has the mark. Its words are a sentence for the operator."""


class _Known(NamedTuple):
    #: what is in the mark, or will be
    mark: str | None
    #: it stands in the storage, too
    is_left: bool


async def check_mark(storage: Storage, store: Store, *, only_look: bool = False) -> list[str]:
    """Compare the mark in the storage with the one that Redis knows, and hold the storage to it from now on.

    Where Redis knows none, as that of a new installation, or of the last release, the storage's is taken, or one is left there.
    `only_look`: nothing is written. Returns warnings, each a sentence. Raises WrongStorage, STORE_DOWN.
    """
    known = await _known(store)
    try:
        if known.mark is None or not known.is_left:
            return [] if only_look else await _leave_mark(storage, store)
        storage.hold_to(known.mark)
        here = await storage.read_mark()
    except StorageDown as away:
        return [
            f"REELGATE_STORAGE does not answer, or takes nothing ({away}): nobody knows whether it is the right one."
        ]
    if here != known.mark:
        raise WrongStorage(_refusal(storage.where, known.mark, here))
    return []


async def _known(store: Store) -> _Known:
    mark, left = await store.ask("HMGET", key("storage"), "mark", "left")
    return _Known(mark.decode() if mark else None, is_left=left is not None)


async def _leave_mark(storage: Storage, store: Store) -> list[str]:
    """Redis learns first what the mark is to be, so that all who come at once have the same. Raises as `check_mark`, and StorageDown.

    A Redis that is full does without: nobody is to wait for that.
    """
    try:
        mark = await _mark_here(storage)
        if not mark:
            is_first = await store.ask("HSETNX", key("storage"), "mark", token_hex(16))
            if not is_first and await _is_left_soon(store):
                return await check_mark(storage, store)  # by another process, whose storage may be another one
            mark = str((await _known(store)).mark)
            await storage.write_mark(mark)
        await store.ask("HSET", key("storage"), "mark", mark, "left", "1")
    except STORE_FULL:
        return []
    storage.hold_to(mark)
    return []


async def _is_left_soon(store: Store) -> bool:
    """Wait for who came first. False: he has died, or cannot write."""
    for _ in range(_LOOKS):
        if (await _known(store)).is_left:
            return True
        await asyncio.sleep(_LOOK_S)
    return False


async def _mark_here(storage: Storage) -> str | None:
    """Read it, as long as nobody knows what it is to be. Who may not list is refused one that is missing."""
    try:
        return await storage.read_mark()
    except StorageDenied:
        return None


def _refusal(where: str, mark: str, here: str | None) -> str:
    found = f"it has no file {MARK_FILE}" if here is None else f"its file {MARK_FILE} is another one's"
    return (
        f"REELGATE_STORAGE: {where} is not the storage with the files that this Redis knows: {found}. Is its volume mounted, "
        f"and its address the right one? Who moves all files moves that one, too; who gives up those that there were writes "
        f"{mark} into a file {MARK_FILE} there."
    )

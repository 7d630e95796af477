"""Lists of ids in Redis, read so that a record that cannot be read costs itself alone: it is passed over, or put off."""

import heapq
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import chain
from typing import TypeVar

from core.clock import Clock
from core.store.redis.client import Store
from core.store.redis.codec import Unreadable
from core.store.redis.keys import key

Item = TypeVar("Item")

_LISTS_AT_ONCE = 500
#: until the next look at something due that cannot be read
UNREADABLE_REST_MS = 600_000
#: members of a set that are asked for at a time
MEMBERS_AT_ONCE = 250


async def pages_of_set(store: Store, name: str) -> AsyncIterator[list[str]]:
    """Go through a set of any size, some members at a time. One that is there all the time comes, once."""
    cursor, seen = b"0", set[str]()
    while True:
        cursor, found = await store.ask("SSCAN", name, cursor, "COUNT", MEMBERS_AT_ONCE)
        fresh = {member.decode() for member in found} - seen
        seen |= fresh
        yield sorted(fresh)
        if cursor == b"0":
            return


async def page_of(
    store: Store,
    names: Sequence[str],
    load: Callable[[Sequence[str]], Awaitable[list[Item]]],
    *,
    after: str | None,
    limit: int,
) -> list[Item]:
    """Read up to `limit` items of lists that ids sort by time, newest first, beginning after an id."""
    found: list[Item] = []
    while len(found) < limit:
        ids = await newest_of(store, names, None, after, limit)
        found += await load(ids)
        if len(ids) < limit:
            break
        after = ids[-1]
    return found[:limit]


async def newest_of(store: Store, names: Sequence[str], oldest: str | None, before: str | None, most: int) -> list[str]:
    """Name the newest ids of many such lists together, newest first, from `oldest` on and before an id.

    Of each list its first id is read; further ones of those lists alone that can have any: a list whose first id is the
    tenth has none of the nine before it. One list by itself is read in one go.
    """
    if len(names) == 1:
        [ids] = await _ids_of(store, [(names[0], most)], oldest, before)
        return ids
    firsts = await _ids_of(store, [(name, 1) for name in names], oldest, before)
    leading = heapq.nlargest(most, ((ids[0], name) for name, ids in zip(names, firsts, strict=True) if ids))
    wanted = [(name, most - place) for place, (_, name) in enumerate(leading)]
    return heapq.nlargest(most, chain.from_iterable(await _ids_of(store, wanted, oldest, before)))


async def _ids_of(
    store: Store, wanted: Sequence[tuple[str, int]], oldest: str | None, before: str | None
) -> list[list[str]]:
    """Read so many ids of each list, newest first, some hundred lists at a time so that Redis is never held up for long."""
    last, first = f"({before}" if before else "+", f"[{oldest}" if oldest else "-"
    found: list[list[str]] = []
    for start in range(0, len(wanted), _LISTS_AT_ONCE):
        pipe = store.redis.pipeline(transaction=False)
        for name, most in wanted[start : start + _LISTS_AT_ONCE]:
            pipe.zrevrangebylex(name, last, first, start=0, num=most)
        found += [[row.decode() for row in rows] for rows in await pipe.execute()]
    return found


async def readable(load: Callable[[str], Awaitable[Item | None]], ids: Sequence[str]) -> list[Item]:
    """Load what is there of these, one by one, and pass over what cannot be read."""
    found = []
    for item_id in ids:
        with suppress(Unreadable):
            found.append(await load(item_id))
    return [item for item in found if item is not None]


async def postpone(store: Store, clock: Clock, list_name: str, member: str | bytes) -> None:
    """Make a member of a list of what is due (``retire``) due again later, so that it stands in nobody's way."""
    await store.ask("ZADD", key(list_name), "XX", clock.now_ms() + UNREADABLE_REST_MS, member)

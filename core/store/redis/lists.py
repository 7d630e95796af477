"""Lists of ids in Redis, read so that a record that cannot be read costs itself alone: it is passed over, or put off."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from core.clock import Clock
from core.store.redis.client import Store
from core.store.redis.codec import Unreadable
from core.store.redis.keys import key

Item = TypeVar("Item")

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
    store: Store, name: str, load: Callable[[Sequence[str]], Awaitable[list[Item]]], *, after: str | None, limit: int
) -> list[Item]:
    """Read up to `limit` items of a list that ids sort by time, newest first, beginning after an id."""
    found: list[Item] = []
    while len(found) < limit:
        start = f"({after}" if after else "+"
        ids = [i.decode() for i in await store.redis.zrevrangebylex(name, start, "-", start=0, num=limit)]
        found += await load(ids)
        if len(ids) < limit:
            break
        after = ids[-1]
    return found[:limit]


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

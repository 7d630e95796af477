"""Uploads in Redis; their bytes are in `core.storage`. One is gone 24 h after its last use.

That of a job which names it lasts until that job must have ended.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple

from core.clock import Clock
from core.model.upload import Upload
from core.store.redis.client import Store
from core.store.redis.codec import Unreadable, pack, raw_record, read_sum
from core.store.redis.keys import key
from core.store.redis.lists import page_of, postpone, readable
from core.store.redis.results import Nothing

#: an upload is kept for so long after its last use
UPLOAD_LIFE_MS = 24 * 3600 * 1000


#: in the place of an upload's id: nothing is to be looked at before a file goes
_NO_UPLOAD = "-"

#: which uploads are meant: those that are not in use any more, those that have not come, or whichever
Only = Literal["due", "expected"] | None


class _Kept(NamedTuple):
    stored_bytes: int = 0
    too_late: bool = False


class _Withdrawn(NamedTuple):
    withdrawn: bool = False


class Place(NamedTuple):
    """Where bytes may be that no record tells of, and can come no more: an upload's, or what could not be deleted at once."""

    entry: str
    upload_id: str
    path: str


class Uploads:
    """Expects, stores, finds and drops uploads, and counts the bytes that are stored for a tenant."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def expect(self, upload: Upload, *, url_until_ms: int | None = None) -> int:
        """Write down a file before its first byte comes, so that a half of one is found and dropped; till when (ms).

        `url_until_ms`: whoever has its URL may begin to send it until then, also when the upload was removed meanwhile.
        """
        until_ms = self._clock.now_ms() + UPLOAD_LIFE_MS
        pipe = self._store.redis.pipeline(transaction=True)
        pipe.hset(key("upload", upload.id), mapping={"rec": pack(upload), "fmt": self._store.fmt, "expected": "1"})
        pipe.zadd(key("uploads"), {upload.id: until_ms})
        pipe.zremrangebyscore(listed := key("tenant_expected", upload.tenant), "-inf", self._clock.now_ms())
        pipe.zadd(listed, {upload.id: until_ms})
        pipe.pexpire(listed, UPLOAD_LIFE_MS)
        if url_until_ms is not None:
            pipe.zadd(key("upload_urls"), {_place(upload): url_until_ms + UPLOAD_LIFE_MS})
        await pipe.execute()
        return until_ms

    async def announce_copy(self, copy: Upload) -> None:
        """Write down where an expected upload is copied to, before it is, so that a copy that nobody keeps is found."""
        await self._store.ask("ZADD", key("upload_urls"), self._clock.now_ms() + UPLOAD_LIFE_MS, _place(copy))

    async def delete_later(self, path: str) -> None:
        """Have a file deleted that no record tells of, since that cannot be done now."""
        await self._store.ask("ZADD", key("upload_urls"), self._clock.now_ms(), f"{_NO_UPLOAD} {path}")

    async def keep(self, upload: Upload) -> int:
        """Remember a stored upload, from its `created_at_ms` on; returns the bytes that its tenant keeps now."""
        return (await self._keep(upload, is_copy=False)).stored_bytes

    async def keep_copy(self, upload: Upload) -> int | None:
        """Remember the copy of an expected upload as `keep` does. None: another one is kept, or it was removed meanwhile."""
        kept = await self._keep(upload, is_copy=True)
        return None if kept.too_late else kept.stored_bytes

    async def _keep(self, upload: Upload, *, is_copy: bool) -> _Kept:
        arguments = self._arguments(upload) | {
            "record": raw_record(upload),
            "goes_ms": upload.created_at_ms + UPLOAD_LIFE_MS,
            "is_copy": is_copy,
        }
        return await self._store.run("keep_upload", arguments, _Kept)

    async def stored_bytes(self, tenant: str) -> int:
        """Count the bytes of uploads that a tenant keeps."""
        return int(read_sum(await self._store.redis.get(key("stored", tenant))))

    async def count(self, tenant: str) -> int:
        """Count the uploads of a tenant, those that have not come among them."""
        pipe = self._store.redis.pipeline(transaction=False)
        pipe.zcard(key("tenant_uploads", tenant))
        pipe.zcount(key("tenant_expected", tenant), self._clock.now_ms(), "+inf")
        return sum(await pipe.execute())

    async def load(self, upload_id: str) -> tuple[Upload, int] | None:
        """Read an upload that has come, whoever's it is, and when it goes (ms since the epoch)."""
        found = await self._find(upload_id)
        return found[:2] if found and not found[2] else None

    async def page(self, tenant: str, *, after: str | None = None, limit: int = 20) -> list[tuple[Upload, int]]:
        """Read up to `limit` uploads of a tenant that are older than `after`, newest first, each with when it goes (ms).

        One that cannot be read is passed over.
        """
        return await page_of(self._store, [key("tenant_uploads", tenant)], self._load_many, after=after, limit=limit)

    async def _load_many(self, upload_ids: Sequence[str]) -> list[tuple[Upload, int]]:
        found = await readable(self.load, upload_ids)
        return [(upload, goes_ms) for upload, goes_ms in found if goes_ms > self._clock.now_ms()]

    async def expected(self, upload_id: str) -> Upload | None:
        """Read an upload that has not come yet, or not whole, whoever's it is."""
        found = await self._find(upload_id)
        return found[0] if found and found[2] else None

    async def _find(self, upload_id: str) -> tuple[Upload, int, bool] | None:
        pipe = self._store.redis.pipeline(transaction=False)
        pipe.hmget(key("upload", upload_id), ["rec", "fmt", "expected"])
        pipe.zscore(key("uploads"), upload_id)
        (raw, fmt, expected), goes_ms = await pipe.execute()
        if not (raw and goes_ms):
            return None
        return self._store.read(Upload, raw, fmt, item_id=upload_id), int(goes_ms), bool(expected)

    async def withdraw(self, upload: Upload, only: Only = None) -> bool:
        """Let no job name an upload any more, before its bytes go. False: it is in use, or has come. Safe to repeat."""
        arguments = {
            "id": upload.id,
            "tenant": upload.tenant,
            "expected_only": only == "expected",
            "due_by_ms": self._clock.now_ms() if only == "due" else None,
        }
        return (await self._store.run("withdraw_upload", arguments, _Withdrawn)).withdrawn

    async def drop(self, upload: Upload) -> None:
        """Forget an upload, expected or kept, as it was read; its bytes are to be deleted first. Safe to repeat."""
        await self._store.run("drop_upload", self._arguments(upload), Nothing)

    @staticmethod
    def _arguments(upload: Upload) -> dict[str, Any]:
        return {"id": upload.id, "tenant": upload.tenant, "size_bytes": upload.size_bytes}

    async def due(self, *, most: int = 100) -> list[Upload]:
        """Name uploads whose time is over. One that cannot be read, or has no record, is looked at again later."""
        ids = await self._store.redis.zrangebyscore(key("uploads"), "-inf", self._clock.now_ms(), start=0, num=most)
        found = [await self._find_or_postpone(i.decode()) for i in ids]
        return [f[0] for f in found if f]

    async def _find_or_postpone(self, upload_id: str) -> tuple[Upload, int, bool] | None:
        found = None
        with suppress(Unreadable):
            found = await self._find(upload_id)
        if found is None:
            await postpone(self._store, self._clock, "uploads", upload_id)
        return found

    async def closed_places(self, *, most: int = 100) -> list[Place]:
        """Name places that files could be sent by a URL or copied to, when that is over."""
        now_ms = self._clock.now_ms()
        found = await self._store.redis.zrangebyscore(key("upload_urls"), "-inf", now_ms, start=0, num=most)
        return [Place(entry, *entry.split(" ", 1)) for entry in (raw.decode() for raw in found)]

    async def sent_place(self, path: str) -> Place | None:
        """Find the place where a file came by a URL that was given out here. None: whoever else uses this storage knows it."""
        place = Place(f"{(upload_id := path.rpartition('/')[2])} {path}", upload_id, path)
        return None if await self._store.redis.zscore(key("upload_urls"), place.entry) is None else place

    async def is_in_use(self, place: Place) -> bool:
        """Tell whether an upload's bytes are there, which go by themselves. Raises Unreadable."""
        found = await self._find(place.upload_id)
        return found is not None and found[0].path == place.path

    async def forget_place(self, place: Place) -> None:
        """Nothing is there any more that no upload tells of."""
        await self._store.ask("ZREM", key("upload_urls"), place.entry)


def _place(upload: Upload) -> str:
    return f"{upload.id} {upload.path}"

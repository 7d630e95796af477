"""Uploads in Redis; their bytes are in `core.storage`. One is gone 24 h after its last use.

That of a job which names it lasts until that job must have ended.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from core.clock import Clock
from core.model.upload import Upload
from core.store.redis.client import Store
from core.store.redis.codec import Unreadable, pack, raw_record
from core.store.redis.keys import key
from core.store.redis.lists import page_of, postpone, readable
from core.store.redis.results import Nothing

#: an upload is kept for so long after its last use
UPLOAD_LIFE_MS = 24 * 3600 * 1000


class _Kept(NamedTuple):
    stored_bytes: int = 0


class ClosedPlace(NamedTuple):
    """Where a file could be sent by a URL, and cannot any more. `is_upload`: an upload is there, and goes by itself."""

    entry: str
    path: str
    is_upload: bool


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
        if url_until_ms is not None:
            pipe.zadd(key("upload_urls"), {f"{upload.id} {upload.path}": url_until_ms + UPLOAD_LIFE_MS})
        await pipe.execute()
        return until_ms

    async def keep(self, upload: Upload) -> int:
        """Remember a stored upload, from its `created_at_ms` on; returns the bytes that its tenant keeps now."""
        arguments = self._arguments(upload) | {
            "record": raw_record(upload),
            "goes_ms": upload.created_at_ms + UPLOAD_LIFE_MS,
        }
        return (await self._store.run("keep_upload", arguments, _Kept)).stored_bytes

    async def stored_bytes(self, tenant: str) -> int:
        """Count the bytes of uploads that a tenant keeps."""
        return int(await self._store.redis.get(key("stored", tenant)) or 0)

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

    async def closed_places(self, *, most: int = 100) -> list[ClosedPlace]:
        """Name places that files could be sent to by a URL, when that is over."""
        now_ms = self._clock.now_ms()
        found = await self._store.redis.zrangebyscore(key("upload_urls"), "-inf", now_ms, start=0, num=most)
        return [await self._closed_place(entry.decode()) for entry in found]

    async def _closed_place(self, entry: str) -> ClosedPlace:
        upload_id, _, path = entry.partition(" ")
        return ClosedPlace(entry, path, bool(await self._store.ask("EXISTS", key("upload", upload_id))))

    async def forget_place(self, place: ClosedPlace) -> None:
        """Nothing is there any more that no upload tells of."""
        await self._store.ask("ZREM", key("upload_urls"), place.entry)

"""Bounds what callers send straight to the storage, of which nobody hears a byte before it is completed.

Whoever has a URL may send 5 GB to it, as often as he likes, and a tenant may have a hundred thousand of them. So the storage is
asked what is there, and what could not be kept anyway goes now, and not a day after the last URL's time.
"""

from contextlib import suppress

from core.storage.storage import StoredFile
from core.storage.upload_files import SENT_FOLDER, UPLOAD_LIMIT_BYTES, remove_upload
from core.store.redis.codec import Unreadable
from worker.context import WorkerContext


async def remove_what_may_not_be_kept(context: WorkerContext) -> None:
    """Remove what is no upload's any more, is larger than any may be, or more than its tenant may keep. Raises StorageDown.

    One worker looks for all: each file that is there is a few questions to Redis, and one tenant may have a hundred thousand.
    """
    if await context.gauges.are_anothers(context.leases.worker_id):
        return
    sent = SentFiles(context)
    async for file in context.storage.files_sent_to(SENT_FOLDER):
        with suppress(Unreadable):
            await sent.look_at(file)


class SentFiles:
    """Counts what each tenant has sent, in the order in which its URLs were given out."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        #: what each tenant kept before its files were looked at, with those that may be kept: one that is completed meanwhile counts once
        self._kept_bytes: dict[str, int] = {}

    async def look_at(self, file: StoredFile) -> None:
        """Remove a file that may not be kept. Raises StorageDown, Unreadable."""
        context = self._context
        place = await context.uploads.sent_place(file.path)
        if place is None:
            return
        upload = await context.uploads.expected(place.upload_id)
        if upload and upload.tenant not in self._kept_bytes:
            self._kept_bytes[upload.tenant] = await context.uploads.stored_bytes(upload.tenant)
            upload = await context.uploads.expected(place.upload_id)  # or it counts there already
        if upload is None:
            await context.storage.delete(file.path)
        elif not self._may_be_kept(upload.tenant, file.size_bytes):
            await remove_upload(context.storage, context.uploads, upload, only="expected")

    def _may_be_kept(self, tenant: str, size_bytes: int) -> bool:
        if size_bytes > UPLOAD_LIMIT_BYTES:
            return False
        with_it_bytes = self._kept_bytes[tenant] + size_bytes
        if with_it_bytes > self._context.settings.tenant_stored_bytes:
            return False
        self._kept_bytes[tenant] = with_it_bytes
        return True

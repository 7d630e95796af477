"""The life of an upload: expected, written to storage, kept within its tenant's quota. Called by the upload routes."""

from contextlib import suppress
from functools import partial

import msgspec

from core.clock import rfc3339
from core.ids import new_id
from core.media.film_header.length import read_length_s
from core.model.upload import Upload
from core.storage.errors import FileMissing, StorageDown
from core.storage.upload_files import remove_upload
from core.store.uploads import UPLOAD_LIFE_MS, Only
from service.context import ApiContext
from service.problems import ApiError
from service.schemas.responses import UploadView
from service.uploads.inspector import Inspector, NamedFile


async def check_quota(context: ApiContext, tenant: str, more_bytes: int) -> None:
    """Refuse (413) what a tenant has no room for, in storage or in Redis: each file takes a record there, however small."""
    if await context.uploads.count(tenant) >= (most := context.settings.tenant_uploads):
        raise ApiError(413, "storage_full", f"You may keep {most} files, with those that were only begun; delete some.")
    if await context.uploads.stored_bytes(tenant) + more_bytes > context.settings.tenant_stored_bytes:
        raise _storage_full(context)


def _storage_full(context: ApiContext) -> ApiError:
    words = f"Your files may have {context.settings.tenant_stored_bytes} bytes together; delete some."
    return ApiError(413, "storage_full", words)


async def store_file(context: ApiContext, tenant: str, file: NamedFile) -> Upload:
    """Expect it, write it, keep it: a process that dies in between leaves what the workers' sweep deletes."""
    inspector = Inspector(file.name)
    upload = new_upload(context, tenant, file.name, inspector.format)
    await context.uploads.expect(upload)
    try:
        size_bytes = await context.storage.write(upload.path, inspector.passing(file.chunks))
        upload = await _as_written(context, upload, inspector.format or "", size_bytes)
    except BaseException:
        await remove_refused(context, upload)
        raise
    return await _keep(context, upload)


async def remove_refused(context: ApiContext, upload: Upload, *, only: Only = None) -> bool:
    """Remove an upload that is not kept, now or, where the storage does not delete it, with the sweep: who sent it is told why it is not.

    False: it is none of those that `only` means, any more.
    """
    with suppress(StorageDown):
        return await remove_upload(context.storage, context.uploads, upload, only=only)
    return True


async def _as_written(context: ApiContext, upload: Upload, media_format: str, size_bytes: int) -> Upload:
    """Add what the file says that it is. Raises StorageDown where a storage has taken it and does not show it."""
    try:
        return await as_it_is(context, upload, media_format, size_bytes)
    except FileMissing:
        raise StorageDown("what was written is not there") from None


async def as_it_is(context: ApiContext, upload: Upload, media_format: str, size_bytes: int) -> Upload:
    """Add what the file itself says that it is, now that it has come. Raises FileMissing.

    Its length is for estimates alone: where the storage does not answer for that, it is not known.
    """
    length_s = None
    with suppress(StorageDown):
        length_s = await read_length_s(partial(context.storage.piece, upload.path), size_bytes, media_format)
    now_ms = context.clock.now_ms()
    return msgspec.structs.replace(
        upload, format=media_format, duration_s=length_s, size_bytes=size_bytes, created_at_ms=now_ms
    )


def new_upload(context: ApiContext, tenant: str, filename: str, named_format: str | None) -> Upload:
    """Name a file that has not come yet; of what format it is may be known only when it has."""
    upload_id = new_id("upl", context.settings.cell)
    return Upload(
        id=upload_id,
        tenant=tenant,
        filename=filename,
        format=named_format or "",
        size_bytes=0,
        path=f"uploads/{upload_id}" + (f".{named_format}" if named_format else ""),
        created_at_ms=context.clock.now_ms(),
    )


async def _keep(context: ApiContext, upload: Upload) -> Upload:
    """Remember it. Where nobody hears whether it was remembered its bytes stay: it is there whole, or still expected."""
    await check_room(context, upload, await context.uploads.keep(upload))
    return upload


async def check_room(context: ApiContext, upload: Upload, kept_bytes: int) -> None:
    """Refuse (413) an upload with which its tenant keeps too much: then nothing stays of it, here nor in storage."""
    if kept_bytes > context.settings.tenant_stored_bytes:
        await remove_refused(context, upload)
        raise _storage_full(context)


def upload_view(upload: Upload, expires_at_ms: int | None = None) -> UploadView:
    """Show an upload; one that was just kept expires a day after it came."""
    return UploadView(
        id=upload.id,
        filename=upload.filename,
        format=upload.format,
        size_bytes=upload.size_bytes,
        duration_s=upload.duration_s,
        created_at=rfc3339(upload.created_at_ms),
        expires_at=rfc3339(expires_at_ms or upload.created_at_ms + UPLOAD_LIFE_MS),
    )

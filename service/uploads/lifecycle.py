"""The life of an upload: expected, written to storage, kept within its tenant's quota, deleted. Called by the upload routes."""

from functools import partial

import msgspec

from core.clock import rfc3339
from core.ids import new_id
from core.media.film_header.length import read_length_s
from core.media.formats import HEAD_BYTES
from core.model.upload import Upload
from core.storage import FileMissing
from core.store.uploads import UPLOAD_LIFE_MS
from service.context import ApiContext
from service.problems import ApiError
from service.schemas.responses import UploadView
from service.uploads.inspector import Inspector, NamedFile
from service.uploads.receive import check_content_length


async def check_quota(context: ApiContext, tenant: str, more_bytes: int) -> None:
    """Refuse (413) what a tenant has no room for."""
    limit = context.settings.tenant_stored_bytes
    if await context.uploads.stored_bytes(tenant) + more_bytes > limit:
        raise ApiError(413, "storage_full", f"Your files may have {limit} bytes together; delete some.")


async def store_file(context: ApiContext, tenant: str, file: NamedFile) -> Upload:
    """Expect it, write it, keep it: a process that dies in between leaves what the workers' sweep deletes."""
    inspector = Inspector(file.name)
    upload = new_upload(context, tenant, file.name, inspector.format)
    await context.uploads.expect(upload)
    try:
        size_bytes = await context.storage.write(upload.path, inspector.passing(file.chunks))
        upload = await _looked_at(context, upload, inspector.format or "", size_bytes)
    except BaseException:
        await remove_upload(context, upload)
        raise
    return await keep_upload(context, upload, size_bytes)


async def _looked_at(context: ApiContext, upload: Upload, media_format: str, size_bytes: int) -> Upload:
    """Add what the file itself says that it is. Raises FileMissing."""
    length_s = await read_length_s(partial(context.storage.piece, upload.path), size_bytes, media_format)
    return msgspec.structs.replace(upload, format=media_format, duration_s=length_s)


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


async def keep_presigned(context: ApiContext, upload: Upload) -> Upload:
    """Look at a file that has come straight to storage, and keep it; one that is refused is deleted."""
    try:
        size_bytes = await context.storage.size_bytes(upload.path)
        head = await context.storage.head(upload.path, HEAD_BYTES)
        check_content_length(size_bytes)
        found = Inspector(upload.filename).check_head(head)
        upload = await _looked_at(context, upload, found, size_bytes)
    except FileMissing:
        raise ApiError(409, "not_uploaded", "The file is not there yet: PUT it to its url first.") from None
    except ApiError:
        await remove_upload(context, upload)
        raise
    return await keep_upload(context, upload, size_bytes)


async def keep_upload(context: ApiContext, upload: Upload, size_bytes: int) -> Upload:
    """Remember it, unless the tenant keeps too much with it: then nothing stays, here nor in storage.

    Where nobody hears whether it was remembered its bytes stay: it is there whole, or still expected, and can be completed.
    """
    upload = msgspec.structs.replace(upload, size_bytes=size_bytes, created_at_ms=context.clock.now_ms())
    total_bytes = await context.uploads.keep(upload)
    if total_bytes > context.settings.tenant_stored_bytes:
        await remove_upload(context, upload)
        await check_quota(context, upload.tenant, upload.size_bytes)
    return upload


async def remove_upload(context: ApiContext, upload: Upload) -> None:
    """Delete an upload, its bytes first."""
    await context.storage.delete(upload.path)
    await context.uploads.drop(upload)


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

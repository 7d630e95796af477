"""What becomes of a file that is sent to us: expected, written, kept, or gone without a trace. Called by the upload routes."""

import msgspec

from core.clock import rfc3339
from core.ids import new_id
from core.model.upload import Upload
from service.context import ApiContext
from service.problems import Refused
from service.schemas.responses import UploadView
from service.uploads.receive import Inspector, NamedFile


async def check_room(parts: ApiContext, tenant: str, more_bytes: int) -> None:
    """Refuse (413) what a tenant has no room for."""
    limit = parts.settings.tenant_stored_bytes
    if await parts.uploads.stored_bytes(tenant) + more_bytes > limit:
        raise Refused(413, "storage_full", f"Your files may have {limit} bytes together; delete some.")


async def stored(parts: ApiContext, tenant: str, file: NamedFile) -> Upload:
    """Expect it, write it, keep it: a process that dies in between leaves what the workers' sweep drops."""
    inspector = Inspector(file.name)
    coming = expected(parts, tenant, file.name, inspector.format)
    await parts.uploads.expect(coming)
    try:
        size_bytes = await parts.storage.write(coming.path, inspector.passing(file.chunks))
    except BaseException:
        await parts.uploads.drop(coming)
        raise
    return await kept(parts, msgspec.structs.replace(coming, format=inspector.format or ""), size_bytes)


def expected(parts: ApiContext, tenant: str, filename: str, named: str | None) -> Upload:
    """Name a file that has not come yet; of what format it is may be known only when it has."""
    upload_id = new_id("upl")
    return Upload(
        id=upload_id,
        tenant=tenant,
        filename=filename,
        format=named or "",
        size_bytes=0,
        path=f"uploads/{upload_id}" + (f".{named}" if named else ""),
        created_at_ms=parts.clock.now_ms(),
    )


async def kept(parts: ApiContext, coming: Upload, size_bytes: int) -> Upload:
    """Remember it, unless the tenant keeps too much with it: then nothing stays, here nor in storage."""
    upload = msgspec.structs.replace(coming, size_bytes=size_bytes, created_at_ms=parts.clock.now_ms())
    try:
        total = await parts.uploads.keep(upload)
    except BaseException:
        await parts.storage.delete(upload.path)
        raise
    if total > parts.settings.tenant_stored_bytes:
        await dropped(parts, upload)
        await check_room(parts, upload.tenant, upload.size_bytes)
    return upload


async def dropped(parts: ApiContext, upload: Upload) -> None:
    """Delete an upload, its bytes first."""
    await parts.storage.delete(upload.path)
    await parts.uploads.drop(upload)


def upload_view(upload: Upload, goes_ms: int) -> UploadView:
    """Show an upload."""
    return UploadView(
        id=upload.id,
        filename=upload.filename,
        format=upload.format,
        size_bytes=upload.size_bytes,
        created_at=rfc3339(upload.created_at_ms),
        expires_at=rfc3339(goes_ms),
    )

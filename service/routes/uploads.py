"""Uploads: received as a raw body or as a form, kept until 24 h after their last use."""

import asyncio
from collections.abc import AsyncIterator

from litestar import Response, delete, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath

from core.clock import rfc3339
from core.ids import new_id
from core.store.jobs import UPLOAD_LIFE_MS
from core.store.uploads import Upload
from service.answers import UploadView
from service.auth import needs
from service.body import read_query
from service.operations import KEYED, About, Answer, about
from service.parts import Asked, Parts, parts_of
from service.problems import FieldError, Refused, invalid
from service.receiving import Inspector, NamedFile, check_announced, first_file, plain_name
from service.representation import answer
from service.schemas import UploadQuery
from service.submit import own_upload

#: how long a body may bring nothing
_SILENCE_S = 30.0


@post(
    "/v1/uploads",
    guards=[needs("submit")],
    status_code=201,
    request_max_body_size=None,
    opt=about(
        About(
            "uploadFile",
            "Upload a file",
            "Uploads",
            {201: Answer("It is kept.", UploadView, headers=("Location",))},
            scope="submit",
            refusals=(*KEYED, 408, 413, 415, 422),
            query=UploadQuery,
            body=bytes,
            body_media=("application/octet-stream", "multipart/form-data"),
        )
    ),
)
async def upload_file(request: Asked) -> Response[bytes]:
    """Stream a file to storage; a refused or broken one leaves nothing behind."""
    parts, tenant = parts_of(request), request.user.tenant
    query = read_query(request, UploadQuery)
    media_type, options = request.content_type
    is_form = media_type == "multipart/form-data"
    check_announced(request.content_length, multipart=is_form)
    await _check_room(parts, tenant, request.content_length or 0)
    file = await _file(request, query, options.get("boundary", "") if is_form else None)
    upload = await _stored(parts, tenant, file)
    headers = {"Location": f"{parts.settings.public_url}/v1/uploads/{upload.id}"}
    return answer(upload_view(upload, upload.created_at_ms + UPLOAD_LIFE_MS), status=201, headers=headers)


async def _check_room(parts: Parts, tenant: str, more_bytes: int) -> None:
    limit = parts.settings.tenant_stored_bytes
    if await parts.uploads.stored_bytes(tenant) + more_bytes > limit:
        raise Refused(413, "storage_full", f"Your files may have {limit} bytes together; delete some.")


async def _file(request: Asked, query: UploadQuery, boundary: str | None) -> NamedFile:
    chunks = _arriving(request)
    if boundary is not None:
        if not boundary:
            raise Refused(400, "malformed_request", "The form's Content-Type names no boundary.")
        name, chunks = await first_file(chunks, boundary)
        return _named(query.filename or name, chunks)
    if query.filename is None:
        raise invalid([FieldError(pointer="/filename", code="missing_field", detail="Add ?filename=clip.mp4.")])
    return _named(query.filename, chunks)


def _named(name: str, chunks: AsyncIterator[bytes]) -> NamedFile:
    return NamedFile(plain_name(name), chunks)


async def _arriving(request: Asked) -> AsyncIterator[bytes]:
    """Give the body's chunks; whoever stops half-way, or for too long, is refused."""
    stream = request.stream()
    try:
        while True:
            async with asyncio.timeout(_SILENCE_S):
                chunk = await anext(stream, None)
            if chunk is None:
                return
            if chunk:
                yield chunk
    except TimeoutError:
        raise Refused(408, "request_timeout", f"Nothing came for {_SILENCE_S:.0f} s.") from None
    except HTTPException:
        raise Refused(400, "malformed_request", "The upload broke off.") from None


async def _stored(parts: Parts, tenant: str, file: NamedFile) -> Upload:
    inspector = Inspector(file.name)
    upload_id = new_id("upl")
    path = f"uploads/{upload_id}.{inspector.format}"
    size_bytes = await parts.storage.write(path, inspector.passing(file.chunks))
    upload = Upload(
        id=upload_id,
        tenant=tenant,
        filename=file.name,
        format=inspector.format,
        size_bytes=size_bytes,
        path=path,
        created_at_ms=parts.clock.now_ms(),
    )
    await _kept(parts, upload)
    return upload


async def _kept(parts: Parts, upload: Upload) -> None:
    """Remember it, unless the tenant keeps too much with it: then nothing stays, here nor in storage."""
    try:
        total = await parts.uploads.keep(upload)
    except BaseException:
        await parts.storage.delete(upload.path)
        raise
    if total > parts.settings.tenant_stored_bytes:
        await _dropped(parts, upload)
        await _check_room(parts, upload.tenant, upload.size_bytes)


async def _dropped(parts: Parts, upload: Upload) -> None:
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


@get(
    "/v1/uploads/{upload_id:str}",
    guards=[needs("read")],
    opt=about(About("readUpload", "Read an upload", "Uploads", {200: Answer("The upload.", UploadView)}, scope="read")),
)
async def read_upload(request: Asked, upload_id: FromPath[str]) -> Response[bytes]:
    """Read what is known of an upload."""
    upload, goes_ms = await own_upload(parts_of(request), request.user.tenant, upload_id)
    return answer(upload_view(upload, goes_ms))


@delete(
    "/v1/uploads/{upload_id:str}",
    guards=[needs("submit")],
    status_code=204,
    opt=about(About("deleteUpload", "Delete an upload", "Uploads", {204: Answer("It is gone.")}, scope="submit")),
)
async def delete_upload(request: Asked, upload_id: FromPath[str]) -> None:
    """Delete an upload now."""
    parts = parts_of(request)
    upload, _ = await own_upload(parts, request.user.tenant, upload_id)
    await _dropped(parts, upload)


HANDLERS = (upload_file, read_upload, delete_upload)

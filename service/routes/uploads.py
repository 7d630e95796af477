"""Uploads: received as a raw body or as a form, kept until 24 h after their last use."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
from litestar import Response, delete, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath

from core.clock import rfc3339
from core.ids import is_id, new_id
from core.storage import FileMissing
from core.store.intake import UPLOAD_LIFE_MS
from core.store.uploads import Upload
from service.answers import UploadPlace, UploadView
from service.auth import needs
from service.body import read_query
from service.operations import KEYED, About, Answer, about, reads
from service.parts import Asked, Parts, parts_of
from service.problems import FieldError, Refused, invalid
from service.receiving import HEAD_BYTES, Inspector, NamedFile, bounded, check_announced, first_file, plain_name
from service.representation import answer
from service.schemas import UploadQuery
from service.submit import own_upload

#: how long a body may bring nothing
_SILENCE_S = 30.0
#: how long a URL to storage can be used
_PLACE_LIFE_S = 3600


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
    chunks = bounded(_arriving(request))
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
    """Expect it, write it, keep it: a process that dies in between leaves what the workers' sweep drops."""
    inspector = Inspector(file.name)
    expected = _expected(parts, tenant, file.name, inspector.format)
    await parts.uploads.expect(expected)
    try:
        size_bytes = await parts.storage.write(expected.path, inspector.passing(file.chunks))
    except BaseException:
        await parts.uploads.drop(expected)
        raise
    return await _kept(parts, expected, size_bytes)


def _expected(parts: Parts, tenant: str, filename: str, named: str) -> Upload:
    upload_id = new_id("upl")
    return Upload(
        id=upload_id,
        tenant=tenant,
        filename=filename,
        format=named,
        size_bytes=0,
        path=f"uploads/{upload_id}.{named}",
        created_at_ms=parts.clock.now_ms(),
    )


async def _kept(parts: Parts, expected: Upload, size_bytes: int) -> Upload:
    """Remember it, unless the tenant keeps too much with it: then nothing stays, here nor in storage."""
    upload = msgspec.structs.replace(expected, size_bytes=size_bytes, created_at_ms=parts.clock.now_ms())
    try:
        total = await parts.uploads.keep(upload)
    except BaseException:
        await parts.storage.delete(upload.path)
        raise
    if total > parts.settings.tenant_stored_bytes:
        await _dropped(parts, upload)
        await _check_room(parts, upload.tenant, upload.size_bytes)
    return upload


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


@post(
    "/v1/uploads:presign",
    guards=[needs("submit")],
    status_code=201,
    opt=about(
        About(
            "presignUpload",
            "Get a URL to send a file straight to storage (with S3 as storage)",
            "Uploads",
            {201: Answer("PUT the file to `url`, then POST to `complete`.", UploadPlace)},
            scope="submit",
            refusals=(*KEYED, 409, 413, 415, 422),
            query=UploadQuery,
        )
    ),
)
async def presign_upload(request: Asked) -> Response[bytes]:
    """Expect a file that comes to storage without us."""
    parts, tenant = parts_of(request), request.user.tenant
    query = read_query(request, UploadQuery)
    if query.filename is None:
        raise invalid([FieldError(pointer="/filename", code="missing_field", detail="Add ?filename=clip.mp4.")])
    await _check_room(parts, tenant, 0)
    name = plain_name(query.filename)
    expected = _expected(parts, tenant, name, Inspector(name).format)
    url = await parts.storage.put_url(expected.path, for_s=_PLACE_LIFE_S)
    if url is None:
        raise Refused(409, "not_available", "Files are stored in a folder here: send them to POST /v1/uploads.")
    await parts.uploads.expect(expected)
    place = UploadPlace(
        id=expected.id,
        filename=name,
        url=url,
        complete=f"{parts.settings.public_url}/v1/uploads/{expected.id}/complete",
        expires_at=rfc3339(expected.created_at_ms + _PLACE_LIFE_S * 1000),
    )
    return answer(place, status=201)


@post(
    "/v1/uploads/{upload_id:str}/complete",
    guards=[needs("submit")],
    status_code=200,
    opt=about(
        About(
            "completeUpload",
            "Say that a file has been sent straight to storage",
            "Uploads",
            {200: Answer("It is kept.", UploadView)},
            scope="submit",
            refusals=(*KEYED, 409, 413, 415),
        )
    ),
)
async def complete_upload(request: Asked, upload_id: FromPath[str]) -> Response[bytes]:
    """Look at a file that has come straight to storage, and keep it; a refused one is gone. Safe to repeat."""
    parts, tenant = parts_of(request), request.user.tenant
    expected = await parts.uploads.expected(upload_id) if is_id(upload_id, "upl") else None
    if expected is None or expected.tenant != tenant:
        upload, goes_ms = await own_upload(parts, tenant, upload_id)
        return answer(upload_view(upload, goes_ms))
    try:
        size_bytes = await parts.storage.size_bytes(expected.path)
        head = await parts.storage.head(expected.path, HEAD_BYTES)
    except FileMissing:
        raise Refused(409, "not_uploaded", "The file is not there yet: PUT it to its url first.") from None
    try:
        check_announced(size_bytes, multipart=False)
        Inspector(expected.filename).look_at(head)
    except Refused:
        await _dropped(parts, expected)
        raise
    upload = await _kept(parts, expected, size_bytes)
    return answer(upload_view(upload, upload.created_at_ms + UPLOAD_LIFE_MS))


@reads(
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


HANDLERS = (upload_file, presign_upload, complete_upload, read_upload, delete_upload)

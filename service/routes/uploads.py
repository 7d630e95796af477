"""Uploads: received as a raw body or as a form, kept until 24 h after their last use."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import msgspec
from litestar import Response, delete, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath

from core.store.uploads import UPLOAD_LIFE_MS
from service.auth import needs
from service.context import ApiContext, Asked, context_of
from service.http.body import read_query
from service.http.headers import idempotency_key_of
from service.jobs.submission import own_upload
from service.jobs.views import answer
from service.kept import Kept
from service.once import answered_once
from service.openapi.describe import KEYED, About, Answer, about, reads
from service.problems import FieldError, Refused, invalid
from service.schemas.requests import UploadQuery
from service.schemas.responses import UploadView
from service.uploads.keyed_upload import uploaded_once
from service.uploads.lifecycle import check_room, dropped, stored, upload_view
from service.uploads.receive import NamedFile, boundary_of, bounded, check_announced, first_file, named

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
            {201: Answer("It is kept.", UploadView, headers=("Location", "Idempotency-Replayed"))},
            scope="submit",
            refusals=(*KEYED, 408, 409, 413, 415, 422),
            query=UploadQuery,
            headers=("Idempotency-Key",),
            body=bytes,
            body_media=("application/octet-stream", "multipart/form-data"),
        )
    ),
)
async def upload_file(request: Asked) -> Response[bytes]:
    """Stream a file to storage; a refused or broken one leaves nothing behind."""
    parts, tenant = context_of(request), request.user.tenant
    query = read_query(request, UploadQuery)
    is_form = request.content_type[0] == "multipart/form-data"
    check_announced(request.content_length, multipart=is_form)
    file = await _file(request, query, is_form=is_form)
    key = idempotency_key_of(request.headers.get("idempotency-key"), path="/v1/uploads", body=b"")
    store = partial(_kept, parts, tenant, request.content_length or 0)
    done = await uploaded_once(parts, tenant, key.key_hash if key else None, file, store)
    return answered_once(done, status=201)


async def _kept(parts: ApiContext, tenant: str, announced_bytes: int, file: NamedFile) -> Kept:
    await check_room(parts, tenant, announced_bytes)
    upload = await stored(parts, tenant, file)
    location = f"{parts.settings.public_url}/v1/uploads/{upload.id}"
    view = upload_view(upload, upload.created_at_ms + UPLOAD_LIFE_MS)
    return Kept(upload.id, {"Location": location}, msgspec.json.encode(view))


async def _file(request: Asked, query: UploadQuery, *, is_form: bool) -> NamedFile:
    chunks = bounded(_arriving(request))
    if is_form:
        name, chunks = await first_file(chunks, boundary_of(request.headers.get("content-type", "")))
        return named(query.filename or name, chunks)
    if query.filename is None:
        raise invalid([FieldError(pointer="/filename", code="missing_field", detail="Add ?filename=clip.mp4.")])
    return named(query.filename, chunks)


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


@reads(
    "/v1/uploads/{upload_id:str}",
    guards=[needs("read")],
    opt=about(About("readUpload", "Read an upload", "Uploads", {200: Answer("The upload.", UploadView)}, scope="read")),
)
async def read_upload(request: Asked, upload_id: FromPath[str]) -> Response[bytes]:
    """Read what is known of an upload."""
    upload, goes_ms = await own_upload(context_of(request), request.user.tenant, upload_id)
    return answer(upload_view(upload, goes_ms))


@delete(
    "/v1/uploads/{upload_id:str}",
    guards=[needs("submit")],
    status_code=204,
    opt=about(About("deleteUpload", "Delete an upload", "Uploads", {204: Answer("It is gone.")}, scope="submit")),
)
async def delete_upload(request: Asked, upload_id: FromPath[str]) -> None:
    """Delete an upload now."""
    parts = context_of(request)
    upload, _ = await own_upload(parts, request.user.tenant, upload_id)
    await dropped(parts, upload)


HANDLERS = (upload_file, read_upload, delete_upload)

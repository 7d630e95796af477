"""Uploads: received as a raw body or as a form, kept until 24 h after their last use."""

from functools import partial

import msgspec
from litestar import Response, delete, post
from litestar.params import FromPath

from service.auth import require_scope
from service.context import ApiContext, ApiRequest, context_of
from service.http.body import read_query
from service.http.responses import encoded_response, json_response
from service.idempotency import StoredResponse, key_of, run_once
from service.lookup import own_upload
from service.openapi.describe import KEYED, About, Answer, about, reads
from service.schemas.requests import UploadQuery
from service.schemas.responses import UploadView
from service.uploads.hashed_file import HashedFile
from service.uploads.inspector import NamedFile
from service.uploads.lifecycle import check_quota, store_file, upload_view
from service.uploads.lifecycle import delete_upload as delete_file
from service.uploads.receive import receive_file


@post(
    "/v1/uploads",
    guards=[require_scope("submit")],
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
async def upload_file(request: ApiRequest) -> Response[bytes]:
    """Stream a file to storage; a refused or broken one leaves nothing behind."""
    context, tenant = context_of(request), request.user.tenant
    query = read_query(request, UploadQuery)
    hashed = HashedFile(await receive_file(request, query.filename))
    store = partial(_store, context, tenant, request.content_length or 0, hashed.file)
    made = await run_once(context, tenant, key_of(request, body=None), store, streamed=hashed)
    return encoded_response(made.body, status=201, headers=made.headers)


async def _store(context: ApiContext, tenant: str, announced_bytes: int, file: NamedFile) -> StoredResponse:
    await check_quota(context, tenant, announced_bytes)
    upload = await store_file(context, tenant, file)
    location = f"{context.settings.public_url}/v1/uploads/{upload.id}"
    return StoredResponse(upload.id, {"Location": location}, msgspec.json.encode(upload_view(upload)))


@reads(
    "/v1/uploads/{upload_id:str}",
    guards=[require_scope("read")],
    opt=about(About("readUpload", "Read an upload", "Uploads", {200: Answer("The upload.", UploadView)}, scope="read")),
)
async def read_upload(request: ApiRequest, upload_id: FromPath[str]) -> Response[bytes]:
    """Read what is known of an upload."""
    upload, expires_at_ms = await own_upload(context_of(request), request.user.tenant, upload_id)
    return json_response(upload_view(upload, expires_at_ms))


@delete(
    "/v1/uploads/{upload_id:str}",
    guards=[require_scope("submit")],
    status_code=204,
    opt=about(About("deleteUpload", "Delete an upload", "Uploads", {204: Answer("It is gone.")}, scope="submit")),
)
async def delete_upload(request: ApiRequest, upload_id: FromPath[str]) -> None:
    """Delete an upload now."""
    context = context_of(request)
    upload, _ = await own_upload(context, request.user.tenant, upload_id)
    await delete_file(context, upload)


HANDLERS = (upload_file, read_upload, delete_upload)

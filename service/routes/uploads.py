"""Uploads: received as a raw body or as a form, kept until 24 h after their last use."""

from functools import partial

import msgspec
from litestar import Response, delete, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from core.storage.upload_files import remove_upload
from core.store.idempotency import StoredResponse
from service.auth import RequireScope
from service.body_room import upload_room_bytes
from service.context import ApiContext, ApiRequest, context_of
from service.http.json_response import encoded_response, json_response
from service.http.pagination import page_response
from service.http.query import query_params
from service.idempotency import IdempotencyKeyHeader, parse_key, run_once
from service.lookup import own_upload, require_cursor
from service.openapi.describe import IDEMPOTENT, QUERY, Refusals, ResponseDoc, file_body, problems, reads
from service.schemas.requests import UploadQuery, UploadsQuery
from service.schemas.responses import UploadPage, UploadView
from service.uploads.hashed_file import HashedFile
from service.uploads.inspector import NamedFile
from service.uploads.lifecycle import check_quota, store_file, upload_view
from service.uploads.receive import receive_file

#: a file that is not taken
UPLOAD: Refusals = {
    408: ("request_timeout",),
    413: ("media_too_large", "storage_full"),
    415: ("unsupported_media", "unsupported_media_type"),
    422: ("missing_field", "too_long"),
    429: ("rate_limited",),
    503: ("overloaded",),
}


@post(
    "/v1/uploads",
    guards=[RequireScope("submit")],
    status_code=201,
    request_max_body_size=None,
    operation_id="uploadFile",
    summary="Upload a file",
    tags=["Uploads"],
    responses={201: ResponseDoc("The file is kept.", UploadView, headers=("Location", "Idempotency-Replayed"))}
    | problems(UPLOAD, IDEMPOTENT, QUERY),
    dependencies={"params": query_params(UploadQuery)},
    opt=file_body(),
)
async def upload_file(
    request: ApiRequest, params: NamedDependency[UploadQuery], idempotency_key: IdempotencyKeyHeader = None
) -> Response[bytes]:
    """Take a file, as a raw body or a form, and keep it for jobs; a refused or broken one leaves nothing behind.

    When: your media are not on a public URL. Use the id in `media[].upload_id`, in as many jobs as you like.
    Cost: nothing but room: its bytes count against the tenant's limit until a day after its last use.
    """
    context, tenant = context_of(request), request.user.tenant
    key = parse_key(idempotency_key, path=request.scope["path"], body=None)
    with context.body_room.hold(tenant, upload_room_bytes(request.content_length)) as room:
        hashed = HashedFile(await receive_file(request, params.filename, room))
        store = partial(_store, context, tenant, request.content_length or 0, hashed.file)
        made = await run_once(context, tenant, key, store, streamed=hashed)
    return encoded_response(made.body, status=201, headers=made.headers)


async def _store(context: ApiContext, tenant: str, announced_bytes: int, file: NamedFile) -> StoredResponse:
    await check_quota(context, tenant, announced_bytes)
    upload = await store_file(context, tenant, file)
    location = f"{context.settings.public_url}/v1/uploads/{upload.id}"
    return StoredResponse(upload.id, {"Location": location}, msgspec.json.encode(upload_view(upload)))


@reads(
    "/v1/uploads",
    guards=[RequireScope("read")],
    operation_id="listUploads",
    summary="List uploads, newest first",
    tags=["Uploads"],
    responses={200: ResponseDoc("A page of uploads.", UploadPage, headers=("Link",))} | problems(QUERY),
    dependencies={"params": query_params(UploadsQuery)},
)
async def list_uploads(request: ApiRequest, params: NamedDependency[UploadsQuery]) -> Response[bytes]:
    """List the files that are kept for the tenant's jobs, and until when.

    When: its room is full, or an id was lost.
    Cost: nothing; listing does not keep them for longer.
    """
    context = context_of(request)
    require_cursor(context, params.after, "upl")
    found = await context.uploads.page(request.user.tenant, after=params.after, limit=params.limit + 1)
    rows = [upload_view(upload, goes_ms) for upload, goes_ms in found[: params.limit]]
    return page_response(request, rows, public_url=context.settings.public_url, more=len(found) > params.limit)


@reads(
    "/v1/uploads/{upload_id:str}",
    guards=[RequireScope("read")],
    operation_id="readUpload",
    summary="Read an upload",
    tags=["Uploads"],
    responses={200: ResponseDoc("The upload.", UploadView)} | problems(),
)
async def read_upload(request: ApiRequest, upload_id: FromPath[str]) -> Response[bytes]:
    """Give what is known of an upload, and until when it is kept.

    When: before a job names an upload that may be gone.
    Cost: nothing; reading does not keep it for longer.
    """
    upload, expires_at_ms = await own_upload(context_of(request), request.user.tenant, upload_id)
    return json_response(upload_view(upload, expires_at_ms))


@delete(
    "/v1/uploads/{upload_id:str}",
    guards=[RequireScope("submit")],
    status_code=204,
    operation_id="deleteUpload",
    summary="Delete an upload",
    tags=["Uploads"],
    responses={204: ResponseDoc("It is gone.")} | problems(),
)
async def delete_upload(request: ApiRequest, upload_id: FromPath[str]) -> None:
    """Delete an upload now, instead of a day after its last use.

    When: its jobs have ended, or the tenant's room is full. A job that names it and has not begun fails.
    Cost: nothing, and there is no way back.
    """
    context = context_of(request)
    upload, _ = await own_upload(context, request.user.tenant, upload_id)
    await remove_upload(context.storage, context.uploads, upload)

"""Uploads: received as a raw body or as a form, kept until 24 h after their last use."""

from functools import partial

import msgspec
from litestar import Response, delete, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from core.store.idempotency import StoredResponse
from service.auth import RequireScope
from service.context import ApiContext, ApiRequest, context_of
from service.http.json_response import encoded_response, json_response
from service.http.query import query_params
from service.idempotency import IdempotencyKeyHeader, parse_key, run_once
from service.lookup import own_upload
from service.openapi.describe import ResponseDoc, file_body, problems, reads
from service.schemas.requests import UploadQuery
from service.schemas.responses import UploadView
from service.uploads.hashed_file import HashedFile
from service.uploads.inspector import NamedFile
from service.uploads.lifecycle import check_quota, remove_upload, store_file, upload_view
from service.uploads.receive import receive_file


@post(
    "/v1/uploads",
    guards=[RequireScope("submit")],
    status_code=201,
    request_max_body_size=None,
    operation_id="uploadFile",
    summary="Upload a file",
    tags=["Uploads"],
    responses={201: ResponseDoc("It is kept.", UploadView, headers=("Location", "Idempotency-Replayed"))}
    | problems(408, 409, 413, 415, 422),
    dependencies={"params": query_params(UploadQuery)},
    opt=file_body(),
)
async def upload_file(
    request: ApiRequest, params: NamedDependency[UploadQuery], idempotency_key: IdempotencyKeyHeader = None
) -> Response[bytes]:
    """Stream a file to storage; a refused or broken one leaves nothing behind."""
    context, tenant = context_of(request), request.user.tenant
    hashed = HashedFile(await receive_file(request, params.filename))
    store = partial(_store, context, tenant, request.content_length or 0, hashed.file)
    made = await run_once(
        context, tenant, parse_key(idempotency_key, path=request.scope["path"], body=None), store, streamed=hashed
    )
    return encoded_response(made.body, status=201, headers=made.headers)


async def _store(context: ApiContext, tenant: str, announced_bytes: int, file: NamedFile) -> StoredResponse:
    await check_quota(context, tenant, announced_bytes)
    upload = await store_file(context, tenant, file)
    location = f"{context.settings.public_url}/v1/uploads/{upload.id}"
    return StoredResponse(upload.id, {"Location": location}, msgspec.json.encode(upload_view(upload)))


@reads(
    "/v1/uploads/{upload_id:str}",
    guards=[RequireScope("read")],
    operation_id="readUpload",
    summary="Read an upload",
    tags=["Uploads"],
    responses={200: ResponseDoc("The upload.", UploadView)} | problems(),
)
async def read_upload(request: ApiRequest, upload_id: FromPath[str]) -> Response[bytes]:
    """Read what is known of an upload."""
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
    """Delete an upload now."""
    context = context_of(request)
    upload, _ = await own_upload(context, request.user.tenant, upload_id)
    await remove_upload(context, upload)

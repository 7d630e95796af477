"""Presigned uploads: a file goes straight to storage (S3) by a signed URL, and is looked at when it has come."""

from functools import partial

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from core.clock import rfc3339
from core.store.idempotency import StoredResponse
from service.auth import RequireScope
from service.context import ApiContext, ApiRequest, context_of
from service.http.json_response import encoded_response, json_response
from service.http.query import query_params
from service.idempotency import IdempotencyKeyHeader, parse_key, run_once
from service.lookup import own_expected_upload, own_upload
from service.openapi.describe import IDEMPOTENT, QUERY, ResponseDoc, problems
from service.problems import ApiError
from service.schemas.requests import UploadQuery
from service.schemas.responses import PresignedUpload, UploadView
from service.uploads import presigned
from service.uploads.lifecycle import check_quota, upload_view
from service.uploads.receive import required_name

#: how long a URL to storage can be used
_URL_LIFE_S = 3600


@post(
    "/v1/uploads:presign",
    guards=[RequireScope("submit")],
    status_code=201,
    operation_id="presignUpload",
    summary="Get a URL to send a file straight to storage (with S3 as storage)",
    tags=["Uploads"],
    responses={
        201: ResponseDoc(
            "PUT the file to `url`, then POST to `complete`.", PresignedUpload, headers=("Idempotency-Replayed",)
        )
    }
    | problems(
        IDEMPOTENT,
        QUERY,
        {
            409: ("not_available",),
            413: ("storage_full",),
            415: ("unsupported_media",),
            422: ("missing_field", "too_long"),
        },
    ),
    dependencies={"params": query_params(UploadQuery)},
)
async def presign_upload(
    request: ApiRequest, params: NamedDependency[UploadQuery], idempotency_key: IdempotencyKeyHeader = None
) -> Response[bytes]:
    """Give a signed URL to which a file can be sent straight to storage, past this API.

    When: files are large or many, and the installation keeps them in S3; else 409, and `POST /v1/uploads` takes them.
    Cost: nothing. The URL works for an hour; a file that is never completed is deleted.
    """
    context, tenant = context_of(request), request.user.tenant
    name = required_name(params.filename)
    key = parse_key(idempotency_key, path=request.scope["path"], body=name.encode())
    made = await run_once(context, tenant, key, partial(_expect, context, tenant, name))
    return encoded_response(made.body, status=201, headers=made.headers)


async def _expect(context: ApiContext, tenant: str, name: str) -> StoredResponse:
    await check_quota(context, tenant, 0)
    upload = presigned.new_sent_upload(context, tenant, name)
    url = await context.storage.put_url(upload.path, for_s=_URL_LIFE_S)
    if url is None:
        raise ApiError(409, "not_available", "Files are stored in a folder here: send them to POST /v1/uploads.")
    until_ms = upload.created_at_ms + _URL_LIFE_S * 1000
    await context.uploads.expect(upload, url_until_ms=until_ms)
    place = PresignedUpload(
        id=upload.id,
        filename=name,
        url=url,
        complete=f"{context.settings.public_url}/v1/uploads/{upload.id}/complete",
        expires_at=rfc3339(until_ms),
    )
    return StoredResponse(upload.id, {}, msgspec.json.encode(place))


@post(
    "/v1/uploads/{upload_id:str}/complete",
    guards=[RequireScope("submit")],
    status_code=200,
    operation_id="completeUpload",
    summary="Say that a file has been sent straight to storage",
    tags=["Uploads"],
    responses={200: ResponseDoc("The file is kept.", UploadView)}
    | problems(
        {
            409: ("not_uploaded",),
            413: ("media_too_large", "storage_full"),
            415: ("unsupported_media",),
            429: ("rate_limited",),
            503: ("overloaded",),
        }
    ),
)
async def complete_upload(request: ApiRequest, upload_id: FromPath[str]) -> Response[bytes]:
    """Look at a file that has come straight to storage, and keep a copy; one that is refused is deleted.

    When: your PUT to the presigned `url` was answered. A job can use the file from then on; what is sent to `url` later
    changes nothing. Safe to repeat.
    Cost: nothing but room, as for any upload; a large file takes the storage some seconds to copy.
    """
    context, tenant = context_of(request), request.user.tenant
    if expected := await own_expected_upload(context, tenant, upload_id):
        with context.body_room.hold(tenant, presigned.LOOK_ROOM_BYTES):
            await presigned.keep_what_was_sent(context, expected)
    upload, expires_at_ms = await own_upload(context, tenant, upload_id)
    return json_response(upload_view(upload, expires_at_ms))

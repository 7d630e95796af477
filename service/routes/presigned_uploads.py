"""Uploads that go straight to storage (S3): a place is given out, the file comes there, and is looked at when it has come."""

from functools import partial

import msgspec
from litestar import Response, post
from litestar.params import FromPath

from core.clock import rfc3339
from core.file_names import plain_name
from core.formats import HEAD_BYTES
from core.ids import is_id
from core.storage import FileMissing
from core.store.uploads import UPLOAD_LIFE_MS
from service.auth import needs
from service.context import ApiContext, Asked, context_of
from service.http.body import read_query
from service.http.headers import idempotency_key_of
from service.jobs.submission import own_upload
from service.jobs.views import answer
from service.kept import Kept
from service.once import answered_once, once
from service.openapi.describe import KEYED, About, Answer, about
from service.problems import FieldError, Refused, invalid
from service.schemas.requests import UploadQuery
from service.schemas.responses import UploadPlace, UploadView
from service.uploads.lifecycle import check_room, dropped, expected, kept, upload_view
from service.uploads.receive import Inspector, check_announced

#: how long a URL to storage can be used
_PLACE_LIFE_S = 3600


@post(
    "/v1/uploads:presign",
    guards=[needs("submit")],
    status_code=201,
    opt=about(
        About(
            "presignUpload",
            "Get a URL to send a file straight to storage (with S3 as storage)",
            "Uploads",
            {
                201: Answer(
                    "PUT the file to `url`, then POST to `complete`.", UploadPlace, headers=("Idempotency-Replayed",)
                )
            },
            scope="submit",
            headers=("Idempotency-Key",),
            refusals=(*KEYED, 409, 413, 415, 422),
            query=UploadQuery,
        )
    ),
)
async def presign_upload(request: Asked) -> Response[bytes]:
    """Expect a file that comes to storage without us."""
    parts, tenant = context_of(request), request.user.tenant
    query = read_query(request, UploadQuery)
    if query.filename is None:
        raise invalid([FieldError(pointer="/filename", code="missing_field", detail="Add ?filename=clip.mp4.")])
    path, name = "/v1/uploads:presign", plain_name(query.filename)
    call = idempotency_key_of(request.headers.get("idempotency-key"), path=path, body=name.encode())
    return answered_once(await once(parts, tenant, call, partial(_expecting, parts, tenant, name)), status=201)


async def _expecting(parts: ApiContext, tenant: str, name: str) -> Kept:
    await check_room(parts, tenant, 0)
    coming = expected(parts, tenant, name, Inspector(name).format)
    url = await parts.storage.put_url(coming.path, for_s=_PLACE_LIFE_S)
    if url is None:
        raise Refused(409, "not_available", "Files are stored in a folder here: send them to POST /v1/uploads.")
    await parts.uploads.expect(coming)
    place = UploadPlace(
        id=coming.id,
        filename=name,
        url=url,
        complete=f"{parts.settings.public_url}/v1/uploads/{coming.id}/complete",
        expires_at=rfc3339(coming.created_at_ms + _PLACE_LIFE_S * 1000),
    )
    return Kept(coming.id, {}, msgspec.json.encode(place))


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
    parts, tenant = context_of(request), request.user.tenant
    coming = await parts.uploads.expected(upload_id) if is_id(upload_id, "upl") else None
    if coming is None or coming.tenant != tenant:
        upload, goes_ms = await own_upload(parts, tenant, upload_id)
        return answer(upload_view(upload, goes_ms))
    try:
        size_bytes = await parts.storage.size_bytes(coming.path)
        head = await parts.storage.head(coming.path, HEAD_BYTES)
    except FileMissing:
        raise Refused(409, "not_uploaded", "The file is not there yet: PUT it to its url first.") from None
    try:
        check_announced(size_bytes, multipart=False)
        found = Inspector(coming.filename).look_at(head)
    except Refused:
        await dropped(parts, coming)
        raise
    upload = await kept(parts, msgspec.structs.replace(coming, format=found), size_bytes)
    return answer(upload_view(upload, upload.created_at_ms + UPLOAD_LIFE_MS))


HANDLERS = (presign_upload, complete_upload)

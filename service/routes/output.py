"""A job's timeline and output file, for a key with the read scope or for whoever holds the signed link."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

from litestar import Response
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream

from core.http.dates import format_http_date
from core.ids import cell_of, is_id
from core.logs import get_logger
from core.model.job import Job
from core.security.signed_links import output_path, verify_path
from core.storage.errors import FileMissing, StorageDown
from service.auth import RequireScope, authorize
from service.context import ApiContext, ApiRequest, context_of
from service.http.body import AT_END, HANG_UP
from service.http.conditions import Conditions, Validators, evaluate, takes_range
from service.http.headers import (
    IfMatchHeader,
    IfModifiedSinceHeader,
    IfNoneMatchHeader,
    IfRangeHeader,
    IfUnmodifiedSinceHeader,
    RangeHeader,
)
from service.http.query import query_params
from service.http.ranges import RangeNotSatisfiable, parse_range
from service.lookup import own_job
from service.openapi.describe import QUERY, ResponseDoc, problems, reads
from service.problems import ApiError, not_found, refuse_foreign
from service.schemas.requests import LinkQuery

log = get_logger(__name__)

#: what comes with the file and with a part of it
FILE_HEADERS = ("ETag", "Last-Modified", "Cache-Control", "Content-Disposition")
MEDIA_TYPES = {"mp4": "video/mp4", "mov": "video/quicktime", "webm": "video/webm"}
_OTHER_MEDIA = "application/octet-stream"
#: each reader has two pieces in memory, however slow it is, and there may be a thousand
_PIECE_BYTES = 1 << 18
#: what a film may be sent as; makers of clients that know no video take the first
_FILMS = (_OTHER_MEDIA, *MEDIA_TYPES.values())


@reads(
    "/v1/jobs/{job_id:str}/timeline",
    guards=[RequireScope("read")],
    operation_id="readTimeline",
    summary="Read a job's timeline",
    tags=["Jobs"],
    responses={
        200: ResponseDoc(
            "The tracks, or the one-line summary.", Any, media=("application/json", "text/plain"), example="timeline"
        )
    }
    | problems(),
)
async def read_timeline(request: ApiRequest, job_id: FromPath[str]) -> Response[Any]:
    """Give the timeline after the job's edit: its tracks as JSON, or one line of text for `Accept: text/plain`.

    When: to show what an edit did, or to check an `edit_unconfirmed` before a replay. 404 until there is one.
    Cost: nothing.
    """
    context = context_of(request)
    job = await own_job(context, request.user.tenant, job_id)
    tracks = await context.jobs.field(job.id, "tracks")
    return timeline_response(request, job.timeline, None if job.data_removed else tracks)


def timeline_response(request: ApiRequest, summary: str | None, tracks: bytes | None) -> Response[Any]:
    """Write a timeline as it is accepted. Raises ApiError (404) where there is none yet."""
    accept = request.headers.get("accept", "")
    if "text/plain" in accept and "application/json" not in accept:
        if summary is None:
            raise not_found("timeline (yet)")
        return Response(summary, media_type="text/plain")
    if tracks is None:
        raise not_found("timeline (yet)")
    return Response(tracks, media_type="application/json")


@reads(
    "/v1/jobs/{job_id:str}/output",
    operation_id="readOutput",
    summary="Download the finished file",
    tags=["Jobs"],
    responses={
        200: ResponseDoc("The whole file.", media=_FILMS, headers=(*FILE_HEADERS, "Accept-Ranges")),
        206: ResponseDoc(
            "The part that `Range` asked for.",
            media=_FILMS,
            headers=(*FILE_HEADERS, "Content-Range"),
        ),
        302: ResponseDoc(
            "Files are not kept here: it is at the backend's.",
            media=("text/plain",),
            headers=("Location",),
            example="redirect",
        ),
        304: ResponseDoc("You have it already.", headers=("ETag", "Last-Modified")),
    }
    | problems(
        QUERY,
        {
            403: ("link_expired",),
            412: ("precondition_failed",),
            416: ("range_not_satisfiable",),
            429: ("rate_limited",),
            503: ("overloaded",),
        },
    ),
    security=[{"apiKey": ["read"]}, {}],
    dependencies={"params": query_params(LinkQuery)},
)
async def read_output(
    request: ApiRequest,
    job_id: FromPath[str],
    params: NamedDependency[LinkQuery],
    *,
    byte_range: RangeHeader = None,
    if_match: IfMatchHeader = None,
    if_unmodified_since: IfUnmodifiedSinceHeader = None,
    if_none_match: IfNoneMatchHeader = None,
    if_modified_since: IfModifiedSinceHeader = None,
    if_range: IfRangeHeader = None,
) -> Response[Any] | Stream:
    """Stream the film from storage, or lead to where it is; for a key, or for whoever has the signed link.

    When: `output` is there. Go on after a break with `Range` and `If-Range`. Copy what you want to keep for longer than
    `retention_s`.
    Cost: nothing.
    """
    context = context_of(request)
    job = await _find_job(request, context, job_id, params)
    file = job.output
    if file is None:
        raise not_found("output (yet)")
    if file.path is None:
        if not file.backend_url:
            raise not_found("output (any more)")
        return Response(None, status_code=302, media_type="text/plain", headers={"Location": file.backend_url})
    film = _StoredFilm(job.id, job.tenant, file.path, file.format, _validators(job))
    asked = Conditions(if_match, if_unmodified_since, if_none_match, if_modified_since, if_range)
    # only GET has ranges (RFC 9110, 14.2)
    wanted = byte_range if request.method == "GET" else None
    try:
        return await _conditional(request, film, asked, wanted)
    except FileMissing:
        raise not_found("output (any more)") from None


async def _find_job(request: ApiRequest, context: ApiContext, job_id: str, link: LinkQuery) -> Job:
    """Find the job for who may see it: by a signed link, else by a key."""
    if link.signature is None or link.expires is None:
        caller = await authorize(request, "read")
        return await own_job(context, caller.tenant, job_id)
    refuse_foreign("link", cell_of(job_id), here=context.settings.cell)
    good = verify_path(
        context.encryption.link_keys,
        path=output_path(job_id),
        expires_at_s=link.expires,
        signature=link.signature,
        now_s=context.clock.now_ms() // 1000,
    )
    if not good:
        raise ApiError(403, "link_expired", "This link is not good (any more); read the job for a fresh one.")
    job = await context.jobs.load(job_id) if is_id(job_id, "job") else None
    if job is None:
        raise not_found("job")
    return job


class _StoredFilm(NamedTuple):
    """A job's film in our storage."""

    job_id: str
    tenant: str
    path: str
    format: str
    validators: Validators


async def _conditional(
    request: ApiRequest, film: _StoredFilm, asked: Conditions, byte_range: str | None
) -> Response[Any] | Stream:
    """Answer for a film that is there, as far as the caller's conditions want it. Raises ApiError (412, 416), FileMissing."""
    size_bytes = await context_of(request).storage.size_bytes(film.path)
    headers, etag = _file_headers(film), film.validators.etag
    match evaluate(asked, film.validators):
        case "failed":
            raise ApiError(412, "precondition_failed", f"It is {etag}.", headers={"ETag": etag})
        case "unchanged":
            return Response(None, status_code=304, headers=headers)
        case "met":
            wanted = byte_range if takes_range(asked.if_range, film.validators) else None
            return await _stream_film(request, film, size_bytes, headers, wanted)


async def _stream_film(
    request: ApiRequest, film: _StoredFilm, size_bytes: int, headers: dict[str, str], byte_range: str | None
) -> Stream:
    """Stream a film, or the part of it that the Range header asks for. Raises ApiError (416, 429, 503), FileMissing."""
    try:
        part = parse_range(byte_range, size_bytes=size_bytes)
    except RangeNotSatisfiable:
        where = {"Content-Range": f"bytes */{size_bytes}"}
        raise ApiError(416, "range_not_satisfiable", f"It has {size_bytes} bytes.", headers=where) from None
    start, end = part or (0, size_bytes)
    headers = headers | {"Content-Length": str(end - start)}
    if part:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size_bytes}"
    media_type = MEDIA_TYPES.get(film.format, _OTHER_MEDIA)
    chunks = iter(()) if request.method == "HEAD" else await _chunks(request, film, start, end)
    return Stream(chunks, status_code=206 if part else 200, headers=headers, media_type=media_type)


async def _chunks(request: ApiRequest, film: _StoredFilm, start: int, end: int) -> AsyncIterator[bytes]:
    """Read a film by pieces, for which there is room until the answer has ended. Raises ApiError (429, 503), FileMissing."""
    context = context_of(request)
    at_end: ExitStack = request.scope[AT_END]  # type: ignore[literal-required]
    hang_up: Callable[[], None] = request.scope[HANG_UP]  # type: ignore[literal-required]
    room = at_end.enter_context(context.body_room.hold(film.tenant, min(2 * _PIECE_BYTES, end - start), hang_up))
    film_part = await context.storage.read(film.path, start=start, end=end, piece_bytes=_PIECE_BYTES)
    return room.as_read(_as_far_as_it_comes(film_part.chunks, hang_up))


async def _as_far_as_it_comes(chunks: AsyncIterator[bytes], hang_up: Callable[[], None]) -> AsyncIterator[bytes]:
    """Pass a film on. Its answer has begun: where it is deleted now, or the storage goes away, its reader is hung up on."""
    try:
        async for chunk in chunks:
            yield chunk
    except (FileMissing, StorageDown) as gone:
        log.warning("a film broke off on its way out", error=type(gone).__name__)
        hang_up()
        await asyncio.Event().wait()  # whoever reads here is stopped with his connection


def _validators(job: Job) -> Validators:
    """A job's film is made once; it is done when its job is."""
    return Validators(f'"{job.id}"', (job.finished_at_ms or job.created_at_ms) // 1000)


def _file_headers(film: _StoredFilm) -> dict[str, str]:
    return {
        "Accept-Ranges": "bytes",
        "ETag": film.validators.etag,
        "Last-Modified": format_http_date(film.validators.modified_s),
        "Cache-Control": "private, max-age=3600",
        "Content-Disposition": f'attachment; filename="{film.job_id}.{film.format}"',
    }

"""What a job made: its timeline, and the file, for a key with the read scope or for whoever holds the signed link."""

from typing import Any

from litestar import Response
from litestar.params import FromPath
from litestar.response import Stream

from core.ids import is_id
from core.model.job import Job, OutputFile
from core.security.links import output_path
from core.security.signing import verify_path
from core.storage import FileMissing
from service.auth import authorize, require_scope
from service.context import ApiContext, ApiRequest, context_of
from service.http.body import read_query
from service.http.ranges import RangeNotSatisfiable, parse_range
from service.lookup import own_job
from service.openapi.describe import KEYED, About, Answer, about, reads
from service.problems import ApiError, not_found
from service.schemas.requests import LinkQuery

#: what comes with the file and with a part of it
FILE_HEADERS = ("ETag", "Cache-Control", "Content-Disposition")
MEDIA_TYPES = {"mp4": "video/mp4", "mov": "video/quicktime", "webm": "video/webm"}


@reads(
    "/v1/jobs/{job_id:str}/timeline",
    guards=[require_scope("read")],
    opt=about(
        About(
            "readTimeline",
            "Read a job's timeline",
            "Jobs",
            {200: Answer("The tracks, or the one-line summary.", Any, media=("application/json", "text/plain"))},
            scope="read",
        )
    ),
)
async def read_timeline(request: ApiRequest, job_id: FromPath[str]) -> Response[Any]:
    """Give the tracks after the job's edit; text/plain is the one-line summary."""
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
    opt=about(
        About(
            "readOutput",
            "Download the finished file",
            "Jobs",
            {
                200: Answer("The file.", media=tuple(MEDIA_TYPES.values()), headers=(*FILE_HEADERS, "Accept-Ranges")),
                206: Answer(
                    "A part of it.", media=tuple(MEDIA_TYPES.values()), headers=(*FILE_HEADERS, "Content-Range")
                ),
                302: Answer(
                    "Files are not kept here: it is at the backend's.", media=("text/plain",), headers=("Location",)
                ),
                304: Answer("You have it already.", headers=("ETag",)),
            },
            scope="read",
            refusals=(*KEYED, 416, 422),
            query=LinkQuery,
            headers=("Range", "If-Range", "If-None-Match"),
        )
    ),
)
async def read_output(request: ApiRequest, job_id: FromPath[str]) -> Response[Any] | Stream:
    """Stream the file from storage, or lead to where it is."""
    context = context_of(request)
    job = await _find_job(request, context, job_id)
    file = job.output
    if file is None:
        raise not_found("output (yet)")
    if file.path is None:
        if not file.backend_url:
            raise not_found("output (any more)")
        return Response(None, status_code=302, media_type="text/plain", headers={"Location": file.backend_url})
    return await _stream_file(request, context, job, file, file.path)


async def _find_job(request: ApiRequest, context: ApiContext, job_id: str) -> Job:
    """Find the job for who may see it: by a signed link, else by a key."""
    link = read_query(request, LinkQuery)
    if link.signature is None or link.expires is None:
        caller = await authorize(request, "read")
        return await own_job(context, caller.tenant, job_id)
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


async def _stream_file(
    request: ApiRequest, context: ApiContext, job: Job, file: OutputFile, path: str
) -> Response[Any] | Stream:
    try:
        size_bytes = await context.storage.size_bytes(path)
    except FileMissing:
        raise not_found("output (any more)") from None
    headers = _file_headers(job, file)
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(None, status_code=304, headers=headers)
    try:
        wanted = parse_range(_wanted_range(request, headers["ETag"]), size_bytes=size_bytes)
    except RangeNotSatisfiable:
        where = {"Content-Range": f"bytes */{size_bytes}"}
        raise ApiError(416, "range_not_satisfiable", f"It has {size_bytes} bytes.", headers=where) from None
    start, end = wanted or (0, size_bytes)
    headers["Content-Length"] = str(end - start)
    if wanted:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size_bytes}"
    media_type = MEDIA_TYPES.get(file.format, "application/octet-stream")
    status = 206 if wanted else 200
    if request.method == "HEAD":
        return Stream(iter(()), status_code=status, headers=headers, media_type=media_type)
    found = await context.storage.read(path, start=start, end=end)
    return Stream(found.chunks, status_code=status, headers=headers, media_type=media_type)


def _file_headers(job: Job, file: OutputFile) -> dict[str, str]:
    return {
        "Accept-Ranges": "bytes",
        "ETag": f'"{job.id}"',
        "Cache-Control": "private, max-age=3600",
        "Content-Disposition": f'attachment; filename="{job.id}.{file.format}"',
    }


def _wanted_range(request: ApiRequest, tag: str) -> str | None:
    """Take the range unless it was meant for another version of the file."""
    condition = request.headers.get("if-range")
    return request.headers.get("range") if condition in (None, tag) else None


HANDLERS = (read_timeline, read_output)

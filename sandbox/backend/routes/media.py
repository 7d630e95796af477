"""The calls that move films: upload, export with its status, cancel and download, and the addresses that files have."""

from typing import Any

from litestar import get, post
from litestar.datastructures import UploadFile
from litestar.exceptions import NotFoundException
from litestar.response import File

from sandbox.backend import refusals, render_status
from sandbox.backend.files import ROOT
from sandbox.backend.routes.calls import Call, base_url, done, json_of, state_of
from sandbox.backend.sessions import video_info
from sandbox.backend.uploads import Taken, limit_bytes

ATTRIBUTION = ("x-skill-source", "x-skill-version", "x-skill-platform")


@post("/api/upload-video/nemo_agent/me/{session_id:str}", status_code=200, request_max_body_size=None)
async def upload(request: Call, session_id: str) -> dict[str, Any]:
    """All files of a call, or none of them."""
    state = state_of(request)
    token = state.tokens.caller(request.headers, "upload")
    session = state.sessions.find(session_id, token)
    is_form = request.content_type[0] == "multipart/form-data"
    taken = await (_taken_from_form(request) if is_form else _taken_from_urls(request))
    for one in taken:
        session.take(one)
    return done({"files": [video_info(one) for one in taken], "session_state_applied": True})


async def _taken_from_form(request: Call) -> list[Taken]:
    ingest, limit = state_of(request).ingest, limit_bytes(state_of(request).settings, request.headers)
    form = await request.form()
    files = [part for part in form.getall("files", []) if isinstance(part, UploadFile)]
    if not files:
        raise refusals.malformed("a form field `files` is required")
    try:
        return await ingest.all_of(
            await ingest.take_file(file, base_url=base_url(request), limit_bytes=limit) for file in files
        )
    finally:
        await form.close()


async def _taken_from_urls(request: Call) -> list[Taken]:
    ingest, limit = state_of(request).ingest, limit_bytes(state_of(request).settings, request.headers)
    body = await json_of(request)
    urls = body.get("urls")
    if body.get("source_type") != "url" or not isinstance(urls, list) or not urls:
        raise refusals.malformed("urls and source_type are required")
    return await ingest.all_of(
        await ingest.take_url(str(url), base_url=base_url(request), limit_bytes=limit) for url in urls
    )


@post("/api/render/proxy/lambda", status_code=200)
async def begin_render(request: Call) -> dict[str, Any]:
    state = state_of(request)
    token = state.tokens.caller(request.headers, "render")
    if any(not request.headers.get(name) for name in ATTRIBUTION):
        raise refusals.attribution_missing()
    body = await json_of(request)
    session = state.sessions.find(body.get("sessionId"), token)
    render_id, output = body.get("id"), body.get("output") or {}
    if not isinstance(render_id, str) or not render_id or not isinstance(output, dict):
        raise refusals.malformed("id, sessionId, draft and output are required")
    begun = state.renders.begin(token, session, render_id, body.get("draft"), output)
    return {"success": True, "data": {"id": begun.id, "status": begun.status, "progress": begun.progress}}


@get("/api/render/proxy/lambda/{render_id:str}")
async def read_render(request: Call, render_id: str) -> dict[str, Any]:
    state = state_of(request)
    found = state.renders.find(render_id, state.tokens.caller(request.headers, "read"))
    found.fetched = found.fetched or found.status == "completed"
    shape = render_status.shape_of(found, state.settings.render_shape)
    return render_status.written(found, shape, base_url(request))


@post("/api/render/proxy/lambda/{render_id:str}/cancel", status_code=200)
async def cancel_render(request: Call, render_id: str) -> dict[str, Any]:
    state = state_of(request)
    found = state.renders.find(render_id, state.tokens.caller(request.headers, "render"))
    await state.renders.cancel(found)
    return {"success": True, "data": {"id": found.id, "status": found.status}}


@get("/api/render/proxy/{render_id:str}/download")
async def download_render(request: Call, render_id: str) -> File:
    state = state_of(request)
    found = state.renders.find(render_id, state.tokens.caller(request.headers, "read"))
    film = state.renders.file_of(found)
    return File(film, filename=f"{found.id}{film.suffix}")


@get(f"/{ROOT}/{{secret:str}}/{{name:str}}")
async def serve_file(request: Call, secret: str, name: str) -> File:
    """Whoever knows the address has the file, as with a CDN."""
    path = state_of(request).file_store.find(secret)
    if path is None or path.name != name:
        raise NotFoundException
    return File(path, filename=path.name, content_disposition_type="inline")


ROUTES = [upload, begin_render, read_render, cancel_render, download_render, serve_file]

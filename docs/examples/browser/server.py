"""A page's own server: it keeps the API key, and passes on to each visitor what is theirs, and no more than they need.

`page.html` is what it serves. It keeps nothing: a cookie that it signs says who somebody is, and the metadata of a job says
whose the job is. Several of these can run side by side, and each can be restarted at any time, with the same COOKIE_SECRET.

    pip install litestar httpx uvicorn
    export REELGATE_API=https://… REELGATE_API_KEY=rg_… COOKIE_SECRET=…      # from `openssl rand -hex 32`, once
    python server.py
"""

import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import uvicorn
from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, State, UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions import HTTPException, NotFoundException
from litestar.handlers import BaseRouteHandler
from litestar.params import Body, FromPath
from litestar.response import Stream

API = os.environ["REELGATE_API"]
KEY = os.environ["REELGATE_API_KEY"]
SECRET = os.environ["COOKIE_SECRET"].encode()
PAGE = Path(__file__).with_name("page.html").read_text("utf-8")
#: what one film of a visitor may cost
MOST_CREDITS = 100
#: what the page needs to play and seek; whatever else came stays here
FILM_HEADERS = (
    "content-type", "content-length", "content-range", "accept-ranges", "etag", "cache-control", "location",
)  # fmt: skip
#: refusals that are the visitor's business; all others are between this server and Reelgate
TOLD = {404, 408, 413, 415, 416, 422, 429}
AWAY = "Films cannot be made right now."

Visit = Request[Any, Any, State]
Visitor = ASGIConnection[Any, Any, Any, State]
#: each visitor who watches holds a connection, so their number has no limit here
reelgate = httpx.AsyncClient(
    base_url=API,
    headers={"Authorization": f"Bearer {KEY}"},
    timeout=60,
    limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
)


def sign(visitor: str) -> str:
    return hmac.new(SECRET, visitor.encode(), hashlib.sha256).hexdigest()


def is_known(request: Visitor) -> bool:
    """Whether there is a cookie that only this server can have made."""
    visitor, _, signature = request.cookies.get("visitor", "").partition(".")
    return hmac.compare_digest(sign(visitor).encode(), signature.encode())


def visitor_of(request: Visitor) -> str:
    if not is_known(request):
        raise HTTPException("Open the page first.", status_code=401)
    return request.cookies["visitor"].partition(".")[0]


async def require_own(request: Visit, job_id: str) -> None:
    """Refuse a job that is not this visitor's, in the same words as one that never was."""
    visitor = visitor_of(request)
    if not re.fullmatch(r"job_[\w-]+", job_id, re.ASCII):
        raise NotFoundException
    answer = await reelgate.get(f"/v1/jobs/{job_id}")
    if answer.status_code == httpx.codes.NOT_FOUND or _read(answer)["metadata"].get("visitor") != visitor:
        raise NotFoundException


def require_visitor(connection: Visitor, _: BaseRouteHandler) -> None:
    """Refuse strangers before the file is read that they send."""
    visitor_of(connection)


@get("/", media_type=MediaType.HTML)
async def page(request: Visit) -> Response[str]:
    """Give the page, and somebody who comes for the first time a name. In a shop it would be the account's."""
    visitor = secrets.token_urlsafe(16)
    value = f"{visitor}.{sign(visitor)}"
    cookie = Cookie("visitor", value=value, httponly=True, samesite="strict", secure=_is_https(request))
    own = {"Cache-Control": "no-store"}  # no cache on the way gives one visitor's cookie to another
    return Response(PAGE, cookies=[] if is_known(request) else [cookie], headers=own)


@dataclass
class Wish:
    """The page's form. Its `id` is the same when the same wish is sent again."""

    id: str
    clip: UploadFile
    prompt: str


@post("/jobs", status_code=202, guards=[require_visitor])
async def submit(
    request: Visit, data: Annotated[Wish, Body(media_type=RequestEncodingType.MULTI_PART)]
) -> dict[str, Any]:
    """Pass the file on, and submit a job that names its visitor. A wish that comes twice is one film, and paid once."""
    visitor = visitor_of(request)
    once = {"Idempotency-Key": hashlib.sha256(f"{visitor}:{data.id}".encode()).hexdigest()}
    sent = await reelgate.post("/v1/uploads", files={"file": (data.clip.filename, data.clip.file)}, headers=once)
    job = {
        "prompt": data.prompt,
        "media": [{"upload_id": _read(sent)["id"]}],
        "metadata": {"visitor": visitor},
        "max_credits": MOST_CREDITS,
    }
    accepted = await reelgate.post("/v1/jobs", json=job, headers=once)
    return for_page(_read(accepted))


def for_page(job: dict[str, Any]) -> dict[str, Any]:
    """Pick what a visitor may see: no `claim_url`, which gives the session away, no metadata, no input."""
    error = job["error"]
    return {
        "id": job["id"],
        "status": job["status"],
        "percent": job["progress"]["percent"],
        "message": error["detail"] if error else job["progress"]["message"],
    }


@get("/jobs/{job_id:str}/events")
async def events(request: Visit, job_id: FromPath[str]) -> Response[Any]:
    """Relay a job's events, each cut down to what the page shows; a browser that comes back names the last one it had."""
    await require_own(request, job_id)
    asked = {b"accept": b"text/event-stream"} | _as_they_came(request, "last-event-id")
    upstream = await _open(f"/v1/jobs/{job_id}/events", asked)
    if upstream.status_code == httpx.codes.NO_CONTENT:  # it has seen the end: 204 has a browser stop coming back
        return Response(None, status_code=204)
    unbuffered = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # by browsers, and by nginx
    return Stream(_relayed(upstream), media_type="text/event-stream", headers=unbuffered)


async def _relayed(upstream: httpx.Response) -> AsyncIterator[str]:
    """Pass on `id`, `retry` and comments as they are, `data` cut down, and all events under one name."""
    try:
        async for line in upstream.aiter_lines():
            if line.startswith("data: "):
                event = json.loads(line.removeprefix("data: "))
                if "data" in event:  # a `reset` has none: the snapshot that follows it says where the job stands
                    yield f"data: {json.dumps(for_page(event['data']['job']))}\n"
            elif not line.startswith("event: "):
                yield f"{line}\n"
    finally:
        await upstream.aclose()


@get("/jobs/{job_id:str}/film")
async def film(request: Visit, job_id: FromPath[str]) -> Response[Any]:
    """Relay the film, or the part of it that the player asks for."""
    await require_own(request, job_id)
    upstream = await _open(f"/v1/jobs/{job_id}/output", _as_they_came(request, "range", "if-range"))
    headers = {name: upstream.headers[name] for name in FILM_HEADERS if name in upstream.headers}
    return Stream(_bytes(upstream), status_code=upstream.status_code, headers=headers)


async def _bytes(upstream: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for part in upstream.aiter_raw():
            yield part
    finally:
        await upstream.aclose()


def _as_they_came(request: Visit, *names: str) -> dict[bytes, bytes]:
    """Take these of a visitor's headers, byte for byte: Reelgate judges what they say."""
    return {name.encode(): request.headers[name].encode("latin-1") for name in names if name in request.headers}


async def _open(path: str, headers: dict[bytes, bytes]) -> httpx.Response:
    """Begin to read an answer whose body comes bit by bit: of events a comment every 15 s, so silence is a dead connection."""
    request = reelgate.build_request("GET", path, headers=headers)
    answer = await reelgate.send(request, stream=True, follow_redirects=False)
    if answer.is_error:
        await answer.aread()
        _read(answer)
    return answer


def _read(answer: httpx.Response) -> dict[str, Any]:
    """Read an answer. Raises HTTPException: with Reelgate's words, which are for callers, where it is the visitor's to know."""
    if answer.status_code in TOLD and answer.headers.get("content-type") == "application/problem+json":
        raise HTTPException(answer.json()["detail"], status_code=answer.status_code)
    if answer.is_error:
        raise HTTPException(AWAY, status_code=502)
    body: dict[str, Any] = answer.json()
    return body


def say_away(_request: Visit, _error: Exception) -> Response[dict[str, str]]:
    return Response({"detail": AWAY}, status_code=502)


def _is_https(request: Visit) -> bool:
    return request.headers.get("x-forwarded-proto", request.url.scheme) == "https"


app = Litestar(
    [page, submit, events, film],
    request_max_body_size=500_000_000,
    exception_handlers={httpx.TransportError: say_away},
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8001")))

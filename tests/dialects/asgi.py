"""The proxy's requests and answers over ASGI: which call of the backend's it is, and how an answer goes out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.backend.connection import cut_off
from tests.dialects.codings import ENCODERS

_CALLS = (
    ("token", "POST", re.compile(r"/api/auth/anonymous-token")),
    ("claim", "POST", re.compile(r"/api/auth/claim-token")),
    ("session", "POST", re.compile(r"/api/tasks/me/with-session/nemo_agent")),
    ("message", "POST", re.compile(r"/run_sse")),
    ("upload", "POST", re.compile(r"/api/upload-video/nemo_agent/me/(?P<subject>[^/]+)")),
    ("credits", "GET", re.compile(r"/api/credits/balance/simple")),
    ("state", "GET", re.compile(r"/api/state/nemo_agent/me/(?P<subject>[^/]+)/latest")),
    ("render", "POST", re.compile(r"/api/render/proxy/lambda")),
    ("cancel", "POST", re.compile(r"/api/render/proxy/lambda/(?P<subject>[^/]+)/cancel")),
    ("status", "GET", re.compile(r"/api/render/proxy/lambda/(?P<subject>[^/]+)")),
    ("download", "GET", re.compile(r"/api/render/proxy/(?P<subject>[^/]+)/download")),
    ("film", "GET", re.compile(r"/films/(?P<subject>.+)")),
)


@dataclass(frozen=True)
class Asked:
    """One request of the gateway's. `subject`: the session or render in its path."""

    call: str
    method: str
    path: str
    subject: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ").strip()


@dataclass(frozen=True)
class Reply:
    """One answer. Without a status the connection is reset."""

    status: int | None
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def page(status: int) -> Reply:
    """Write a page as a CDN or a firewall has it, with the words of an error inside that is none of ours."""
    text = f"<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>cloudfront</body></html>"
    return Reply(status, text.encode(), "text/html; charset=utf-8")


async def read_request(scope: Any, receive: Any) -> Asked:
    body, more = b"", True
    while more:
        event = await receive()
        body, more = body + event.get("body", b""), event.get("more_body", False)
    headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
    path, method = scope["path"], scope["method"]
    for call, by, pattern in _CALLS:
        if method == by and (found := pattern.fullmatch(path)):
            return Asked(call, method, path, found.groupdict().get("subject", ""), headers, body)
    return Asked("other", method, path, "", headers, body)


def coding_headers(coding: str) -> dict[str, str]:
    return {"content-encoding": coding} if coding else {}


async def send_reply(scope: Any, send: Any, reply: Reply, coding: str) -> None:
    if reply.status is None:
        await cut_off(scope, flush=False)
        return
    is_json = reply.content_type.startswith("application/json") and bool(reply.body)
    encoder = ENCODERS[coding if is_json else ""]()
    body = encoder.feed(reply.body) + encoder.end()
    headers = {**reply.headers, **(coding_headers(coding) if is_json else {}), "content-length": str(len(body))}
    await begin_reply(send, reply.status, reply.content_type, headers)
    await end_reply(send, body)


async def begin_reply(send: Any, status: int, content_type: str, headers: Mapping[str, str]) -> None:
    pairs = [(n.encode(), v.encode()) for n, v in {"content-type": content_type, **headers}.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})


async def send_chunk(send: Any, chunk: bytes) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def end_reply(send: Any, chunk: bytes) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": False})

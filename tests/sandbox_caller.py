"""A plain caller of the backend, for tests: the calls of its contract as they stand there, nothing made easier."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.loopback import NO_TLS
from tests.until import PATIENCE_S, until

ATTRIBUTION = {"X-Skill-Source": "free-video-fast", "X-Skill-Version": "1.0.0", "X-Skill-Platform": "unknown"}


@dataclass
class Heard:
    """What came back for one message: a refusal's JSON, or the stream's frames."""

    status: int
    refusal: dict[str, Any] = field(default_factory=dict)
    raw: bytes = b""
    #: whether the connection broke before the stream's proper end
    cut: bool = False

    @property
    def frames(self) -> list[dict[str, Any]]:
        blocks = [block for block in self.raw.split(b"\n\n") if block.startswith(b"data: ")]
        return [json.loads(block.removeprefix(b"data: ")) for block in blocks]

    @property
    def beats(self) -> int:
        """Heartbeats of all kinds: events, comment lines, empty data lines."""
        quiet = [block for block in self.raw.split(b"\n\n") if block in (b"data:", b": keep-alive")]
        return len(quiet) + len([frame for frame in self.frames if frame.get("type") == "heartbeat"])

    @property
    def texts(self) -> list[str]:
        """Each text once, in either shape: the chunks before a whole one don't count."""
        return [text for frame in self.frames if not frame.get("partial") for text in _texts(frame)]


class Caller:
    """One token's view of the backend."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def open_session(self, **body: str) -> str:
        answer = await self.http.post("/api/tasks/me/with-session/nemo_agent", json={"task_name": "project", **body})
        return str(answer.json()["data"]["session_id"])

    async def upload(self, session_id: str, *paths: Path) -> httpx.Response:
        files = [("files", (path.name, path.read_bytes())) for path in paths]
        return await self.http.post(f"/api/upload-video/nemo_agent/me/{session_id}", files=files)

    async def upload_urls(self, session_id: str, *urls: str) -> httpx.Response:
        body = {"urls": urls, "source_type": "url"}
        return await self.http.post(f"/api/upload-video/nemo_agent/me/{session_id}", json=body)

    async def say(self, session_id: str, text: str, *, leave_after: bytes | None = None) -> Heard:
        """Send a message and listen to its end, or until the stream held `leave_after`."""
        async with self.http.stream("POST", "/run_sse", json=message(session_id, text)) as answer:
            if "event-stream" not in answer.headers["content-type"]:
                return Heard(answer.status_code, refusal=json.loads(await answer.aread()))
            heard = Heard(answer.status_code)
            try:
                async for piece in answer.aiter_bytes():
                    heard.raw += piece
                    if leave_after is not None and leave_after in heard.raw:
                        break
            except httpx.RemoteProtocolError:
                heard.cut = True
            return heard

    async def state(self, session_id: str) -> dict[str, Any]:
        return dict((await self.http.get(f"/api/state/nemo_agent/me/{session_id}/latest")).json())

    async def draft(self, session_id: str) -> dict[str, Any]:
        """The draft without what changes at every read."""
        draft = dict((await self.state(session_id))["data"]["state"]["draft"])
        draft.pop("updatedAt")
        return draft

    async def balance(self) -> dict[str, int]:
        return dict((await self.http.get("/api/credits/balance/simple")).json()["data"])

    async def export(self, session_id: str, render_id: str, **output: Any) -> httpx.Response:
        body = {
            "id": render_id,
            "sessionId": session_id,
            "draft": (await self.state(session_id))["data"]["state"]["draft"],
            "output": {"format": "mp4", "quality": "high", **output},
        }
        return await self.http.post("/api/render/proxy/lambda", json=body)

    async def status(self, render_id: str) -> dict[str, Any]:
        return dict((await self.http.get(f"/api/render/proxy/lambda/{render_id}")).json())

    async def ended(self, render_id: str, *, within_s: float = PATIENCE_S) -> dict[str, Any]:
        """Poll until a render has ended, and return its last status in whichever shape. Raises TimeoutError."""

        async def look() -> dict[str, Any]:
            status = await self.status(render_id)
            return {} if _is_active(status) else status

        return await until(look, within_s=within_s)


def _is_active(status: dict[str, Any]) -> bool:
    return status.get("data", status)["status"] in ("pending", "processing")


def message(session_id: str, text: str) -> dict[str, Any]:
    parts = [{"text": text}]
    return {"app_name": "nemo_agent", "user_id": "me", "session_id": session_id, "new_message": {"parts": parts}}


@asynccontextmanager
async def calling(url: str, token: str) -> AsyncIterator[Caller]:
    headers = {**ATTRIBUTION, "Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        base_url=url, headers=headers, trust_env=False, timeout=PATIENCE_S, verify=NO_TLS
    ) as http:
        yield Caller(http)


def _texts(frame: dict[str, Any]) -> list[str]:
    if frame.get("type") == "text":
        return [frame["content"]]
    parts = frame.get("content", {}).get("parts", []) if isinstance(frame.get("content"), dict) else []
    return [part["text"] for part in parts if "text" in part]

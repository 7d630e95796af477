"""Each dialect can be understood: a client that knows which one is spoken gets its film through the proxy.

So a flow that ends otherwise in some dialect ends so by the gateway's doing. As it is, the proxy says what the sandbox
says, word for word.
"""

import asyncio
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.clips import make_talk_clip
from tests.dialects import shapes
from tests.dialects.asgi import Reply
from tests.dialects.dialects import AS_IT_IS, DIALECTS, Dialect, mixed
from tests.dialects.harness import running_stand_in
from tests.dialects.proxy import Conversation, Proxy, drafts_in
from tests.dialects.proxy_server import running_proxy
from tests.until import PATIENCE_S, until

ATTRIBUTION = {"X-Skill-Source": "free-video-fast", "X-Skill-Version": "1.0.0", "X-Skill-Platform": "unknown"}
SPOKEN = (*DIALECTS, *(mixed(seed) for seed in (1, 7, 10)))


@dataclass(frozen=True)
class Harness:
    proxy: Proxy
    sandbox: httpx.Client
    clip: Path


@pytest.fixture(scope="module")
def harness(tmp_path_factory) -> Iterator[Harness]:
    clip = tmp_path_factory.mktemp("proxy") / "clip.mp4"
    asyncio.run(make_talk_clip(clip, scenes=1, duration_s=1.0, silences=(), size=(160, 90)))
    with (
        running_stand_in(SANDBOX_SILENT_RATE="0") as url,
        running_proxy(url) as proxy,
        httpx.Client(base_url=url, trust_env=False) as sandbox,
    ):
        yield Harness(proxy, sandbox, clip)


class DialectClient:
    """A client that knows the dialect: it asks again where that is called for, and finds what it needs wherever it is."""

    def __init__(self, harness: Harness, dialect: Dialect) -> None:
        token = f"nmv_usr_{dialect.name.split('+')[0]}"
        harness.sandbox.post("/_sandbox/tokens", json={"token": token, "credits": 500})
        harness.proxy.conversations[token] = self.conversation = Conversation(dialect)
        headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity", **ATTRIBUTION}
        self.http = httpx.AsyncClient(base_url=harness.proxy.url, headers=headers, trust_env=False, timeout=PATIENCE_S)
        self.clip = harness.clip

    async def ask(self, method: str, path: str, **content: Any) -> Any:
        """Ask, once more after a page or after nothing, and take the data out of its envelope."""
        for _ in range(2):
            async with self.http.stream(method, path, **content) as answer:
                body = decoded(answer.headers.get("content-encoding", ""), await raw_body(answer))
            if answer.headers["content-type"] == "application/json":
                data = shapes.unwrapped(json.loads(body))
                if data is not None:
                    return data
        raise AssertionError(body)

    async def edited(self) -> tuple[str, Any]:
        """Open a session, bring the clip and have it edited. Gives the session and its state before."""
        session = await self.ask("POST", "/api/tasks/me/with-session/nemo_agent", json={"task_name": "project"})
        session_id = str(session["session_id"])
        files = {"files": (self.clip.name, self.clip.read_bytes())}
        brought = await self.ask("POST", f"/api/upload-video/nemo_agent/me/{session_id}", files=files)
        assert brought["session_state_applied"] is True
        before = await self.state(session_id)
        told = {"parts": [{"text": 'add a title "HELLO"'}]}
        body = {"app_name": "nemo_agent", "session_id": session_id, "new_message": told}
        async with self.http.stream("POST", "/run_sse", json=body) as answer:
            stream = decoded(answer.headers.get("content-encoding", ""), await raw_body(answer))
        assert b"edit_timeline" in stream
        return session_id, before

    async def state(self, session_id: str) -> Any:
        return await self.ask("GET", f"/api/state/nemo_agent/me/{session_id}/latest")

    async def film(self, session_id: str, before: Any) -> bytes:
        """Export when the edit can be seen, and fetch the film."""
        await until(lambda: self.differs(session_id, before), within_s=PATIENCE_S)
        draft = next(drafts_in(await self.state(session_id)))
        body = {"id": "render_1" + session_id, "sessionId": session_id, "draft": draft, "output": {"format": "mp4"}}
        begun = await self.ask("POST", "/api/render/proxy/lambda", json=body)
        link = await until(lambda: self.link(begun["id"]), within_s=PATIENCE_S, every_s=0.1)
        fetched = await self.fetched(link)
        for _ in range(3):
            if fetched.status_code != httpx.codes.OK:
                fetched = await self.fetched(await self.link(begun["id"]) or link)
        if fetched.status_code != httpx.codes.OK:
            fetched = await self.fetched(f"/api/render/proxy/{begun['id']}/download")
        return fetched.content

    async def differs(self, session_id: str, before: Any) -> bool:
        return bool(without_records(await self.state(session_id)) != without_records(before))

    async def link(self, render_id: Any) -> str | None:
        status = await self.ask("GET", f"/api/render/proxy/lambda/{render_id}")
        assert str(status["status"]).lower() in ("pending", "processing", "completed")
        output = status.get("output")
        return status.get("outputUrl") or (output["url"] if output else None)

    async def fetched(self, link: str) -> httpx.Response:
        return await self.http.get(link, follow_redirects=True)


def without_records(value: Any) -> Any:
    """Take out what moves at every read, also where the draft is text."""
    if isinstance(value, str) and value.startswith("{"):
        value = json.loads(value)
    if isinstance(value, dict):
        return {key: without_records(inner) for key, inner in value.items() if key != "updatedAt"}
    return [without_records(inner) for inner in value] if isinstance(value, list) else value


async def raw_body(answer: httpx.Response) -> bytes:
    return b"".join([chunk async for chunk in answer.aiter_raw()])


def decoded(coding: str, body: bytes) -> bytes:
    match coding:
        case "gzip":
            return zlib.decompress(body, wbits=31)
        case "br":
            return unstored(body)
    return body


def unstored(body: bytes) -> bytes:
    """Read brotli's stored form: a first block's header has 21 bits, the others' 20, and then come the bytes."""
    read, at, shift = b"", 0, 1
    while len(body) - at >= 3:
        head = int.from_bytes(body[at : at + 3], "little") >> shift
        length = (head >> 3 & 0xFFFF) + 1
        read, at, shift = read + body[at + 3 : at + 3 + length], at + 3 + length, 0
    return read


@pytest.mark.parametrize("dialect", SPOKEN, ids=lambda dialect: dialect.name.split("+")[0])
async def test_who_knows_a_dialect_gets_the_film_in_it(harness, dialect):
    client_of_dialect = DialectClient(harness, dialect)
    async with client_of_dialect.http:
        film = await client_of_dialect.film(*await client_of_dialect.edited())
    assert b"ftyp" in film[:12]


async def test_as_it_is_the_proxy_says_what_the_sandbox_says(harness):
    client_of_dialect = DialectClient(harness, AS_IT_IS)
    async with client_of_dialect.http:
        session_id, _ = await client_of_dialect.edited()
        path = f"/api/state/nemo_agent/me/{session_id}/latest"
        through = (await client_of_dialect.http.get(path)).json()
        past = harness.sandbox.get(
            path, headers={"Authorization": client_of_dialect.http.headers["Authorization"]}
        ).json()
        refused = await client_of_dialect.http.get("/api/state/nemo_agent/me/1/latest")
    assert without_records(through) == without_records(past)
    assert refused.json()["code"] == 1002


async def test_what_is_always_said_to_one_call_hinders_no_other(harness):
    client_of_dialect = DialectClient(harness, AS_IT_IS)
    client_of_dialect.conversation.always["credits"] = Reply(200, b'{"code":2001,"message":"insufficient credits"}')
    async with client_of_dialect.http:
        assert (await client_of_dialect.http.get("/api/credits/balance/simple")).json()["code"] == 2001
        assert await client_of_dialect.edited()
    assert client_of_dialect.conversation.calls["credits"] == 1

"""A proxy between gateway and sandbox that says the same in another dialect, or to one call always the same thing.

Who calls is told by the token: each has a `Conversation` with a dialect of its own, so that many dialects are spoken in one
world at once. What a dialect is, `dialects.py` says; this is the side of it that needs memory, time and HTTP.
"""

import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.dialects import shapes
from tests.dialects.asgi import (
    Asked,
    Reply,
    begin_reply,
    coding_headers,
    end_reply,
    page,
    read_request,
    send_chunk,
    send_reply,
)
from tests.dialects.codings import ENCODERS
from tests.dialects.dialects import AS_IT_IS, PACE, Dialect, shaped
from tests.loopback import NO_TLS
from tests.until import PATIENCE_S

#: calls that a page may come to at a first try: a message is not among them, since it may have been worked on
_AGAIN = frozenset({"session", "upload", "credits", "state", "status", "film", "download"})
#: reading calls and which of their answers is null: the state's second one comes after the message
_NULL_AT = {"session": 1, "credits": 1, "state": 2, "status": 1}
_LATE_LOOKS = 2
_EXPIRED_LOOKS = 2
OTHER_HOST = "127.0.0.2"


@dataclass
class Conversation:
    """What the proxy remembers of one token: how it is spoken to, and what was asked."""

    dialect: Dialect = AS_IT_IS
    #: calls that get this answer whatever is asked
    always: dict[str, Reply] = field(default_factory=dict)
    #: how often each call was made
    calls: Counter[str] = field(default_factory=Counter)
    #: by render: how often it was looked at when it was finished
    looks: Counter[str] = field(default_factory=Counter)
    #: by session: the states that were seen and since when
    states: dict[str, list[tuple[float, Any]]] = field(default_factory=dict)
    #: by the draft as it was shown: as it is
    drafts: dict[str, Any] = field(default_factory=dict)
    #: by the backend's id of a render: the caller's
    renders: dict[str, str] = field(default_factory=dict)
    #: whether the token came along to a host that is not the backend's
    leaked: bool = False


class Proxy:
    """The ASGI application. Only `running_proxy` of `proxy_server.py` starts one."""

    def __init__(self, upstream: str) -> None:
        self.url = ""
        self.conversations: dict[str, Conversation] = {}
        #: who comes without a known token
        self.stranger = Conversation()
        self._upstream = upstream
        self._films: dict[str, tuple[Conversation, str]] = {}
        self._numbers = itertools.count(1)
        self._http: httpx.AsyncClient | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            asked = await read_request(scope, receive)
            conversation = self._conversation_of(asked)
            conversation.calls[asked.call] += 1
            reply = self._by_itself(asked, conversation)
            if reply is None and asked.call == "message":
                await self._converse(asked, conversation, send)
            else:
                await send_reply(
                    scope, send, reply or await self._mapped(asked, conversation), conversation.dialect.coding
                )

    def _conversation_of(self, asked: Asked) -> Conversation:
        film = self._films.get(asked.subject.split("/")[0]) if asked.call == "film" else None
        return film[0] if film else self.conversations.get(asked.token, self.stranger)

    def _by_itself(self, asked: Asked, conversation: Conversation) -> Reply | None:
        """Answer what does not reach the sandbox: always the same, or a page or null where it was not asked before."""
        if asked.call in conversation.always:
            return conversation.always[asked.call]
        times = conversation.calls[asked.call]
        if conversation.dialect.page and times == 1 and asked.call in _AGAIN:
            return page(conversation.dialect.page)
        if conversation.dialect.null_once and times == _NULL_AT.get(asked.call):
            return Reply(200, b'{"code":0,"data":null}')
        return None

    async def _mapped(self, asked: Asked, conversation: Conversation) -> Reply:
        if asked.call == "film":
            return await self._film(asked, conversation)
        if asked.call == "download" and (refused := self._download(asked, conversation)):
            return refused
        if conversation.dialect.own_ids and asked.subject and asked.call in ("status", "cancel", "download"):
            if asked.subject not in conversation.renders:
                return Reply(404, b'{"code":404,"message":"render not found"}')
            ours = conversation.renders[asked.subject]
            asked = replace(asked, path=asked.path.replace(asked.subject, ours), subject=ours)
        answer = await self._ask(asked, self._body(asked, conversation))
        is_json = "json" in answer.headers.get("content-type", "")
        if not is_json:
            return Reply(answer.status_code, answer.content, answer.headers.get("content-type", ""))
        return Reply(answer.status_code, json.dumps(self._said(asked, conversation, answer)).encode())

    async def _ask(self, asked: Asked, body: bytes) -> httpx.Response:
        assert self._http is not None
        return await self._http.request(asked.method, asked.path, headers=_forwarded(asked), content=body)

    def _body(self, asked: Asked, conversation: Conversation) -> bytes:
        """Give the sandbox its own draft back where the caller sends one as it was shown."""
        if asked.call == "message" and conversation.dialect.story:
            return _with_story(asked.body, conversation.dialect.story)
        if asked.call != "render":
            return asked.body
        body = json.loads(asked.body)
        body["draft"] = conversation.drafts.get(_written(body.get("draft")), body.get("draft"))
        return json.dumps(body).encode()

    def _said(self, asked: Asked, conversation: Conversation, answer: httpx.Response) -> Any:
        """Say what the sandbox said, as the conversation's dialect has it. A refusal keeps its envelope."""
        told = answer.json()
        if answer.status_code >= 400 or shapes.is_refusal(told):
            as_text = conversation.dialect.envelope is shapes.code_as_text
            return {**told, "code": str(told["code"])} if as_text else told
        data = shapes.unwrapped(told)
        if asked.call == "state":
            data = self._state(asked, conversation, data)
        elif asked.call in ("render", "status", "cancel"):
            data = self._render(asked, conversation, data)
        data = data if asked.call == "state" else shaped(conversation.dialect, asked.call, data)
        return conversation.dialect.envelope(data) if conversation.dialect.envelope else _rewrapped(told, data)

    def _state(self, asked: Asked, conversation: Conversation, data: Any) -> Any:
        data = _lagging(conversation, asked.subject, data, time.monotonic())
        draft = data["state"]["draft"]
        data = shaped(conversation.dialect, "state", data)
        conversation.drafts |= {_written(shown): draft for shown in drafts_in(data)}
        return data

    def _render(self, asked: Asked, conversation: Conversation, data: Any) -> Any:
        ours = str(data.get("id") or data.get("taskId"))
        if conversation.dialect.own_ids:
            data = _renamed(data, self._own_id(conversation, ours))
        return self._with_link(asked, conversation, data) if asked.call == "status" else data

    def _own_id(self, conversation: Conversation, ours: str) -> str:
        theirs = next((theirs for theirs, known in conversation.renders.items() if known == ours), None)
        theirs = theirs or f"lambda-{next(self._numbers):08d}"
        conversation.renders[theirs] = ours
        return theirs

    def _with_link(self, asked: Asked, conversation: Conversation, data: dict[str, Any]) -> dict[str, Any]:
        """Lead to the film through this proxy, in the dialect's way."""
        url = (data.get("output") or {}).get("url") or data.get("outputUrl")
        if not url:
            return data
        conversation.looks[asked.subject] += 1
        look = conversation.looks[asked.subject]
        if conversation.dialect.film == "late" and look <= _LATE_LOOKS:
            return {key: value for key, value in data.items() if key not in ("output", "outputUrl")}
        link = self._link(conversation, url, look)
        if "outputUrl" in data:
            return {**data, "outputUrl": link}
        return {**data, "output": {**data["output"], "url": link}}

    def _link(self, conversation: Conversation, url: str, look: int) -> str:
        name = f"{next(self._numbers):08d}"
        self._films[name] = conversation, urlsplit(url).path
        base = self.url.replace("127.0.0.1", OTHER_HOST) if conversation.dialect.film == "other-host" else self.url
        stale = conversation.dialect.film == "expired" and look <= _EXPIRED_LOOKS
        return f"{base}/films/{name}/{'stale' if stale else 'output'}.mp4"

    async def _film(self, asked: Asked, conversation: Conversation) -> Reply:
        """Serve a film, or do not: by its dialect, and by what was sent along."""
        name, _, file = asked.subject.partition("/")
        found = self._films.get(name)
        if found is None:
            return page(404)
        way = conversation.dialect.film
        conversation.leaked = conversation.leaked or (
            bool(asked.token) and asked.headers.get("host", "").startswith(OTHER_HOST)
        )
        if way == "redirect" and not file.startswith("hop"):
            return Reply(302, headers={"location": f"/films/{name}/hop-{file}"})
        if file.startswith("stale") or (way in ("gone", "download-redirect") and not file.startswith("hop")):
            return Reply(403, b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "application/xml")
        if way == "needs-token" and self.conversations.get(asked.token) is not conversation:
            return Reply(401, b'{"code":401,"message":"Authorization header with a bearer token required"}')
        answer = await self._ask(replace(asked, path=found[1], headers={}), b"")
        return Reply(answer.status_code, answer.content, answer.headers["content-type"])

    def _download(self, asked: Asked, conversation: Conversation) -> Reply | None:
        """The download call leads on to the film, or is not there, where a dialect is about the link."""
        way = conversation.dialect.film
        if way == "download-redirect":
            name = next((name for name, (owner, _) in reversed(self._films.items()) if owner is conversation), "")
            base = self.url.replace("127.0.0.1", OTHER_HOST)
            return Reply(307, headers={"location": f"{base}/films/{name}/hop-output.mp4"})
        return page(404) if way in ("needs-token", "expired", "late") else None

    async def _converse(self, asked: Asked, conversation: Conversation, send: Any) -> None:
        """Pass a message's stream on as it comes."""
        assert self._http is not None
        encoder, frames = ENCODERS[conversation.dialect.coding](), conversation.dialect.frames or (lambda chunk: chunk)
        ask = self._http.stream("POST", asked.path, headers=_forwarded(asked), content=self._body(asked, conversation))
        async with ask as answer:
            await begin_reply(
                send, answer.status_code, answer.headers["content-type"], coding_headers(conversation.dialect.coding)
            )
            with_frames = "event-stream" in answer.headers["content-type"]
            async for chunk in answer.aiter_raw():
                await send_chunk(send, encoder.feed(frames(chunk) if with_frames else chunk))
            await end_reply(send, encoder.end())

    async def open(self) -> None:
        """Be ready to ask the sandbox, in the event loop that serves."""
        # at each request it looks at every one that it keeps
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=5)
        self._http = httpx.AsyncClient(
            base_url=self._upstream, trust_env=False, timeout=PATIENCE_S, limits=limits, verify=NO_TLS
        )

    async def aclose(self) -> None:
        assert self._http is not None
        await self._http.aclose()


def drafts_in(value: Any) -> Iterator[Any]:
    """Find all that looks like a draft in a state, also one written as text."""
    if isinstance(value, str) and value.startswith("{"):
        value = json.loads(value)
    if isinstance(value, dict):
        if isinstance(value.get("t"), list):
            yield value
        for inner in value.values():
            yield from drafts_in(inner)


def _written(draft: Any) -> str:
    """Write a draft so that it can be found again; one that is sent as text is the same one."""
    return json.dumps(json.loads(draft) if isinstance(draft, str) and draft else draft, sort_keys=True)


def _lagging(conversation: Conversation, session_id: str, data: Any, now_s: float) -> Any:
    """Show a session as it was a while ago, or as it was first seen."""
    seen = conversation.states.setdefault(session_id, [])
    if not seen or shapes.mark_of(seen[-1][1]["state"]["draft"]) != shapes.mark_of(data["state"]["draft"]):
        seen.append((now_s, data))
    if not conversation.dialect.lag_s:
        return data
    old = [state for since_s, state in seen if since_s <= now_s - conversation.dialect.lag_s / PACE]
    return old[-1] if old else seen[0][1]


def _renamed(data: dict[str, Any], theirs: str) -> dict[str, Any]:
    return {key: theirs if key in ("id", "taskId") else value for key, value in data.items()}


def _rewrapped(told: Any, data: Any) -> Any:
    """Put data back into the envelope that it came in."""
    return {**told, "data": data} if shapes.unwrapped(told) is not told else data


def _with_story(body: bytes, story: str) -> bytes:
    told = json.loads(body)
    told["new_message"]["parts"][0]["text"] += f" [[story:{story}]]"
    return json.dumps(told).encode()


def _forwarded(asked: Asked) -> dict[str, str]:
    left_out = ("host", "content-length", "transfer-encoding", "connection", "accept-encoding")
    return {name: value for name, value in asked.headers.items() if name not in left_out}

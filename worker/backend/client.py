"""Every call of the backend (BACKEND.md, "Calls") as a method that returns what it means or raises `BackendFault`.

The job's steps call it. It decides how a call is written and read; when to call, and what a fault means for a job,
is theirs. Nothing is ever sent twice here.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any, Literal
from urllib.parse import quote, urljoin

import msgspec

from core.redaction import redacted_repr
from worker.backend import requests, responses
from worker.backend.events import Heartbeat, StreamDecoder, StreamError, StreamEvent, Unknown
from worker.backend.faults import BackendFault, Fault, fault_of_stream
from worker.backend.multipart import FileForm
from worker.backend.transport import Ask, CallMetrics, Transport

#: Taking a large file, or fetching it from a URL, takes the backend longer than other calls.
_UPLOAD_SILENCE_S = 300.0


@redacted_repr("profile")
class Credentials(msgspec.Struct, frozen=True):
    """On whose token, and for which skill, a call is made."""

    token: str
    profile: str
    profile_version: str = "1.0.0"
    #: W3C trace context of the job, e.g. ``00-4bf9…-00f0…-01``.
    traceparent: str | None = None


class Download(msgspec.Struct, frozen=True):
    """A rendered file; reading `chunks` to the end may raise BackendFault."""

    size_bytes: int | None
    chunks: AsyncIterator[bytes]


class Backend:
    """Of the network's errors, BackendFault is the only one that leaves these methods."""

    def __init__(
        self,
        base_url: str,
        *,
        platform: str,
        metrics: CallMetrics,
        connect_timeout_s: float = 10,
        answer_timeout_s: float = 60,
        stream_clients: int = 8,
        first_pause_s: float = 1,
    ) -> None:
        self._base_url = base_url
        self._platform = platform
        self._metrics = metrics
        self._http = Transport(
            base_url,
            metrics=metrics,
            connect_timeout_s=connect_timeout_s,
            answer_timeout_s=answer_timeout_s,
            stream_clients=stream_clients,
            first_pause_s=first_pause_s,
        )

    async def aclose(self) -> None:
        """End all connections."""
        await self._http.aclose()

    async def anonymous_token(self, client_id: str, *, profile: str = "free-video-fast") -> responses.IssuedToken:
        """Ask for this installation's token. RATE_LIMITED while an earlier one lives."""
        headers = {**self._attribution(profile, "1.0.0"), "X-Client-Id": client_id}
        ask = Ask("anonymous_token", "POST", "/api/auth/anonymous-token", headers)
        return await self._http.answer(ask, responses.issued_token)

    async def open_session(self, caller: Credentials, *, language: str | None) -> responses.OpenedSession:
        """Begin a session. Safe to repeat: an unused one costs nothing."""
        body = requests.SessionAsk(language=language or msgspec.UNSET)
        ask = self._post("open_session", "/api/tasks/me/with-session/nemo_agent", caller, body)
        return await self._http.answer(ask, responses.opened_session)

    async def claim_token(self, caller: Credentials, *, task_id: str, session_id: str) -> str:
        """Get the ``clm_…`` that opens the project in a browser. Safe to repeat."""
        ask = self._post("claim_token", "/api/auth/claim-token", caller, requests.ClaimAsk(task_id, session_id))
        return await self._http.answer(ask, responses.claim_token)

    @asynccontextmanager
    async def message(
        self, caller: Credentials, *, session_id: str, text: str, silence_s: float = 600
    ) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        """Send a message, and hand out what the backend says until it closes the stream. It costs credits.

        `silence_s`: without a single byte for so long the stream is BROKEN. Faults with `maybe_done` must not lead to
        a second send. Leaving the block closes the stream; the backend edits on.
        """
        said = requests.NewMessage([requests.MessagePart(text)])
        ask = self._post("message", "/run_sse", caller, requests.MessageAsk(session_id, said), silence_s=silence_s)
        ask.headers["Accept"] = "text/event-stream"
        async with self._http.stream(ask, "stream") as (_, chunks), aclosing(self._events(chunks)) as events:
            yield events

    async def upload_file(
        self, caller: Credentials, *, session_id: str, filename: str, size_bytes: int, chunks: AsyncIterator[bytes]
    ) -> list[responses.UploadedFile]:
        """Send one file's bytes as they come. Raises also multipart.SizeMismatch, and whatever `chunks` raises."""
        form = FileForm(filename, size_bytes)
        headers = self._headers(caller) | form.headers
        body = form.body(chunks)
        ask = Ask("upload", "POST", _upload_path(session_id), headers, body, _UPLOAD_SILENCE_S)
        async with aclosing(body):
            return await self._http.answer(ask, responses.uploaded_files)

    async def upload_url(
        self, caller: Credentials, *, session_id: str, urls: Sequence[str]
    ) -> list[responses.UploadedFile]:
        """Let the backend fetch the files itself."""
        body = requests.UrlsAsk(list(urls))
        ask = self._post("upload", _upload_path(session_id), caller, body, silence_s=_UPLOAD_SILENCE_S)
        return await self._http.answer(ask, responses.uploaded_files)

    async def credits(self, caller: Credentials) -> responses.Credits:
        """Read the token's balance."""
        return await self._http.answer(
            self._call("credits", "GET", "/api/credits/balance/simple", caller), responses.credit_balance
        )

    async def state(self, caller: Credentials, session_id: str) -> responses.State:
        """Read the session as it is now."""
        path = f"/api/state/nemo_agent/me/{_segment(session_id)}/latest"
        return await self._http.answer(self._call("state", "GET", path, caller), responses.session_state)

    async def render(
        self, caller: Credentials, *, render_id: str, session_id: str, draft: dict[str, Any], output: dict[str, Any]
    ) -> None:
        """Begin a render under an id of ours. RENDER_DUPLICATE: it was begun before, poll it."""
        body = requests.RenderAsk(id=render_id, session_id=session_id, draft=draft, output=output)
        await self._http.answer(self._post("render", "/api/render/proxy/lambda", caller, body), _nothing)

    async def render_status(self, caller: Credentials, render_id: str) -> responses.RenderStatus:
        """Ask how far a render is. RENDER_UNKNOWN: this token sees no such render."""
        path = f"/api/render/proxy/lambda/{_segment(render_id)}"
        return await self._http.answer(self._call("render_status", "GET", path, caller), responses.render_status)

    async def cancel_render(self, caller: Credentials, render_id: str) -> None:
        """Take a render back; works while it is pending."""
        path = f"/api/render/proxy/lambda/{_segment(render_id)}/cancel"
        await self._http.answer(self._call("cancel_render", "POST", path, caller), _nothing)

    @asynccontextmanager
    async def fetch_output(
        self, caller: Credentials | None, *, url: str | None, render_id: str
    ) -> AsyncIterator[Download]:
        """Open a finished render's file: from its URL, without our token, or else by the download call. Repeatable.

        Raises TOKEN_REFUSED where it takes a token, and there is none.
        """
        async with AsyncExitStack() as held:
            opened = await self._from_url(held, url) if url else None
            if opened is None:
                if caller is None:
                    raise BackendFault(
                        Fault.TOKEN_REFUSED, call="download", detail="the token is no longer in the pool"
                    )
                ask = self._call("download", "GET", f"/api/render/proxy/{_segment(render_id)}/download", caller)
                opened = await held.enter_async_context(self._http.stream(ask, "stream"))
            size_bytes, chunks = opened
            yield Download(size_bytes, chunks)

    async def _from_url(self, held: AsyncExitStack, url: str) -> tuple[int | None, AsyncIterator[bytes]] | None:
        try:
            ask = Ask("output", "GET", urljoin(self._base_url, url), {"Accept-Encoding": "identity"})
            return await held.enter_async_context(self._http.stream(ask, "bare"))
        except (BackendFault, ValueError):
            return None

    async def _events(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[StreamEvent, None]:
        decoder = StreamDecoder()
        work_began = False
        async for chunk in chunks:
            for event in decoder.feed(chunk):
                self._metrics.stream_event(event.kind)
                _raise_refusal(event, work_began=work_began)
                work_began = work_began or _tells_of_work(event)
                yield event

    def _post(
        self, call: str, path: str, caller: Credentials, body: msgspec.Struct, *, silence_s: float | None = None
    ) -> Ask:
        headers = self._headers(caller) | {"Content-Type": "application/json"}
        return Ask(call, "POST", path, headers, msgspec.json.encode(body), silence_s)

    def _call(self, call: str, method: Literal["GET", "POST"], path: str, caller: Credentials) -> Ask:
        return Ask(call, method, path, self._headers(caller))

    def _headers(self, caller: Credentials) -> dict[str, str]:
        headers = self._attribution(caller.profile, caller.profile_version)
        headers |= {"Authorization": f"Bearer {caller.token}", "Accept-Encoding": "identity"}
        return headers | ({"traceparent": caller.traceparent} if caller.traceparent else {})

    def _attribution(self, profile: str, version: str) -> dict[str, str]:
        """An export that lacks any of these is refused (BACKEND.md, "Headers")."""
        return {"X-Skill-Source": profile, "X-Skill-Version": version, "X-Skill-Platform": self._platform}


def _tells_of_work(event: StreamEvent) -> bool:
    """Tell what is said or begun from signs of life; an event too large to be read may be either."""
    return event.too_large if isinstance(event, Unknown) else not isinstance(event, Heartbeat)


def _raise_refusal(event: StreamEvent, *, work_began: bool) -> None:
    """Raise an error frame that says that nothing was done; the others are the caller's to judge."""
    if isinstance(event, StreamError):
        fault = fault_of_stream(event, work_began=work_began)
        if not fault.maybe_done:
            raise fault


def _nothing(_: dict[str, Any]) -> None:
    """Read an answer whose success is all that counts."""


def _segment(value: str) -> str:
    return quote(value, safe="")


def _upload_path(session_id: str) -> str:
    return f"/api/upload-video/nemo_agent/me/{_segment(session_id)}"

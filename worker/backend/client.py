"""Client of the backend: each call of BACKEND.md, "Calls", is a method that returns what it means or raises `BackendFault`.

The job's steps call it. It decides how a call is written and read; when to call, and what a fault means for a job,
is theirs. Nothing is ever sent twice here.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urljoin, urlsplit

import httpx
import msgspec

from core.profiles import PROFILES
from core.security.redacted_repr import redacted_repr
from worker.backend import requests, responses
from worker.backend.drafts import Draft
from worker.backend.events import Heartbeat, StreamDecoder, StreamError, StreamEvent, Unknown
from worker.backend.faults import BackendFault, Fault, fault_of_stream
from worker.backend.multipart import FileForm
from worker.backend.surprises import Surprise
from worker.backend.transport import BackendRequest, CallMetrics, RecordedAnswer, Transport

#: Taking a large file, or fetching it from a URL, takes the backend longer than other calls.
_UPLOAD_SILENCE_S = 300.0
#: a stream that has said that this was all, and stays open, is over after so large a part of the longest silence
_OVER_SHARE = 1 / 20
_PORTS = {"http": 80, "https": 443}

_T = TypeVar("_T")


@redacted_repr("profile")
class Credentials(msgspec.Struct, frozen=True):
    """On whose token, and for which skill (the name of a profile), a call is made."""

    token: str
    profile: str
    #: W3C trace context of the job, e.g. ``00-4bf9…-00f0…-01``.
    traceparent: str | None = None
    #: whose job makes the call; empty where it is nobody's
    job_id: str = ""


class Download(msgspec.Struct, frozen=True):
    """A rendered file; reading `chunks` to the end may raise BackendFault."""

    size_bytes: int | None
    chunks: AsyncIterator[bytes]
    #: whoever asks for the address that was asked for comes to the file
    direct: bool = True


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
            first_pause_s=first_pause_s,
        )

    def leaves_alone(self, call: str) -> bool:
        """Whether calls of a kind, or those of all kinds (``connections``), are held back now."""
        return self._http.leaves_alone(call)

    async def aclose(self) -> None:
        """End all connections."""
        self._http.close()

    def record_answers(self, note: Callable[[RecordedAnswer], None]) -> None:
        """Let `note` see every answer as it came, for diagnosis."""
        self._http.record_answers(note)

    async def issue_anonymous_token(self, client_id: str, *, profile: str) -> responses.IssuedToken:
        """Ask for this installation's token. RATE_LIMITED while an earlier one lives."""
        headers = {**requests.attribution(PROFILES[profile], platform=self._platform), "X-Client-Id": client_id}
        request = BackendRequest("anonymous_token", "POST", "/api/auth/anonymous-token", headers)
        return await self._http.answer(request, responses.parse_issued_token)

    async def open_session(self, credentials: Credentials, *, language: str | None) -> responses.OpenedSession:
        """Begin a session. Safe to repeat: an unused one costs nothing."""
        body = requests.SessionBody(language=language or msgspec.UNSET)
        request = self._post("open_session", "/api/tasks/me/with-session/nemo_agent", credentials, body)
        return await self._http.answer(request, responses.parse_opened_session)

    async def make_claim_token(
        self, credentials: Credentials, *, task_id: str, session_id: str
    ) -> responses.ClaimToken:
        """Get the ``clm_…`` that opens the project in a browser. Safe to repeat."""
        request = self._post(
            "claim_token", "/api/auth/claim-token", credentials, requests.ClaimBody(task_id, session_id)
        )
        return await self._http.answer(request, responses.parse_claim_token)

    @asynccontextmanager
    async def send_message(
        self, credentials: Credentials, *, session_id: str, text: str, silence_s: float = 600
    ) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        """Send a message, and hand out what the backend says until it closes the stream. It costs credits.

        `silence_s`: without a single byte for so long the stream is BROKEN. Faults with `maybe_done` must not lead to
        a second send. Leaving the block closes the stream; the backend edits on.
        """
        said = requests.NewMessage([requests.MessagePart(text)])
        request = self._post(
            "message", "/run_sse", credentials, requests.MessageBody(session_id, said), silence_s=silence_s
        )
        request.headers["Accept"] = "text/event-stream"
        async with (
            self._http.stream(request, "stream") as (_, chunks),
            aclosing(self._events(chunks, over_s=silence_s * _OVER_SHARE)) as events,
        ):
            yield events

    async def upload_file(
        self, credentials: Credentials, *, session_id: str, filename: str, size_bytes: int, chunks: AsyncIterator[bytes]
    ) -> responses.UploadAnswer:
        """Send one file's bytes as they come. Raises also multipart.SizeMismatch, and whatever `chunks` raises."""
        form = FileForm(filename, size_bytes)
        headers = self._headers(credentials) | form.headers
        body = form.body(chunks)
        request = BackendRequest(
            "upload", "POST", _upload_path(session_id), headers, body, _UPLOAD_SILENCE_S, credentials.job_id
        )
        async with aclosing(body):
            return await self._http.answer(request, responses.parse_upload_answer)

    async def upload_url(
        self, credentials: Credentials, *, session_id: str, urls: Sequence[str]
    ) -> responses.UploadAnswer:
        """Let the backend fetch the files itself."""
        body = requests.UrlsBody(list(urls))
        request = self._post("upload", _upload_path(session_id), credentials, body, silence_s=_UPLOAD_SILENCE_S)
        return (await self._http.answer(request, responses.parse_upload_answer)).without_echo(urls)

    async def read_credits(self, credentials: Credentials) -> responses.Credits:
        """Read the token's balance."""
        return await self._http.answer(
            self._request("credits", "GET", "/api/credits/balance/simple", credentials), responses.parse_credits
        )

    async def read_state(self, credentials: Credentials, session_id: str) -> responses.State:
        """Read the session as it is now."""
        path = f"/api/state/nemo_agent/me/{_segment(session_id)}/latest"
        return await self._http.answer(self._request("state", "GET", path, credentials), responses.parse_state)

    async def start_render(
        self,
        credentials: Credentials,
        *,
        render_id: str,
        session_id: str,
        draft: Draft,
        output: dict[str, Any],
    ) -> str | None:
        """Begin a render under an id of ours, and return another one that the answer names. RENDER_DUPLICATE: it is there."""
        body = requests.RenderBody(id=render_id, session_id=session_id, draft=draft, output=output)
        request = self._post("render", "/api/render/proxy/lambda", credentials, body)
        named = await self._http.answer(request, responses.parse_render_ids)
        return next((name for name in named if name != render_id), None)

    async def read_render_status(self, credentials: Credentials, *render_ids: str) -> responses.RenderStatus:
        """Ask how far a render is, by the first of its ids that is known. RENDER_UNKNOWN: this token sees none of them."""

        async def read(render_id: str) -> responses.RenderStatus:
            request = self._request("render_status", "GET", _render_path(render_id), credentials)
            return await self._http.answer(request, responses.parse_render_status)

        return await _by_first_known(render_ids, read)

    async def cancel_render(self, credentials: Credentials, *render_ids: str) -> None:
        """Take a render back, by the first of its ids that is known; works while it is pending."""

        async def take_back(render_id: str) -> None:
            request = self._request("cancel_render", "POST", _render_path(render_id) + "/cancel", credentials)
            await self._http.answer(request, _nothing)

        await _by_first_known(render_ids, take_back)

    def is_own(self, url: str) -> bool:
        """Whether a URL is of the backend's own scheme, host and port: no other place may see a token."""
        try:
            return _origin(url) == _origin(self._base_url)
        except ValueError:
            return False

    def absolute(self, url: str) -> str:
        """Complete a link that names no host: it is the backend's. What can't be read stays as it is.

        What no header may hold is escaped, in a host's name too (RFC 3986, 2.1, and IDNA): callers may be led there.
        """
        try:
            return str(httpx.URL(urljoin(self._base_url, url)))
        except (ValueError, httpx.InvalidURL):
            return url

    @asynccontextmanager
    async def open_output(self, url: str, credentials: Credentials | None) -> AsyncIterator[Download]:
        """Open a finished render's file at its URL, which must be the backend's own. Raises Redirected. Repeatable."""
        if not self.is_own(url):
            raise BackendFault(Fault.REFUSED, call="output", detail="the link is not of the backend's host")
        headers = self._headers(credentials) if credentials else {"Accept-Encoding": "identity"}
        request = BackendRequest("output", "GET", url, headers)
        async with self._http.stream(request, "bare") as (size_bytes, chunks):
            yield Download(size_bytes, chunks)

    @asynccontextmanager
    async def open_download(self, credentials: Credentials, render_id: str) -> AsyncIterator[Download]:
        """Open a finished render's file by the download call. Raises Redirected. Repeatable."""
        path = f"/api/render/proxy/{_segment(render_id)}/download"
        request = self._request("download", "GET", path, credentials)
        async with self._http.stream(request, "stream") as (size_bytes, chunks):
            yield Download(size_bytes, chunks)

    async def _events(self, chunks: AsyncIterator[bytes], *, over_s: float) -> AsyncGenerator[StreamEvent, None]:
        """`over_s`: how long a stream may stay open that has said that this was all (``[DONE]``), and says no more than signs of life."""
        decoder, loop = StreamDecoder(), asyncio.get_running_loop()
        work_began, until_s = False, None
        while (chunk := await _next_chunk(chunks, until_s=until_s)) is not None:
            for event in decoder.feed(chunk):
                work_began = self._noted(event, work_began=work_began)
                if not isinstance(event, Heartbeat):
                    until_s = None
                elif event.last:
                    until_s = until_s or loop.time() + over_s
                yield event
        for event in decoder.end():
            work_began = self._noted(event, work_began=work_began)
            yield event

    def _noted(self, event: StreamEvent, *, work_began: bool) -> bool:
        """Count an event, and say whether work has begun by now. Raises BackendFault where it is the message's refusal."""
        self._metrics.stream_event(event.kind)
        if isinstance(event, Unknown):
            self._metrics.surprise("message", Surprise.UNKNOWN_EVENT)
        _raise_refusal(event, work_began=work_began)
        return work_began or _tells_of_work(event)

    def _post(
        self, call: str, path: str, credentials: Credentials, body: msgspec.Struct, *, silence_s: float | None = None
    ) -> BackendRequest:
        headers = self._headers(credentials) | {"Content-Type": "application/json"}
        return BackendRequest(call, "POST", path, headers, msgspec.json.encode(body), silence_s, credentials.job_id)

    def _request(
        self, call: str, method: Literal["GET", "POST"], path: str, credentials: Credentials
    ) -> BackendRequest:
        return BackendRequest(call, method, path, self._headers(credentials), job_id=credentials.job_id)

    def _headers(self, credentials: Credentials) -> dict[str, str]:
        headers = requests.attribution(PROFILES[credentials.profile], platform=self._platform)
        headers |= {"Authorization": f"Bearer {credentials.token}", "Accept-Encoding": "identity"}
        return headers | ({"traceparent": credentials.traceparent} if credentials.traceparent else {})


async def _next_chunk(chunks: AsyncIterator[bytes], *, until_s: float | None) -> bytes | None:
    """Read on; None at the end, or where nothing has come by then, on the loop's clock."""
    with suppress(TimeoutError):
        async with asyncio.timeout_at(until_s):
            return await anext(chunks, None)
    return None


def _tells_of_work(event: StreamEvent) -> bool:
    """Tell what is said or begun from signs of life; of an event that nobody has described it may be either."""
    return not isinstance(event, Heartbeat)


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


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def _render_path(render_id: str) -> str:
    return f"/api/render/proxy/lambda/{_segment(render_id)}"


async def _by_first_known(render_ids: Sequence[str], call: Callable[[str], Awaitable[_T]]) -> _T:
    """Make a call with a render's first id, and with the next one where that is unknown."""
    *likelier, last = render_ids
    for render_id in likelier:
        try:
            return await call(render_id)
        except BackendFault as fault:
            if fault.fault is not Fault.RENDER_UNKNOWN:
                raise
    return await call(last)


def _upload_path(session_id: str) -> str:
    return f"/api/upload-video/nemo_agent/me/{_segment(session_id)}"

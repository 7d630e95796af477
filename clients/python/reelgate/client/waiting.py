"""Carries calls out with `httpx.AsyncClient`; what blocks goes to a thread."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, closing
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
import anyio.to_thread
import httpx

from reelgate.client.effects import (
    Answer,
    Close,
    Done,
    Effect,
    Emit,
    Failure,
    FileBody,
    Open,
    Pause,
    Raised,
    Read,
    Request,
    Send,
    Steps,
    Work,
    resume,
)
from reelgate.client.transport import CHUNK_BYTES, GatheredBody, Outgoing, answer_of, failure_of

T = TypeVar("T")


class WaitingDriver:
    """Runs calls, each in a conversation of its own, so many can go on at once."""

    def __init__(self, http: httpx.AsyncClient, outgoing: Outgoing) -> None:
        self._http = http
        self._outgoing = outgoing

    async def run(self, steps: Steps[T]) -> T:
        """Carry a call out to its end."""
        with closing(steps):
            async with AsyncConversation(self._http, self._outgoing) as conversation:
                effect = resume(steps, None)
                while not isinstance(effect, Done):
                    effect = resume(steps, await conversation.perform(effect))
                return effect.value

    async def iterate(self, steps: Steps[None]) -> AsyncIterator[Any]:
        """Carry a call out, and give what it emits."""
        with closing(steps):
            async with AsyncConversation(self._http, self._outgoing) as conversation:
                effect = resume(steps, None)
                while not isinstance(effect, Done):
                    if isinstance(effect, Emit):
                        yield effect.value
                        effect = resume(steps, None)
                    else:
                        effect = resume(steps, await conversation.perform(effect))


class AsyncConversation:
    """One call's effects, and the answer that it has open."""

    def __init__(self, http: httpx.AsyncClient, outgoing: Outgoing) -> None:
        self._http = http
        self._outgoing = outgoing
        self._opened = AsyncExitStack()
        self._chunks: AsyncIterator[bytes] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def perform(self, effect: Effect) -> Any:
        """Do what is asked for. What it raises becomes the outcome."""
        try:
            return await self._perform(effect)
        except httpx.HTTPError as error:
            return failure_of(error)
        except Exception as error:  # noqa: BLE001 - the call decides what it means
            return Raised(error)

    async def _perform(self, effect: Effect) -> Any:
        match effect:
            case Send(request):
                return await self._send(request)
            case Open(request):
                return await self._open(request)
            case Read():
                return b"" if self._chunks is None else await anext(self._chunks, b"")
            case Close():
                await self._opened.aclose()
            case Pause(seconds):
                await anyio.sleep(seconds)
            case Work(task):
                return await anyio.to_thread.run_sync(task)
        return None

    async def _send(self, request: Request) -> Answer:
        response = await self._http.send(self._built(request), stream=True, follow_redirects=False)
        async with aclosing(response):
            return answer_of(response, await _gathered(response))

    async def _open(self, request: Request) -> Answer | Failure:
        await self._opened.aclose()
        response = await self._http.send(self._built(request), stream=True, follow_redirects=request.follows)
        self._opened.push_async_callback(response.aclose)
        if response.is_error:
            return answer_of(response, await _gathered(response))
        self._chunks = response.aiter_bytes()
        return answer_of(response)

    def _built(self, request: Request) -> httpx.Request:
        body = _read_file(request.body) if isinstance(request.body, FileBody) else request.body
        return self._http.build_request(
            request.method,
            self._outgoing.url(request),
            params=list(request.params) or None,
            headers=self._outgoing.headers(request),
            content=body,
            timeout=self._outgoing.timeout(request),
        )


async def _gathered(response: httpx.Response) -> bytes:
    body = GatheredBody()
    async for chunk in response.aiter_bytes():
        body.take(chunk)
    return body.whole()


async def _read_file(body: FileBody) -> AsyncIterator[bytes]:
    """Read a file for sending in a thread, and tell of each chunk when it has gone."""
    sent_bytes = 0
    with await anyio.to_thread.run_sync(body.path.open, "rb") as file:
        while chunk := await anyio.to_thread.run_sync(file.read, CHUNK_BYTES):
            sent_bytes += len(chunk)
            body.require_unchanged(file, read_bytes=sent_bytes, is_end=False)
            yield chunk
            body.tell(sent_bytes)
        body.require_unchanged(file, read_bytes=sent_bytes, is_end=True)

"""Carries calls out with `httpx.Client`: the calling thread waits."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from types import TracebackType
from typing import Any, Self, TypeVar

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


class BlockingDriver:
    """Runs calls, each in a conversation of its own, so it can be used by several threads."""

    def __init__(self, http: httpx.Client, outgoing: Outgoing) -> None:
        self._http = http
        self._outgoing = outgoing

    def run(self, steps: Steps[T]) -> T:
        """Carry a call out to its end."""
        with closing(steps), Conversation(self._http, self._outgoing) as conversation:
            effect = resume(steps, None)
            while not isinstance(effect, Done):
                effect = resume(steps, conversation.perform(effect))
            return effect.value

    def iterate(self, steps: Steps[None]) -> Iterator[Any]:
        """Carry a call out, and give what it emits."""
        with closing(steps), Conversation(self._http, self._outgoing) as conversation:
            effect = resume(steps, None)
            while not isinstance(effect, Done):
                if isinstance(effect, Emit):
                    yield effect.value
                    effect = resume(steps, None)
                else:
                    effect = resume(steps, conversation.perform(effect))


class Conversation:
    """One call's effects, and the answer that it has open."""

    def __init__(self, http: httpx.Client, outgoing: Outgoing) -> None:
        self._http = http
        self._outgoing = outgoing
        self._opened = ExitStack()
        self._chunks: Iterator[bytes] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._opened.close()

    def perform(self, effect: Effect) -> Any:
        """Do what is asked for. What it raises becomes the outcome."""
        try:
            return self._perform(effect)
        except httpx.HTTPError as error:
            return failure_of(error)
        except Exception as error:  # noqa: BLE001 - the call decides what it means
            return Raised(error)

    def _perform(self, effect: Effect) -> Any:
        match effect:
            case Send(request):
                return self._send(request)
            case Open(request):
                return self._open(request)
            case Read():
                return next(self._chunks, b"")
            case Close():
                self._opened.close()
            case Pause(seconds):
                time.sleep(seconds)
            case Work(task):
                return task()
        return None

    def _send(self, request: Request) -> Answer:
        with closing(self._http.send(self._built(request), stream=True, follow_redirects=False)) as response:
            return answer_of(response, _gathered(response))

    def _open(self, request: Request) -> Answer | Failure:
        self._opened.close()
        response = self._http.send(self._built(request), stream=True, follow_redirects=request.follows)
        self._opened.callback(response.close)
        if response.is_error:
            return answer_of(response, _gathered(response))
        self._chunks = response.iter_bytes()
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


def _gathered(response: httpx.Response) -> bytes:
    body = GatheredBody()
    for chunk in response.iter_bytes():
        body.take(chunk)
    return body.whole()


def _read_file(body: FileBody) -> Iterator[bytes]:
    """Read a file for sending, and tell of each chunk when it has gone."""
    sent_bytes = 0
    with body.path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            sent_bytes += len(chunk)
            body.require_unchanged(file, read_bytes=sent_bytes, is_end=False)
            yield chunk
            body.tell(sent_bytes)
        body.require_unchanged(file, read_bytes=sent_bytes, is_end=True)

"""One attempt to deliver one callback: bytes out, an `Answer` back, whatever the receiver does.

The delivery loop calls it with the guarded client; `schedule` says what the answer means. An attempt takes
`timeout_s` at most, all phases together, reads 64 kB at most, follows nothing and unpacks nothing.
This module must not know jobs, Redis or how often something was tried.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterator, Mapping

import httpx

from core.clock import Clock, stopwatch_s
from worker.callbacks.retry_policy import Answer, Fault, retry_after_s
from worker.outbound.client import ForbiddenTarget

#: Enough to let a polite answer end, so that its connection can be used again.
MAX_ANSWER_BYTES = 64_000
MAX_EXCERPT_BYTES = 1_000

_WORDS = {
    Fault.FORBIDDEN: "The URL may not be called.",
    Fault.NAME_NOT_FOUND: "The host's name could not be resolved.",
    Fault.REFUSED: "The host refused the connection.",
    Fault.UNREACHABLE: "The host could not be reached.",
    Fault.TLS: "No secure connection could be made.",
    Fault.TIMEOUT: "The receiver did not answer in time.",
    Fault.BROKEN: "The connection broke before an answer came.",
    Fault.NOT_HTTP: "The receiver's answer was not HTTP.",
    Fault.UNKNOWN: "The attempt failed.",
}


class _Heard:
    """What has come in so far; survives the attempt's being cut short."""

    def __init__(self) -> None:
        self.response: httpx.Response | None = None
        self.start = bytearray()


async def attempt(
    client: httpx.AsyncClient,
    *,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    clock: Clock,
    timeout_s: float = 15.0,
) -> Answer:
    """Send one callback and say what came back. Raises nothing but CancelledError.

    Once a status has come, it is the answer: a body that drips, breaks or never ends does not undo it.
    """
    heard, started_s, fault = _Heard(), stopwatch_s(), None
    try:
        async with asyncio.timeout(timeout_s):
            await _converse(client, url, body, headers, heard)
    except Exception as broken:  # noqa: BLE001 - an attempt ends in an answer, whatever broke
        fault = broken
    latency_ms = round((stopwatch_s() - started_s) * 1000)
    if heard.response is not None:
        return _answer(heard.response, bytes(heard.start), latency_ms, clock.now_ms())
    assert fault is not None
    return Answer(error=kind_of(fault), detail=_detail(fault), latency_ms=latency_ms)


async def _converse(
    client: httpx.AsyncClient, url: str, body: bytes, headers: Mapping[str, str], heard: _Heard
) -> None:
    asked = {"accept-encoding": "identity", **headers}
    async with client.stream("POST", url, content=body, headers=asked) as response:
        heard.response = response
        read_bytes = 0
        async for chunk in response.aiter_raw():
            read_bytes += len(chunk)
            heard.start += chunk[: MAX_EXCERPT_BYTES - len(heard.start)]
            if read_bytes >= MAX_ANSWER_BYTES:
                return


def _answer(response: httpx.Response, start: bytes, latency_ms: int, now_ms: int) -> Answer:
    wish = response.headers.get("webhook-delivery", "").strip().lower()
    return Answer(
        status=response.status_code,
        retry_after_s=retry_after_s(response.headers.get("retry-after"), now_ms=now_ms),
        disable=wish == "disable",
        abort=wish == "abort-message",
        excerpt=safe_text(start),
        latency_ms=latency_ms,
    )


def safe_text(raw: bytes) -> str:
    """Make foreign bytes fit to be shown: UTF-8 where it is, and nothing that moves a cursor or turns text around."""
    text = raw.decode("utf-8", errors="replace")
    clean = "".join(char if char.isprintable() or char == "\n" else " " for char in text)
    return clean.encode()[:MAX_EXCERPT_BYTES].decode("utf-8", errors="ignore")


def kind_of(fault: BaseException) -> Fault:
    """Name a fault by the most telling exception in its chain of causes."""
    if isinstance(fault, (TimeoutError, httpx.TimeoutException)):
        return Fault.TIMEOUT
    if isinstance(fault, httpx.RemoteProtocolError) and "disconnected" in str(fault):
        return Fault.BROKEN
    chain = list(_causes(fault))
    for exception, kind in _KINDS:
        if any(isinstance(link, exception) for link in chain):
            return kind
    return Fault.UNKNOWN


def _causes(fault: BaseException | None) -> Iterator[BaseException]:
    """Walk back to where a fault came from.

    Contexts count, since httpcore's pool cuts causes off; TLS asking for more bytes is a context of every read.
    """
    while fault is not None:
        if not isinstance(fault, (ssl.SSLWantReadError, ssl.SSLWantWriteError)):
            yield fault
        fault = fault.__cause__ or fault.__context__


#: Most telling first: httpx wraps a failed look-up, handshake or dial in the same ConnectError.
_KINDS: tuple[tuple[type[BaseException], Fault], ...] = (
    (ForbiddenTarget, Fault.FORBIDDEN),
    (httpx.InvalidURL, Fault.FORBIDDEN),
    (httpx.UnsupportedProtocol, Fault.FORBIDDEN),
    (socket.gaierror, Fault.NAME_NOT_FOUND),
    (UnicodeError, Fault.NAME_NOT_FOUND),
    (ssl.SSLError, Fault.TLS),
    (ConnectionRefusedError, Fault.REFUSED),
    (httpx.ConnectError, Fault.UNREACHABLE),
    (ConnectionError, Fault.BROKEN),
    (httpx.NetworkError, Fault.BROKEN),
    (httpx.RemoteProtocolError, Fault.NOT_HTTP),
)


def _detail(fault: BaseException) -> str:
    words = _WORDS[kind_of(fault)]
    for link in _causes(fault):
        if isinstance(link, ForbiddenTarget):
            return str(link)
        if isinstance(link, ssl.SSLCertVerificationError):
            return f"The certificate is not valid: {link.verify_message}"
    return words

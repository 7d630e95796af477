"""Sends one callback once: bytes out, an `AttemptResult` back, whatever the receiver does.

`deliver` calls it with the guarded client; `retry_policy` says what the result means. An attempt takes
`timeout_s` at most, all phases together, reads 64 kB at most, follows nothing and unpacks nothing.
This module must not know jobs, Redis or how often something was tried.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Mapping

import httpx

from core.clock import Clock, stopwatch_s
from core.http.retry_after import parse_retry_after_s
from worker.callbacks.retry_policy import AttemptFault, AttemptResult
from worker.causes import causes_of
from worker.outbound.client import ForbiddenTarget, OutboundClient
from worker.outbound.http11 import AnswerTooLarge
from worker.outbound.loop_lag import LagWatch

#: Enough to let a polite answer end, so that its connection can be used again.
MAX_ANSWER_BYTES = 64_000
MAX_EXCERPT_BYTES = 1_000
#: A polite answer comes in a few pieces; each costs time, however small it is.
MAX_ANSWER_PIECES = 256

#: what a process, or its machine, has no more of: open files, memory for sockets
_SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

_WORDS = {
    AttemptFault.FORBIDDEN: "The URL may not be called.",
    AttemptFault.NAME_NOT_FOUND: "The host's name could not be resolved.",
    AttemptFault.REFUSED: "The host refused the connection.",
    AttemptFault.UNREACHABLE: "The host could not be reached.",
    AttemptFault.TLS: "No secure connection could be made.",
    AttemptFault.TIMEOUT: "The receiver did not answer in time.",
    AttemptFault.BROKEN: "The connection broke before an answer came.",
    AttemptFault.NOT_HTTP: "The receiver's answer was not HTTP.",
    AttemptFault.TOO_LARGE: "The receiver sent too much before its answer.",
    AttemptFault.OUR_LATENESS: "This service was too busy to hear the answer in time.",
    AttemptFault.NO_MEANS: "This service could open no connection of its own.",
    AttemptFault.NOT_SENT: "This service could not put the callback together.",
    AttemptFault.UNKNOWN: "The attempt failed.",
}

#: what is said of an attempt for which there was nothing to send
NOT_PUT_TOGETHER = AttemptResult(error=AttemptFault.NOT_SENT, detail=_WORDS[AttemptFault.NOT_SENT])
NOT_SIGNED = AttemptResult(
    error=AttemptFault.NOT_SENT,
    detail="This service cannot read the secret that signs callbacks: its operator must give back the key for that.",
)


class _Received:
    """What has come in so far; survives the attempt's being cut short."""

    def __init__(self) -> None:
        self.response: httpx.Response | None = None
        self.start = bytearray()

    def note(self, response: httpx.Response) -> None:
        self.response = response


async def send(
    client: OutboundClient,
    *,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    clock: Clock,
    timeout_s: float = 15.0,
) -> AttemptResult:
    """Send one callback and say what came back. Raises nothing but CancelledError.

    Once a status has come, it is the answer: a body that drips, breaks or never ends does not undo it.
    """
    received, started_s, fault = _Received(), stopwatch_s(), None
    with LagWatch() as watch:
        try:
            async with asyncio.timeout(timeout_s):
                await _exchange(client, url, body, headers, received, silence_s=timeout_s)
        except Exception as broken:  # noqa: BLE001 - an attempt ends in an answer, whatever broke
            fault = broken
    latency_ms = round((stopwatch_s() - started_s) * 1000)
    if received.response is not None:
        return _result_of(received.response, bytes(received.start), latency_ms, clock.now_ms())
    assert fault is not None
    return _failure(fault, latency_ms, ours=watch.was_late)


def _failure(fault: BaseException, latency_ms: int, *, ours: bool) -> AttemptResult:
    """Say what broke an attempt. `ours`: this process was late, so that a time-out says nothing about the receiver."""
    kind, detail = classify(fault), _detail(fault)
    if ours and kind is AttemptFault.TIMEOUT:
        kind, detail = AttemptFault.OUR_LATENESS, _WORDS[AttemptFault.OUR_LATENESS]
    return AttemptResult(error=kind, detail=detail, latency_ms=latency_ms)


async def _exchange(
    client: OutboundClient,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    received: _Received,
    *,
    silence_s: float,
) -> None:
    asked = {"accept-encoding": "identity", **headers}
    wants = {"most_bytes": MAX_ANSWER_BYTES, "on_head": received.note}
    waits = httpx.Timeout(silence_s, connect=client.timeout.connect)
    async with client.stream("POST", url, content=body, headers=asked, extensions=wants, timeout=waits) as response:
        pieces = 0
        async for piece in response.aiter_raw():
            pieces += 1
            received.start += piece[: MAX_EXCERPT_BYTES - len(received.start)]
            if pieces >= MAX_ANSWER_PIECES:
                return


def _result_of(response: httpx.Response, start: bytes, latency_ms: int, now_ms: int) -> AttemptResult:
    headers = response.headers
    wish = headers.get("webhook-delivery", "").strip().lower()
    return AttemptResult(
        status=response.status_code,
        retry_after_s=parse_retry_after_s(headers.get("retry-after"), date=headers.get("date"), now_ms=now_ms),
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


def classify(fault: BaseException) -> AttemptFault:
    """Name what broke an attempt, by the most telling exception in its chain of causes."""
    if isinstance(fault, (TimeoutError, httpx.TimeoutException)):
        return AttemptFault.TIMEOUT
    causes = list(causes_of(fault))
    if any(isinstance(link, OSError) and link.errno in _SHORTAGES for link in causes):
        return AttemptFault.NO_MEANS
    for exception, kind in _FAULTS:
        if any(isinstance(link, exception) for link in causes):
            return kind
    return AttemptFault.UNKNOWN


#: Most telling first: httpx wraps a failed look-up, handshake or dial in the same ConnectError.
_FAULTS: tuple[tuple[type[BaseException], AttemptFault], ...] = (
    (ForbiddenTarget, AttemptFault.FORBIDDEN),
    (AnswerTooLarge, AttemptFault.TOO_LARGE),
    (httpx.InvalidURL, AttemptFault.FORBIDDEN),
    (httpx.UnsupportedProtocol, AttemptFault.FORBIDDEN),
    (socket.gaierror, AttemptFault.NAME_NOT_FOUND),
    (UnicodeError, AttemptFault.NAME_NOT_FOUND),
    (ssl.SSLError, AttemptFault.TLS),
    (ConnectionRefusedError, AttemptFault.REFUSED),
    (ConnectionError, AttemptFault.BROKEN),
    (httpx.ConnectError, AttemptFault.UNREACHABLE),
    (httpx.NetworkError, AttemptFault.BROKEN),
    (httpx.RemoteProtocolError, AttemptFault.NOT_HTTP),
)


def _detail(fault: BaseException) -> str:
    words = _WORDS[classify(fault)]
    for link in causes_of(fault):
        if isinstance(link, ForbiddenTarget):
            return str(link)
        if isinstance(link, ssl.SSLCertVerificationError):
            return f"The certificate is not valid: {link.verify_message}"
    return words

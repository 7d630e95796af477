"""How the receiver answers: one path under /hook for each way of behaving well or badly.

    /hook                          200
    /hook/status/CODE              that status; 3xx points to /hook, so that a follower is caught there
    /hook/retry-after/seconds/N    429 with Retry-After: N
    /hook/retry-after/date/N       429 with Retry-After: an HTTP date N seconds ahead
    /hook/fail/N                   500 for the first N attempts of each webhook-id, then 200
    /hook/disable, /hook/abort     500 with webhook-delivery: disable, or abort-message
    /hook/disable-taken            200 with webhook-delivery: disable
    /hook/hang                     no answer at all
    /hook/reset, /hook/close       the connection is reset, or closed, without an answer
    /hook/drip, /hook/drip-body    one byte a second, from the status line on, or of the body
    /hook/endless                  200 and a body without end
    /hook/gzip-bomb                200 and 1 GB of zeros in 1 MB
    /hook/not-http                 a line of something else
    /hook/cookie                   200 and a cookie

The server calls `behave`; how a request is read, and what is kept of it, is not known here.
"""

import asyncio
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus

#: Writes raw bytes of an answer and returns when they are on their way.
Writer = asyncio.StreamWriter
Mood = Callable[[Writer, str, int], Awaitable[None]]


async def behave(writer: Writer, path: str, times_seen: int) -> None:
    """Answer a callback as its path says. `times_seen` counts this attempt too; an unknown path is a 404."""
    kind, _, argument = path.removeprefix("/hook").removeprefix("/").partition("/")
    mood = _MOODS.get(kind)
    if mood is None or not path.startswith("/hook"):
        return await respond(writer, HTTPStatus.NOT_FOUND)
    return await mood(writer, argument, times_seen)


async def respond(writer: Writer, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
    """Send a whole answer."""
    everything = {"content-length": str(len(body)), **(headers or {})}
    writer.write(_head(status, everything) + body)
    await writer.drain()


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {_phrase(status)}", "connection: close", *(f"{k}: {v}" for k, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


async def _fine(writer: Writer, _argument: str, _times_seen: int) -> None:
    await respond(writer, HTTPStatus.OK, {"content-type": "application/json"}, b'{"received":true}')


async def _status(writer: Writer, argument: str, _times_seen: int) -> None:
    status = int(argument)
    moved = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    await respond(writer, status, {"location": "/hook"} if moved else None, b"as asked for")


async def _retry_after(writer: Writer, argument: str, _times_seen: int) -> None:
    form, _, seconds = argument.partition("/")
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=int(seconds)), usegmt=True)
    await respond(
        writer, HTTPStatus.TOO_MANY_REQUESTS, {"retry-after": moment if form == "date" else seconds}, b"slow down"
    )


async def _fail(writer: Writer, argument: str, times_seen: int) -> None:
    if times_seen <= int(argument):
        await respond(writer, HTTPStatus.INTERNAL_SERVER_ERROR, body=b"not yet")
    else:
        await _fine(writer, argument, times_seen)


def _wishing(status: int, wish: str) -> Mood:
    async def answer(writer: Writer, _argument: str, _times_seen: int) -> None:
        await respond(writer, status, {"webhook-delivery": wish})

    return answer


async def _hang(_writer: Writer, _argument: str, _times_seen: int) -> None:
    await asyncio.Event().wait()


async def _reset(writer: Writer, _argument: str, _times_seen: int) -> None:
    """Close with a linger of zero, which makes the kernel send RST."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _close(_writer: Writer, _argument: str, _times_seen: int) -> None:
    """Say nothing: the server closes the connection."""


async def _drip(writer: Writer, _argument: str, _times_seen: int) -> None:
    await _slowly(writer, _head(HTTPStatus.OK, {"content-length": "2"}) + b"ok")


async def _drip_body(writer: Writer, _argument: str, _times_seen: int) -> None:
    writer.write(_head(HTTPStatus.OK, {"content-length": "1000"}))
    await _slowly(writer, b"." * 1000)


async def _slowly(writer: Writer, raw: bytes) -> None:
    for position in range(len(raw)):
        writer.write(raw[position : position + 1])
        await writer.drain()
        await asyncio.sleep(1)


async def _endless(writer: Writer, _argument: str, _times_seen: int) -> None:
    writer.write(_head(HTTPStatus.OK, {"content-type": "text/plain"}))
    while True:
        writer.write(b"and on and on \n" * 4096)
        await writer.drain()


async def _gzip_bomb(writer: Writer, _argument: str, _times_seen: int) -> None:
    writer.write(_head(HTTPStatus.OK, {"content-encoding": "gzip", "content-type": "text/plain"}))
    packer = zlib.compressobj(wbits=31)
    for _ in range(1000):
        writer.write(packer.compress(bytes(1_000_000)))
        await writer.drain()
    writer.write(packer.flush())


async def _not_http(writer: Writer, _argument: str, _times_seen: int) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    await writer.drain()


async def _cookie(writer: Writer, _argument: str, _times_seen: int) -> None:
    await respond(writer, HTTPStatus.OK, {"set-cookie": "seen=yes; Path=/"})


_MOODS: dict[str, Mood] = {
    "": _fine,
    "status": _status,
    "retry-after": _retry_after,
    "fail": _fail,
    "disable": _wishing(HTTPStatus.INTERNAL_SERVER_ERROR, "disable"),
    "disable-taken": _wishing(HTTPStatus.OK, "disable"),
    "abort": _wishing(HTTPStatus.INTERNAL_SERVER_ERROR, "abort-message"),
    "hang": _hang,
    "reset": _reset,
    "close": _close,
    "drip": _drip,
    "drip-body": _drip_body,
    "endless": _endless,
    "gzip-bomb": _gzip_bomb,
    "not-http": _not_http,
    "cookie": _cookie,
}

"""A load generator that is not the bottleneck: the bytes of a request are made once, and each connection asks again
as soon as it has its answer.

It knows as much HTTP as it needs: answers with a Content-Length over connections that stay open.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import cast
from urllib.parse import urlsplit

_LENGTH = b"\r\ncontent-length:"


@dataclass
class Load:
    """What came of a run: answers by status, and how long each took."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    times_s: list[float] = field(default_factory=list)

    def per_second(self, status: int) -> float:
        return self.statuses[status] / self.seconds

    def percentile_ms(self, percent: float) -> float:
        return percentile(self.times_s, percent) * 1000


def percentile(values: list[float], percent: float) -> float:
    """Take the value that `percent` of all do not exceed; nothing is 0."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


def request_bytes(url: str, body: bytes, headers: dict[str, str]) -> bytes:
    """Write a POST as it goes over the wire."""
    where = urlsplit(url)
    named = {"Host": where.netloc, "Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"POST {where.path} HTTP/1.1\r\n{head}\r\n".encode() + body


class _Caller(asyncio.Protocol):
    """One connection that asks again as long as there is a next request."""

    def __init__(self, requests: Iterator[bytes], load: Load) -> None:
        self._requests = requests
        self._load = load
        self._got = b""
        self._asked_s = 0.0
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are of no such class
        self._ask()

    def _ask(self) -> None:
        request = next(self._requests, None)
        self._asked_s = perf_counter()
        if request is None:
            self._transport.close()
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head_end = self._got.find(b"\r\n\r\n")
        if head_end < 0 or len(self._got) < head_end + 4 + _length(self._got[: head_end + 2]):
            return
        now_s = perf_counter()
        self._load.statuses[int(self._got[9:12])] += 1
        self._load.times_s.append(now_s - self._asked_s)
        self._got = b""
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(exc)


def _length(head: bytes) -> int:
    lower = head.lower()
    at = lower.find(_LENGTH)
    return int(lower[at + len(_LENGTH) : lower.find(b"\r\n", at + 2)]) if at >= 0 else 0


def _itself(caller: _Caller) -> _Caller:
    return caller


def same_requests(url: str, body: bytes, headers: dict[str, str]) -> Iterator[bytes]:
    """Write one POST, and send it again and again."""
    return itertools.repeat(request_bytes(url, body, headers))


async def send_for(seconds: float, url: str, requests: Iterator[bytes], *, connections: int) -> Load:
    """Send requests over so many connections for so long."""
    until_s = perf_counter() + seconds
    in_time = itertools.takewhile(lambda _: perf_counter() < until_s, requests)
    return await send_all(url, in_time, connections=connections)


async def send_all(url: str, requests: Iterator[bytes], *, connections: int) -> Load:
    """Send all requests over so many connections."""
    where, loop, load = urlsplit(url), asyncio.get_running_loop(), Load()
    began_s = perf_counter()
    callers = [_Caller(requests, load) for _ in range(connections)]
    for caller in callers:
        await loop.create_connection(partial(_itself, caller), where.hostname or "", where.port or 80)
    await asyncio.gather(*(caller.over for caller in callers))
    load.seconds = perf_counter() - began_s
    return load

"""Stands between the gateway and Redis and counts: round trips by what was asked, and what Redis itself says it did.

A round trip is what a client sends before it reads again, however many commands that is.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import redis.asyncio

from sandbox.world.embedded_redis import address

_CHUNK_BYTES = 1 << 16


class Meter:
    """A proxy that counts. `turns`: round trips by the first command of each, e.g. ``{"FCALL claim": 3}``."""

    def __init__(self, redis_url: str) -> None:
        where = urlsplit(redis_url)
        self._host, self._port, self._password = where.hostname, where.port, where.password or ""
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.turns: Counter[str] = Counter()
        self.commands = 0

    async def start(self) -> str:
        """Listen, and give the address to use instead of Redis's."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return address(self._server.sockets[0].getsockname()[1], self._password)

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        with suppress(OSError, asyncio.CancelledError):
            up_reader, up_writer = await asyncio.open_connection(self._host, self._port)
            answers = asyncio.create_task(_copy(up_reader, writer))
            try:
                while asked := await reader.read(_CHUNK_BYTES):
                    self._count(asked)
                    up_writer.write(asked)
                    await up_writer.drain()
            finally:
                answers.cancel()
                up_writer.close()
                writer.close()

    def _count(self, asked: bytes) -> None:
        words = _words(asked)
        self.commands += max(1, asked.count(b"\r\n*") + 1)
        if not words:
            return  # the rest of something long
        name = words[0].upper()
        about = words[1].rpartition("_")[0] if name == "FCALL" else _kind(words[1:2])
        self.turns[f"{name} {about}".strip()] += 1


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.CancelledError):
        while answer := await reader.read(_CHUNK_BYTES):
            writer.write(answer)
            await writer.drain()


def _words(asked: bytes) -> list[str]:
    """Read the first words of a command as it goes over the wire."""
    if not asked.startswith(b"*"):
        return []
    lines = asked[:400].split(b"\r\n")
    return [line.decode("latin-1") for line in lines[2:8:2]]


def _kind(rest: list[str]) -> str:
    """Name a key by its shape: ``rg:job`` of ``rg:job:job_019a…``."""
    return ":".join(rest[0].split(":")[:2])[:24] if rest else ""


@asynccontextmanager
async def connected(redis_url: str) -> AsyncIterator["redis.asyncio.Redis"]:
    """Connect past every proxy, to ask Redis itself."""
    async with redis.asyncio.from_url(redis_url) as client:  # type: ignore[no-untyped-call]
        yield client


class Seen(NamedTuple):
    """A command that Redis ran: when, by its own clock (Unix time), and what the pattern's group took out of it."""

    at_s: float
    what: str


@asynccontextmanager
async def commands_seen(redis_url: str, pattern: bytes) -> AsyncIterator[list[Seen]]:
    """List the commands that Redis runs during the block and that have the pattern in them (as MONITOR writes them)."""
    seen: list[Seen] = []
    wanted = re.compile(pattern)
    async with connected(redis_url) as client, client.monitor() as monitor:
        connection = monitor.connection
        assert connection is not None
        listening = asyncio.create_task(_see(connection, wanted, seen))
        try:
            yield seen
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def _see(connection: "redis.asyncio.Connection", wanted: re.Pattern[bytes], seen: list[Seen]) -> None:
    while True:
        line: bytes = await connection.read_response()
        if found := wanted.search(line):
            seen.append(Seen(float(line.split(b" ", 1)[0]), found[1].decode()))


async def redis_work(client: "redis.asyncio.Redis") -> tuple[int, float]:
    """Ask Redis how many commands it has run so far, those inside operations included, and for how long, in µs."""
    stats: dict[str, dict[str, Any]] = await client.info("commandstats")
    rows = [row for name, row in stats.items() if name not in {"cmdstat_info", "cmdstat_fcall"}]
    operations = [row for name, row in stats.items() if name == "cmdstat_fcall"]
    return sum(row["calls"] for row in rows), sum(row["usec"] for row in (operations or rows))


async def redis_cpu_ms(client: "redis.asyncio.Redis") -> float:
    """Read what Redis itself has used of a processor so far, all its threads, without its children."""
    used = await client.info("cpu")
    return 1000 * float(used["used_cpu_user"] + used["used_cpu_sys"])


async def redis_memory_bytes(client: "redis.asyncio.Redis") -> int:
    """Read how much memory Redis has taken for what it stores, without what it keeps for connections and its log."""
    memory = await client.info("memory")
    return int(memory["used_memory"] - memory["mem_clients_normal"] - memory["mem_aof_buffer"])

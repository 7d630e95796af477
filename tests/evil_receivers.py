"""A process of receivers that send without end, each in its own way, and good ones beside them.

Run as ``python -m tests.evil_receivers``: prints one JSON object of URLs by kind, and serves until its input ends.
"""

import asyncio
import json
import sys

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

#: first, then again and again, with so many seconds between
EVIL: dict[str, tuple[bytes, bytes, float]] = {
    "interim": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2000, 0),
    "one-byte-chunks": (CHUNKED, b"1\r\nx\r\n" * 8000, 0),
    "chunk-extensions": (CHUNKED, b"1;" + b"e" * 30_000 + b"\r\nx\r\n", 0),
    "endless-extension": (CHUNKED + b"1;", b"e" * 32_768, 0),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n" * 8000, 0),
    "one-header": (b"HTTP/1.1 200 OK\r\nx: ", b"y" * 32_768, 0),
    "body": (b"HTTP/1.1 200 OK\r\n\r\n", b"z" * 65_536, 0),
    "trailers": (CHUNKED + b"0\r\n", b"x: y\r\n" * 8000, 0),
    "dripping-head": (b"HTTP/1.1 200 OK\r\nx: ", b"y", 0.001),
    "dripping-body": (b"HTTP/1.1 200 OK\r\n\r\n", b"z", 0.001),
    "dripping-chunks": (CHUNKED, b"1\r\nx\r\n", 0.001),
    "dripping-interim": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.001),
}


async def _good(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await reader.readuntil(b"event"):
            writer.write(OK)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def _evil(first: bytes, again: bytes, pause_s: float):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"event")
            writer.write(first)
            while True:
                writer.write(again)
                await writer.drain()
                await asyncio.sleep(pause_s)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    return serve


async def main() -> None:
    """Serve every kind on a port of its own."""
    kinds = {"good": _good, **{kind: _evil(*way) for kind, way in EVIL.items()}}
    servers = {kind: await asyncio.start_server(serve, "127.0.0.1", 0) for kind, serve in kinds.items()}
    urls = {kind: f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/" for kind, server in servers.items()}
    print(json.dumps(urls), flush=True)  # noqa: T201 - the line that whoever started us waits for
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())

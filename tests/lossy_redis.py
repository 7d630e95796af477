"""A way to Redis that breaks at a command of the test's choice: its answer is lost, or it never comes there."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from urllib.parse import urlsplit


@asynccontextmanager
async def breaking(url: str, at: Callable[[bytes], bool], *, arrives: bool, once: bool = True) -> AsyncIterator[str]:
    """Give an address that leads to `url`. The connection breaks at the first request that is the one, or at each."""
    port, broken = urlsplit(url).port, False

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal broken
        there, back = await asyncio.open_connection("127.0.0.1", port)
        with closing(writer), closing(back), suppress(ConnectionError):
            returning = asyncio.create_task(_pass_on(there, writer))
            while asked := await reader.read(65_536):
                if not (broken and once) and at(asked):
                    broken = True
                    returning.cancel()
                    await asyncio.wait([returning])
                    if arrives:
                        back.write(asked)
                        await there.read(65_536)
                    return
                back.write(asked)
            returning.cancel()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield url.replace(f":{port}/", f":{server.sockets[0].getsockname()[1]}/")
    assert broken


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while told := await reader.read(65_536):
        writer.write(told)

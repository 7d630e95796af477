"""Cuts TCP connections, which ASGI has no word for: the server's protocol hands its transport to the calls.

`main.py` gives `CuttableProtocol` to uvicorn; the streams and the faults call `cut_off`.
"""

import asyncio

from litestar.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_KEY = "sandbox.transport"


class CuttableProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, whose requests can reach their own connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][_KEY] = self.transport


async def cut_off(scope: Scope, *, flush: bool) -> None:
    """End this call's connection improperly: after the bytes that were sent (`flush`), or at once, as a reset."""
    transport: asyncio.Transport = scope["state"][_KEY]
    if flush:
        transport.close()
    else:
        transport.abort()
    await asyncio.sleep(0)  # the loop tells the protocol, so that what is sent after this is dropped

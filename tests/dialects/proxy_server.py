"""Serves a proxy in a thread of the test's process, on a free port and under two addresses of this machine."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from sandbox.backend.connection import CuttableProtocol
from tests.dialects.proxy import OTHER_HOST, Proxy
from tests.until import PATIENCE_S


class _Server(uvicorn.Server):
    """Serves in a thread, opens and closes the proxy in its own event loop, and says when it listens."""

    def __init__(self, config: uvicorn.Config, proxy: Proxy) -> None:
        super().__init__(config)
        self._proxy = proxy
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self._proxy.open()
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        await self._proxy.aclose()


@contextmanager
def running_proxy(upstream: str) -> Iterator[Proxy]:
    """Serve a proxy before a sandbox on a free port, under two addresses of this machine, until the end of the block."""
    proxy = Proxy(upstream)
    first = socket.create_server(("127.0.0.1", 0), backlog=512)
    second = socket.create_server((OTHER_HOST, first.getsockname()[1]), backlog=512)
    proxy.url = f"http://127.0.0.1:{first.getsockname()[1]}"
    config = uvicorn.Config(
        proxy,
        http=CuttableProtocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config, proxy)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [first, second]}, daemon=True)
    thread.start()
    assert server.ready.wait(PATIENCE_S)
    try:
        yield proxy
    finally:
        server.should_exit = True
        thread.join(10)

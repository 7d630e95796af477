"""The API process: `reelgate api`. Binds a port, serves the app, says when it is ready, ends cleanly on SIGTERM."""

import asyncio
import signal
import socket
from typing import Any, cast

import click
import uvicorn
from litestar.types import ASGIApp
from prometheus_client import start_http_server
from uvicorn.config import LoopFactoryType

from core.errors import StartRefused
from core.logs import get_logger, say_ready
from core.metrics import REGISTRY
from core.process_command import ProcessCommand, load_process_settings
from core.store.formats import check_formats
from core.store.redis.client import STORE_DOWN
from core.store.redis.durability import durability_warnings
from core.store.secret_key_check import check_secret_keys
from service.app import build_app
from service.context import ApiContext, open_context
from service.http.protocol import LimitedProtocol

log = get_logger(__name__)

#: how long open requests may go on after SIGTERM; event streams end at once
SHUTDOWN_GRACE_S = 10
#: connections that wait to be accepted
_BACKLOG = 2048
#: how often a Redis that was away at the start is looked for
_LOOK_S = 0.5


class _Server(uvicorn.Server):
    """Says when it is ready, and lets the readers of events go first when it is to end."""

    def __init__(self, config: uvicorn.Config, *, context: ApiContext, address: str) -> None:
        super().__init__(config)
        self._context = context
        self._address = address
        #: why it may not serve, once that is known
        self.refused: StartRefused | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._member: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        redis_answered = await self._check_redis()
        if self.refused:
            return await self._context.store.close()
        await super().startup(sockets)
        if not redis_answered:
            log.warning("Redis does not answer yet")
            self._waiting = asyncio.create_task(self._check_redis_once_it_answers())
        self._member = asyncio.create_task(self._context.membership.run(), name="membership")
        say_ready("api", self._address, self._context.settings.log_format)
        return None

    async def _check_redis(self) -> bool:
        """Warn of what is wrong with Redis, and end where its data is not ours to read. False: it does not answer."""
        try:
            await check_formats(self._context.store)
            warnings = await check_secret_keys(self._context.store, self._context.encryption)
            warnings += await durability_warnings(self._context.store)
            await self._context.membership.note()
        except STORE_DOWN:
            return False
        except StartRefused as refused:
            self.refused, self.should_exit = refused, True
            return True
        for warning in warnings:
            log.warning(warning)
        return True

    async def _check_redis_once_it_answers(self) -> None:
        while not await self._check_redis():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(_LOOK_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._waiting:
            self._waiting.cancel()
        if self._member:
            self._member.cancel()
        self._context.subscriptions.end_streams()
        await super().shutdown(sockets)


def uvicorn_config(app: ASGIApp, *, loop: LoopFactoryType = "uvloop") -> uvicorn.Config:
    """Say how the app is served, here and in tests."""
    return uvicorn.Config(
        cast("Any", app),  # Litestar and uvicorn each have types of their own for the same calls
        loop=loop,
        http=LimitedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=SHUTDOWN_GRACE_S,
    )


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as taken:
        listener.close()
        raise click.ClickException(f"cannot listen on {host}:{port}: {taken.strerror}") from None
    return listener


@click.command(cls=ProcessCommand)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=8080, show_default=True, help="0 picks a free one.")
@click.option("--metrics-port", type=int, help="Serve /metrics there instead.")
def api(host: str, port: int, metrics_port: int | None) -> None:
    """Serve the HTTP API."""
    settings = load_process_settings()
    listener = _bind(host, port)
    if metrics_port is not None:
        start_http_server(metrics_port, addr=host, registry=REGISTRY)
    context = open_context(settings)
    config = uvicorn_config(build_app(context, metrics=metrics_port is None))
    where = f"[{host}]" if ":" in host else host
    server = _Server(config, context=context, address=f"http://{where}:{listener.getsockname()[1]}")
    _exit_zero_on_signals()
    server.run(sockets=[listener])
    if server.refused:
        raise click.ClickException(str(server.refused))


def _exit_zero_on_signals() -> None:
    """uvicorn raises the signal again when it is through; a clean end shall not look like a death."""
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: None)

"""The API process: `reelgate api`. Binds a port, serves the app, says when it is ready, and drains on SIGTERM.

To drain: `/readyz` says 503 at once, and all goes on for `drain_delay_s`, in which balancers hear of it. Then nobody is
listened to any more, event streams end, each answer is its connection's last, idle connections are closed, and what is
under way has `request_grace_s` to end. Ctrl-C leaves out the delay, and a second one the grace.
"""

import asyncio
import signal
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import FrameType
from typing import Any, cast

import click
import uvicorn
from litestar.types import ASGIApp
from uvicorn.config import LoopFactoryType

from core.errors import StartRefused
from core.logs import get_logger, say_ready
from core.process.command import ProcessCommand, load_process_settings
from core.process.garbage import collect_rarely
from core.process.listener import CannotListen, take_port
from core.process.pages import metrics_page, serve_pages
from core.store.redis.client import STORE_DOWN, why_away
from core.store.start_check import join
from service.app import build_app
from service.context import ApiContext, open_context
from service.http.drain import stop_listening
from service.http.protocol import LimitedProtocol
from service.openapi.scalar import find_script

log = get_logger(__name__)

#: connections that wait to be accepted
_BACKLOG = 2048
#: how often a Redis that was away at the start is looked for
_LOOK_S = 0.5
#: how often an ending process looks whether it is through
_TICK_S = 0.05
#: an ending process closes a connection that has been idle for so long; a balancer that still wants it uses it before, also
#: on a host that is short of time
IDLE_S = 4.0
#: a few hundred requests under way hold more objects than Python's 700, and it would look for garbage in them all the time
_OBJECTS_BETWEEN_COLLECTIONS = 10_000
#: those who are cut off have so long to say so
_LAST_WORDS_S = 1


class _Server(uvicorn.Server):
    """Says when it is ready, and drains before it ends."""

    def __init__(
        self, config: uvicorn.Config, *, context: ApiContext, address: str, metrics_at: tuple[str, int] | None
    ) -> None:
        super().__init__(config)
        self._context = context
        self._address = address
        self._metrics_at = metrics_at
        #: why it may not serve, once that is known
        self.refused: StartRefused | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._member: asyncio.Task[None] | None = None
        #: somebody at a terminal waits for the end, and no balancer
        self._hurried = False

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to end, and the metrics until after that. Raises CannotListen where they have a port that is taken."""
        async with AsyncExitStack() as stack:
            if self._metrics_at:
                host, port = self._metrics_at
                await stack.enter_async_context(serve_pages({"/metrics": metrics_page}, host=host, port=port))
            await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        away = await self._check_redis()
        if self.refused:
            return await self._context.store.close()
        await super().startup(sockets)
        if away:
            log.warning("waiting for Redis", why=away)
            self._waiting = asyncio.create_task(self._check_redis_once_it_answers())
        self._member = asyncio.create_task(self._context.membership.run(), name="membership")
        collect_rarely(young=_OBJECTS_BETWEEN_COLLECTIONS)
        say_ready("api", self._address, self._context.settings.log_format)
        return None

    async def _check_redis(self) -> str | None:
        """Warn of what is wrong with Redis, and end where its data is not ours to read. A sentence: why it is away."""
        try:
            warnings = await self._context.readiness.look()
            await join(self._context.membership)
        except STORE_DOWN as away:
            return why_away(away)
        except StartRefused as refused:
            self.refused, self.should_exit = refused, True
            return None
        for warning in warnings:
            log.warning(warning)
        return None

    async def _check_redis_once_it_answers(self) -> None:
        while await self._check_redis():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(_LOOK_S)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Be told to end: from this moment on `/readyz` says so."""
        self._context.readiness.draining = True
        self._hurried = self._hurried or sig == signal.SIGINT
        super().handle_exit(sig, frame)

    async def main_loop(self) -> None:
        """Serve until told to end, and then until every balancer knows."""
        await super().main_loop()
        self._context.readiness.draining = True
        if not self._hurried and not self.refused:
            delay_s = self._context.settings.drain_delay_s
            log.info("draining", delay_s=delay_s)
            await self._serve_while(lambda: True, most_s=delay_s)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let everybody go in order; cut off who has not gone when the grace is over."""
        if self._waiting:
            self._waiting.cancel()
        self._context.subscriptions.end_streams()
        await stop_listening(self.servers, sockets or [])
        await self._serve_while(self._has_connections, most_s=self._context.settings.request_grace_s)
        await self._cut_off()
        await super().shutdown(sockets)
        if self._member:
            self._member.cancel()

    async def _serve_while(self, so: Callable[[], bool], *, most_s: float) -> None:
        """Go on serving while it is so; a second Ctrl-C ends it."""
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + most_s
        while not self.force_exit and loop.time() < ends_s and so():
            await self.on_tick(0)  # keeps the answers' Date right
            await asyncio.sleep(_TICK_S)

    def _has_connections(self) -> bool:
        """Close what is idle, and say whether anything else is left."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, LimitedProtocol):
                connection.close_if_idle(for_s=0 if self._hurried else IDLE_S)
        return bool(self.server_state.connections)

    async def _cut_off(self) -> None:
        if tasks := list(self.server_state.tasks):
            log.warning("requests are cut off", requests=len(tasks))
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=_LAST_WORDS_S)


def uvicorn_config(app: ASGIApp, *, keep_alive_s: int = 75, loop: LoopFactoryType = "uvloop") -> uvicorn.Config:
    """Say how the app is served, here and in tests."""
    return uvicorn.Config(
        cast("Any", app),  # Litestar and uvicorn each have types of their own for the same calls
        loop=loop,
        http=LimitedProtocol,
        ws="none",
        proxy_headers=False,  # nothing here asks for the caller's address
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=keep_alive_s,
        timeout_graceful_shutdown=_LAST_WORDS_S,  # what needed longer has had its time before
    )


@click.command(cls=ProcessCommand)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=8080, show_default=True, help="0 picks a free one.")
@click.option("--metrics-port", type=int, help="Serve /metrics there instead.")
def api(host: str, port: int, metrics_port: int | None) -> None:
    """Serve the HTTP API."""
    settings = load_process_settings()
    try:
        listener = take_port(host, port)
        context = open_context(settings)
    except (StartRefused, CannotListen) as refused:
        raise click.ClickException(str(refused)) from None
    app = build_app(context, metrics=metrics_port is None, docs_script=find_script())
    config = uvicorn_config(app, keep_alive_s=settings.keep_alive_s)
    where = f"[{host}]" if ":" in host else host
    address = f"http://{where}:{listener.getsockname()[1]}"
    metrics_at = (host, metrics_port) if metrics_port is not None else None
    server = _Server(config, context=context, address=address, metrics_at=metrics_at)
    _heed_signals(server)
    try:
        server.run(sockets=[listener])
    except CannotListen as taken:
        raise click.ClickException(str(taken)) from None
    if server.refused:
        raise click.ClickException(str(server.refused))


def _heed_signals(server: _Server) -> None:
    """Heed them before uvicorn does; when it is through it raises them again, and a clean end shall not look like a death."""
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, server.handle_exit)

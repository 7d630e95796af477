"""The command that serves the sandbox, a stand-in for the NemoVideo backend: its options, its socket, its clean end.

Prints one line, `sandbox ready http://127.0.0.1:PORT`, when it listens. What it serves, `backend/app.py` builds.
"""

import logging
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path

import click
import uvicorn

from sandbox.backend.app import build
from sandbox.backend.connection import CuttableProtocol
from sandbox.backend.settings import BadSetting, Settings, read
from sandbox.backend.state import BackendState
from sandbox.backend.tokens import registered

_GRACE_S = 1
#: as a proxy in front of the real one has it, so that a client's idle connection is not cut under its next call
_KEEP_ALIVE_S = 75


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8900, show_default=True, help="Port to listen on; 0 takes a free one.")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for uploads and films; without it a temporary one.",
)
def sandbox(host: str, port: int, data: Path | None) -> None:
    """Serve a stand-in for the NemoVideo backend that really edits. Its settings are SANDBOX_ variables."""
    logging.basicConfig(level=logging.WARNING)
    settings = _settings()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="sandbox-") as temporary:
        folder = data or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        _serve(BackendState(settings, folder), _listening(host, port))


def _settings() -> Settings:
    try:
        settings = read(os.environ)
        registered(settings.tokens, 0)
    except BadSetting as error:
        raise click.ClickException(str(error)) from None
    return settings


def _listening(host: str, port: int) -> socket.socket:
    """``::`` is each address, IPv4's too."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, dualstack_ipv6=":" in host, backlog=2048)
    listener.set_inheritable(False)
    return listener


class _Server(uvicorn.Server):
    """Says when it listens, and ends what runs before it waits for the streams to end."""

    def __init__(self, config: uvicorn.Config, state: BackendState) -> None:
        super().__init__(config)
        self._state = state

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            where = f"[{host}]" if ":" in host else host
            click.echo(f"sandbox ready http://{where}:{port}")
            sys.stdout.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._state.stop()
        await super().shutdown(sockets)


def _serve(state: BackendState, listener: socket.socket) -> None:
    config = uvicorn.Config(
        build(state),
        http=CuttableProtocol,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # an address is what the limits count by, so a header must not choose it
        timeout_graceful_shutdown=_GRACE_S,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    _Server(config, state).run(sockets=[listener])


if __name__ == "__main__":
    sandbox()

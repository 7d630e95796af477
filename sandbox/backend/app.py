"""Builds the look-alike's web application: all routes, how a refusal is answered, and the faults before everything.

`sandbox/main.py` serves it. Decides nothing about the backend's behaviour itself.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.status_codes import HTTP_500_INTERNAL_SERVER_ERROR
from litestar.types import ASGIApp

from sandbox.backend import media_routes, refusals, session_routes, steering
from sandbox.backend.faults import Front
from sandbox.backend.memory import Memory
from sandbox.backend.refusals import Refused
from sandbox.backend.settings import Settings

log = logging.getLogger(__name__)


def build(settings: Settings, folder: Path) -> ASGIApp:
    """`folder` holds uploads and films; it must exist."""
    memory = Memory(settings, folder)

    @asynccontextmanager
    async def memory_ends(_: Litestar) -> AsyncIterator[None]:
        yield
        await memory.stop()

    app = Litestar(
        route_handlers=[*session_routes.ROUTES, *media_routes.ROUTES, *steering.ROUTES],
        exception_handlers={Refused: _refuse, HTTP_500_INTERNAL_SERVER_ERROR: _break},
        lifespan=[memory_ends],
        state=State({"memory": memory}),
        openapi_config=None,
        logging_config=None,
    )
    return Front(app, memory.faults)


def _refuse(_: Request[Any, Any, Any], refused: Refused) -> Response[dict[str, Any]]:
    return Response(refused.body, status_code=refused.status)


def _break(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    """Our own fault, which the log must show and the client must not."""
    log.error("a call broke the sandbox", exc_info=error)
    return _refuse(request, refusals.broken())

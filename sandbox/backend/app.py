"""Builds the sandbox's web application: all routes, how a refusal is answered, and the faults before everything.

`sandbox/main.py` serves it. Decides nothing about the backend's behaviour itself.
"""

import logging
from typing import Any

from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.exceptions import InternalServerException
from litestar.status_codes import HTTP_500_INTERNAL_SERVER_ERROR
from litestar.types import ASGIApp

from sandbox.backend import refusals
from sandbox.backend.faults import FaultMiddleware
from sandbox.backend.refusals import Refused
from sandbox.backend.routes import control, media, sessions
from sandbox.backend.state import BackendState

log = logging.getLogger(__name__)

#: Litestar's words; it has no type of its own for this
_LEFT = "client disconnected prematurely"
_RENDER_CALLS = "/api/render/"


def build(state: BackendState) -> ASGIApp:
    """Whoever serves it calls `state.stop()` at the end."""
    app = Litestar(
        route_handlers=[*sessions.ROUTES, *media.ROUTES, *control.ROUTES],
        exception_handlers={Refused: _refuse, HTTP_500_INTERNAL_SERVER_ERROR: _break},
        state=State({"backend": state}),
        openapi_config=None,
        logging_config=None,
    )
    return FaultMiddleware(app, state.faults)


def _refuse(request: Request[Any, Any, Any], refused: Refused) -> Response[dict[str, Any]]:
    """Whatever the reason, the render calls tell `success` as well, since their good answers do."""
    more = {"success": False} if request.url.path.startswith(_RENDER_CALLS) else {}
    return Response({**refused.body, **more}, status_code=refused.status)


def _break(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    """Our own fault, which the log must show and the client must not; one who left amid a body hears nothing anyway."""
    if isinstance(error, InternalServerException) and error.detail == _LEFT:
        log.debug("a client went away in the middle of its body")
    else:
        log.error("a call broke the sandbox", exc_info=error)
    return _refuse(request, refusals.broken())

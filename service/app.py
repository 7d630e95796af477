"""Builds the ASGI app: routes, exception handler, limits, lifespan. `service/main.py` serves it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from litestar import Litestar
from litestar.config.app import AppConfig
from litestar.datastructures import State
from litestar.types import ASGIApp

from service.context import ApiContext
from service.http.body import BODY_LIMIT_BYTES
from service.http.middleware import add_request_ids
from service.http.query import check_query
from service.metrics import show_api_metrics
from service.openapi.docs_page import docs_page
from service.openapi.document import build_document, served_under
from service.problems import problem_response
from service.routes import METRICS, ROUTES
from service.routes.options import options_handler


@cache
def _document() -> dict[str, Any]:
    return build_document([*ROUTES, METRICS])


@cache
def openapi_json(public_path: str = "") -> bytes:
    """Write the OpenAPI document of an API whose callers reach it under this path: ``/reelgate``."""
    return msgspec.json.format(msgspec.json.encode(served_under(public_path, _document())), indent=1) + b"\n"


@cache
def _plain_docs(public_path: str) -> str:
    return docs_page(served_under(public_path, _document()))


def build_app(context: ApiContext, *, metrics: bool = True, docs_script: Path | None = None) -> ASGIApp:
    """Build the API. `metrics`: whether ``/metrics`` is served here, or on a port of its own.

    `docs_script`: what draws ``/docs``; None: that is the plain page.
    """
    handlers = [*ROUTES, *((METRICS,) if metrics else ())]
    show_api_metrics(handlers)
    first = options_handler(handlers)  # else the framework makes one of its own for each path
    app = Litestar.from_config(_config(context, [first, *handlers], docs_script))
    return add_request_ids(app, is_closing=lambda: context.subscriptions.closing)


def _config(context: ApiContext, handlers: list[Any], docs_script: Path | None) -> AppConfig:
    public_path = urlsplit(context.settings.public_url).path
    return AppConfig(
        route_handlers=handlers,
        state=State(
            {
                "context": context,
                "openapi": openapi_json(public_path),
                "plain_docs": _plain_docs(public_path),
                "public_path": public_path,
                "docs_script": docs_script,
            }
        ),
        before_request=check_query,
        exception_handlers={Exception: problem_response},
        lifespan=[_lifespan],
        request_max_body_size=BODY_LIMIT_BYTES,
        openapi_config=None,
        logging_config=None,
        debug=False,
        pdb_on_exception=False,
    )


@asynccontextmanager
async def _lifespan(app: Litestar) -> AsyncIterator[None]:
    context: ApiContext = app.state["context"]
    await context.start()
    try:
        yield
    finally:
        await context.close()

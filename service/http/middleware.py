"""ASGI middleware around the app: request ids, the two HTTP metrics, a log line for each request, and the last answers.

While the process ends, each answer is the last one of its connection, and whoever runs out of time is told so.

It knows no route and reads no body. A line says the route's template and never the path: a caller wrote that.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache

import msgspec
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import Counter, Histogram
from uuid_utils import uuid4

from core.clock import stopwatch_s
from core.ids import is_id
from core.logs import bind_anew, get_logger, trace_id_of
from core.metrics import HTTP_REQUEST_SECONDS, HTTP_REQUESTS
from service.http.body import AT_END
from service.http.headers import join_field_lines
from service.problems import PROBLEM_JSON, UNKNOWN_END, ApiError, count_refusal, problem_document

log = get_logger(__name__)

_LONGEST_ID = 128
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})


def request_id_of(scope: Scope) -> str:
    """Take the caller's X-Request-Id where it is plain and short, else make one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given = value.decode("latin-1")
            if 0 < len(given) <= _LONGEST_ID and given.isascii() and given.isprintable():
                return given
    return str(uuid4())


def add_request_ids(app: ASGIApp, *, is_closing: Callable[[], bool]) -> ASGIApp:
    """Wrap the app, so that every response carries its request's id and is counted.

    `is_closing`: whether this process lets go of its connections.
    """

    async def with_request_id(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # type: ignore[comparison-overlap]
            await app(scope, receive, send)
            return
        await _call_counting(app, scope, receive, send, is_closing=is_closing)

    return with_request_id


async def _call_counting(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, *, is_closing: Callable[[], bool]
) -> None:
    began_s = stopwatch_s()
    request_id = request_id_of(scope)
    scope["headers"] = join_field_lines(scope["headers"])
    scope["request_id"] = request_id  # type: ignore[typeddict-unknown-key]
    status, began = 500, False

    async def send_with_id(message: Message) -> None:
        nonlocal status, began
        if message["type"] == "http.response.start":
            status, began = message["status"], True
            last = [(b"connection", b"close")] if is_closing() else []
            message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode()), *last]
        await send(message)

    bind_anew(request_id=request_id, **_trace(scope))
    try:
        with ExitStack() as scope[AT_END]:  # type: ignore[literal-required]
            await app(scope, receive, send_with_id)
    except asyncio.CancelledError:  # only the end of the process cancels requests
        if not began:
            await _refuse_at_the_end(scope, send_with_id, request_id)
    finally:
        _note(scope, status, stopwatch_s() - began_s)


async def _refuse_at_the_end(scope: Scope, send: Send, request_id: str) -> None:
    """Tell a caller whose request took longer than an ending process can wait."""
    error = ApiError(503, "unavailable", f"This process ends, and could not wait for the request's end; {UNKNOWN_END}")
    count_refusal(error)
    body = msgspec.json.encode(problem_document(error, scope["path"], request_id=request_id))
    headers = [(b"content-type", PROBLEM_JSON.encode()), (b"content-length", b"%d" % len(body))]
    headers += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _note(scope: Scope, status: int, seconds: float) -> None:
    """Count a request that is over, and log it."""
    route = str(scope.get("path_template") or "(none)")
    method = str(scope["method"])  # type: ignore[typeddict-item]
    method = method if method in _METHODS else "(other)"
    _counter(method, route, status).inc()
    _histogram(method, route).observe(seconds)
    if log.isEnabledFor(logging.INFO):
        ms = round(seconds * 1000, 1)
        log.info("request", method=method, route=route, status=status, ms=ms, **_who_and_what(scope))


@cache  # a closed set, as labels are; looking one up costs more than counting
def _counter(method: str, route: str, status: int) -> Counter:
    return HTTP_REQUESTS.labels(method, route, str(status))


@cache
def _histogram(method: str, route: str) -> Histogram:
    return HTTP_REQUEST_SECONDS.labels(method, route)


def _who_and_what(scope: Scope) -> dict[str, str]:
    """Name the tenant, where the key was good, and the job that the path names, where that is an id."""
    found = {}
    if caller := scope.get("user"):
        found["tenant"] = str(caller.tenant)
    job_id = str(scope.get("path_params", {}).get("job_id", ""))
    return found | ({"job_id": job_id} if is_id(job_id, "job") else {})


def _trace(scope: Scope) -> dict[str, str]:
    given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), None)
    trace_id = trace_id_of(given)
    return {"trace_id": trace_id} if trace_id else {}


def log_unread(status: int, *, request_id: str) -> None:
    """Log a request that was refused before it could be read."""
    log.info("request", method="(none)", route="(none)", status=status, request_id=request_id)

"""Who calls: API keys, their scopes, and the signed links that stand in for one. Used as guards by the routes."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from core.clock import stopwatch_s
from core.store.redis.client import STORE_DOWN
from core.store.tenants.api_keys import Caller
from service.context import ANSWER_S, ApiContext
from service.problems import Refused, unknown_key

Connection = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="reelgate"'}
_LONGEST_KEY = 256
#: a look-up that took longer than this was late because this process was, not Redis
_LATE_S = 1.5 * ANSWER_S


def needs(scope: str, *, remembers: bool = False) -> Guard:
    """Let a request through whose key has the scope; ``request.user`` is then its `Caller`.

    `remembers`: the key may be one that this process remembers, for a route whose script checks it again.
    """

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        caller = await caller_of(connection, remembers=remembers)
        if scope not in caller.scopes:
            raise Refused(403, "scope_missing", f"This API key lacks the scope '{scope}'.")
        connection.scope["user"] = caller

    return guard


async def caller_of(connection: Connection, *, remembers: bool = False) -> Caller:
    """Look up who calls. Raises Refused (401) without a good key."""
    kind, _, api_key = connection.headers.get("authorization", "").partition(" ")
    api_key = api_key.strip()
    if kind.lower() != "bearer" or not api_key or len(api_key) > _LONGEST_KEY or not api_key.isascii():
        raise Refused(401, "unauthorized", "Send Authorization: Bearer <API key>.", headers=_CHALLENGE)
    parts: ApiContext = connection.app.state["parts"]
    caller = await (parts.memory.caller(api_key) if remembers else _found(parts, api_key))
    if caller is None:
        raise unknown_key()
    return caller


async def _found(parts: ApiContext, api_key: str) -> Caller | None:
    """Look a key up; once more where thousands of callers at once have made this process miss Redis's answer."""
    began_s = stopwatch_s()
    try:
        return await parts.api_keys.find_caller(api_key)
    except STORE_DOWN:
        if stopwatch_s() - began_s < _LATE_S:
            raise
        return await parts.api_keys.find_caller(api_key)

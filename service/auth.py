"""Authentication: API keys and their scopes, as guards of the routes."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler

from core.clock import stopwatch_s
from core.store.redis.client import STORE_DOWN
from core.store.tenants.api_keys import Caller, cell_of_key
from service.context import REDIS_TIMEOUT_S, ApiContext
from service.problems import ApiError, refuse_foreign, scope_missing, unauthorized, unknown_key

AnyConnection = ASGIConnection[Any, Any, Any, Any]

_LONGEST_KEY = 256
#: a look-up that took longer than this was late because this process was, not Redis
_LATE_S = 1.5 * REDIS_TIMEOUT_S


class RequireScope:
    """Guard: lets a request through whose key has the scope; ``request.user`` is then its `Caller`.

    `cached`: the key may come from this process's cache, for a route that checks it again before it tells or does anything:
    by its operation, or by `require_unrevoked`.
    """

    def __init__(self, scope: str, *, cached: bool = False) -> None:
        self.scope = scope
        self._cached = cached

    async def __call__(self, connection: AnyConnection, _: BaseRouteHandler) -> None:
        """Check the key. Raises ApiError (401, 403, 421)."""
        connection.scope["user"] = await authorize(connection, self.scope, cached=self._cached)


class GuardedRoute(HTTPRouteHandler):
    """A route of the calls that count, submits and reads: guards get the handler itself, which Litestar copies for each."""

    async def authorize_connection(self, connection: AnyConnection) -> None:
        for guard in self.resolve_guards():
            await guard(connection, self)  # type: ignore[misc]


async def authorize(connection: AnyConnection, scope: str, *, cached: bool = False) -> Caller:
    """Find who calls. Raises ApiError: 401 without a good key, 403 where it lacks the scope, 421 for another cell's."""
    api_key = _bearer_key(connection.headers.get("authorization", ""))
    context: ApiContext = connection.app.state["context"]
    refuse_foreign("API key", cell_of_key(api_key), here=context.settings.cell)  # before Redis is asked for anything
    caller = await (context.cache.caller(api_key) if cached else _find_caller(context, api_key))
    if caller is None:
        raise unknown_key()
    if scope not in caller.scopes:
        raise scope_missing(scope)
    return caller


async def require_unrevoked(context: ApiContext, caller: Caller) -> None:
    """Ask whether the key still holds that this process remembers, where no operation has. Raises ApiError (401)."""
    if not await context.api_keys.holds(caller.key_id):
        context.cache.forget_callers()
        raise unknown_key()


def _bearer_key(authorization: str) -> str:
    """Read the key out of the header. Raises ApiError (401) with what was wrong, and nothing of what may be secret."""
    scheme, _, api_key = authorization.strip().partition(" ")
    api_key = api_key.strip()
    if not scheme:
        raise _no_key("this request has no Authorization")
    if scheme.lower() != "bearer":
        raise _no_key("this Authorization has another scheme")
    if not api_key:
        raise _no_key("nothing follows Bearer")
    if len(api_key) > _LONGEST_KEY or not api_key.isascii() or len(api_key.split()) > 1:
        raise _no_key("what follows Bearer is more than one key, or none of ours")
    return api_key


def _no_key(what: str) -> ApiError:
    return unauthorized(f"Send Authorization: Bearer <API key>; {what}.")


async def _find_caller(context: ApiContext, api_key: str) -> Caller | None:
    """Look a key up; once more where thousands of callers at once have made this process miss Redis's answer."""
    began_s = stopwatch_s()
    try:
        return await context.api_keys.find_caller(api_key)
    except STORE_DOWN:
        if stopwatch_s() - began_s < _LATE_S:
            raise
        return await context.api_keys.find_caller(api_key)

"""The control calls of the sandbox, for tests and integrators: ledger, tokens, reset, faults. The real backend has none.

They ask for no token, so a web page's calls are refused.
"""

import secrets
from typing import Any, TypeVar

import msgspec
from litestar import Router, delete, get, post
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from sandbox.backend import ledger, refusals
from sandbox.backend.faults import CONTROL_PATH, Faults
from sandbox.backend.routes.calls import Call, state_of
from sandbox.backend.tokens import SCOPES, Token, register
from sandbox.local import is_from_web_page

T = TypeVar("T")


class NewToken(msgspec.Struct, forbid_unknown_fields=True):
    """A registered token to add. `expires_in_s` counts real seconds; without it the token lives on.

    `account_of`: a token that there is, whose account this one is of, too: they share credits and sessions.
    """

    token: str | None = None
    credits: int = 25_000
    plan: str = "pro"
    scopes: tuple[str, ...] = ("*",)
    expires_in_s: float | None = None
    account_of: str | None = None


@get("/ledger")
async def read_ledger(request: Call) -> dict[str, Any]:
    return state_of(request).ledger()


@post("/tokens", status_code=201)
async def add_token(request: Call) -> dict[str, Any]:
    """Answers with the ledger's row and, here alone, the token itself."""
    state = state_of(request)
    wish = await _read(request, NewToken)
    if not SCOPES.issuperset(wish.scopes):
        raise refusals.malformed(f"scopes are {', '.join(sorted(SCOPES))}")
    beside = next((token for token in state.tokens if token.value == wish.account_of), None)
    if wish.account_of and beside is None:
        raise refusals.malformed("account_of is no token that there is")
    token = _made(wish, beside, state.clock.now_s())
    state.tokens.add(token)
    return {**ledger.token_row(token), "token": token.value}


@post("/reset", status_code=200)
async def reset(request: Call) -> dict[str, Any]:
    await state_of(request).reset()
    return {"reset": True}


@post("/faults", status_code=200)
async def set_faults(request: Call) -> Faults:
    faults = await _read(request, Faults)
    state_of(request).faults.set(faults)
    return faults


@delete("/faults", status_code=200)
async def end_faults(request: Call) -> Faults:
    state_of(request).faults.clear()
    return state_of(request).faults.now


def _made(wish: NewToken, beside: Token | None, now_s: float) -> Token:
    return register(
        wish.token or "nmv_usr_" + secrets.token_hex(20),
        credits_=wish.credits,
        made_at_s=now_s,
        plan=wish.plan,
        scopes=wish.scopes,
        expires_at_s=now_s + wish.expires_in_s if wish.expires_in_s is not None else None,
        beside=beside,
    )


async def _read(request: Call, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.body() or b"{}", type=kind)
    except msgspec.DecodeError as error:
        raise refusals.malformed(str(error)) from None


def _no_web_page(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    if is_from_web_page(connection.headers):
        raise refusals.web_page()


ROUTES = [
    Router(CONTROL_PATH, guards=[_no_web_page], route_handlers=[read_ledger, add_token, reset, set_faults, end_faults])
]

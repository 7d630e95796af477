"""What all routes need of a call: the state behind it, its JSON, the address it came to, the answer's envelope."""

from typing import Any

import msgspec
from litestar import Request

from sandbox.backend import refusals
from sandbox.backend.state import BackendState

Call = Request[Any, Any, Any]


def state_of(call: Call) -> BackendState:
    state: BackendState = call.app.state.backend
    return state


def base_url(call: Call) -> str:
    """Where the caller reached us, ``http://127.0.0.1:8900``: addresses that we hand out begin with it."""
    return str(call.base_url).rstrip("/")


async def json_of(call: Call) -> dict[str, Any]:
    """Read the body as an object; nothing at all is an empty one. Raises Refused (400)."""
    try:
        value = msgspec.json.decode(await call.body() or b"{}")
    except msgspec.DecodeError:
        raise refusals.malformed("malformed JSON") from None
    if not isinstance(value, dict):
        raise refusals.malformed("a JSON object is required")
    return value


def done(data: dict[str, Any]) -> dict[str, Any]:
    """The envelope of a success: ``{"code":0,"data":{…}}``."""
    return {"code": 0, "data": data}

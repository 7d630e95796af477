"""Faults for everybody, set and ended over `/_sandbox/faults`: errors, cut streams, slowness, being down, refused tokens.

`FaultMiddleware` stands before the whole application and plays all but the cut streams, which `routes/sessions.py` asks for. The
control calls themselves never suffer. Seconds here are real, since they are the test's, not the backend's.
"""

import asyncio
import json
import random

import msgspec
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from sandbox.backend import refusals
from sandbox.backend.clock import Clock
from sandbox.backend.connection import cut_off

CONTROL_PATH = "/_sandbox"


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is wrong at the moment. Rates are shares of calls, 0 to 1."""

    http_500_rate: float = 0.0
    drop_stream_rate: float = 0.0
    #: the login is out of order: every token is refused, as a bad one is
    refuse_tokens: bool = False
    latency_s: float = 0.0
    #: seconds from being set, during which nothing is answered
    down_s: float = 0.0


class ActiveFaults:
    """Holds the faults of now and throws the dice for them, from a fixed seed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.clear()

    def clear(self) -> None:
        self.set(Faults())

    def set(self, faults: Faults) -> None:
        self.now = faults
        self._up_at_s = self._clock.now_s() + faults.down_s
        self._dice = random.Random(0)
        self._turned_away = 0

    def is_down(self) -> bool:
        return self._clock.now_s() < self._up_at_s

    def answers_while_down(self) -> bool:
        """A proxy's 503 and a dead connection take turns."""
        self._turned_away += 1
        return self._turned_away % 2 == 0

    def breaks_call(self) -> bool:
        return self._dice.random() < self.now.http_500_rate

    def drops_stream(self) -> bool:
        return self._dice.random() < self.now.drop_stream_rate


class FaultMiddleware:
    """ASGI middleware; `box` is asked at each call."""

    def __init__(self, app: ASGIApp, box: ActiveFaults) -> None:
        self._app = app
        self._box = box

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["path"].startswith(CONTROL_PATH):
            await self._app(scope, receive, send)
        elif self._box.is_down():
            await self._turn_away(scope, send)
        else:
            await asyncio.sleep(self._box.now.latency_s)
            if self._box.breaks_call():
                await _answer(send, 500, {"code": 500, "message": "internal server error"})
            elif self._box.now.refuse_tokens and _carries_token(scope):
                refused = refusals.token_expired()
                await _answer(send, refused.status, refused.body)
            else:
                await self._app(scope, receive, send)

    async def _turn_away(self, scope: Scope, send: Send) -> None:
        if self._box.answers_while_down():
            await _answer(send, 503, {"message": "service unavailable"})
        else:
            await cut_off(scope, flush=False)


def _carries_token(scope: Scope) -> bool:
    return any(name == b"authorization" for name, _ in scope["headers"])


async def _answer(send: Send, status: int, body: dict[str, object]) -> None:
    content = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content, "more_body": False})

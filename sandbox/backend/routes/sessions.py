"""The calls around a session: token, session, claim link, credits, state, and the message with its stream."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

from litestar import get, post
from litestar.response import Stream

from sandbox.backend import refusals, sessions
from sandbox.backend.clock import rfc3339
from sandbox.backend.connection import cut_off
from sandbox.backend.messages import stream
from sandbox.backend.messages.channel import Closed
from sandbox.backend.messages.run import Run
from sandbox.backend.routes.calls import Call, done, json_of, state_of


@post("/api/auth/anonymous-token", status_code=200)
async def anonymous_token(request: Call) -> dict[str, Any]:
    client_id = request.headers.get("x-client-id", "").strip()
    if not client_id:
        raise refusals.client_id_missing()
    address = request.client.host if request.client is not None else ""
    token = state_of(request).tokens.issue(client_id, address)
    return done(
        {
            "token": token.value,
            "user_id": token.user_id,
            "expires_at": rfc3339(token.expires_at_s or 0),
            "credits": token.credit_account.available,
        }
    )


@post("/api/tasks/me/with-session/nemo_agent", status_code=200)
async def open_session(request: Call) -> dict[str, Any]:
    state = state_of(request)
    token = state.tokens.caller(request.headers, "write")
    body = await json_of(request)
    task_name, language = str(body.get("task_name") or "project"), body.get("language")
    session = state.sessions.open(token, task_name=task_name, language=str(language) if language else None)
    return done({"task_id": session.task_id, "session_id": session.id, "user_id": token.user_id})


@post("/api/auth/claim-token", status_code=200)
async def claim_token(request: Call) -> dict[str, Any]:
    state = state_of(request)
    token = state.tokens.caller(request.headers, "write")
    body = await json_of(request)
    session = state.sessions.find(body.get("session_id"), token)
    if body.get("task_id") != session.task_id:
        raise refusals.session_not_found()
    expires_in_s = int(state.clock.real_s(state.settings.claim_life_s))
    return done({"claim_token": "clm_" + secrets.token_urlsafe(24), "expires_in": expires_in_s})


@get("/api/credits/balance/simple")
async def balance(request: Call) -> dict[str, Any]:
    return done(dict(state_of(request).tokens.caller(request.headers, "read").credit_account.balance()))


@get("/api/state/nemo_agent/me/{session_id:str}/latest")
async def latest_state(request: Call, session_id: str) -> dict[str, Any]:
    state = state_of(request)
    session = state.sessions.find(session_id, state.tokens.caller(request.headers, "read"))
    return done(sessions.state(session, state.clock.now_s()))


@post("/run_sse", status_code=200)
async def run_sse(request: Call) -> Stream:
    """Refusals come as JSON before the stream; what happens later is in the stream."""
    state = state_of(request)
    token = state.tokens.caller(request.headers, "write")
    body = await json_of(request)
    dropped = state.faults.drops_stream()
    run = state.messages.start(token, body.get("session_id"), message_text(body), dropped=dropped)
    return Stream(_frames(request, run), media_type="text/event-stream", headers={"cache-control": "no-cache"})


def message_text(body: dict[str, Any]) -> str:
    """The text of ``{"new_message":{"parts":[{"text":"…"}]}}``. Raises Refused (400) where there is none."""
    try:
        text = "".join(part.get("text", "") for part in body["new_message"]["parts"])
    except (KeyError, TypeError, AttributeError):
        text = ""
    if not text.strip() or body.get("app_name") != "nemo_agent":
        raise refusals.malformed("app_name, session_id and new_message.parts[].text are required")
    return text


async def _frames(request: Call, run: Run) -> AsyncIterator[bytes]:
    encoder = stream.encoder(run.shape, state_of(request).clock)
    async for event in run.channel.events():
        if not isinstance(event, Closed):
            yield encoder.encode(event)
        elif event.cut:
            await cut_off(request.scope, flush=True)


ROUTES = [anonymous_token, open_session, claim_token, balance, latest_state, run_sse]

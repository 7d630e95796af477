"""Sessions: made, read, closed. Their jobs are submitted like any other, with a `session_id`."""

from functools import partial
from typing import Any

import msgspec
from litestar import Response, delete, post
from litestar.params import FromPath

from core.clock import rfc3339
from core.ids import new_id
from core.model.session import Session
from service.auth import require_scope
from service.context import ApiContext, ApiRequest, context_of
from service.http.body import decode_json, has_body, read_json_body, read_query
from service.http.pagination import page_response
from service.http.responses import encoded_response, json_response
from service.idempotency import StoredResponse, key_of, run_once
from service.jobs.validation import find_profile
from service.lookup import own_session
from service.openapi.describe import KEYED, About, Answer, about, reads
from service.routes.output import timeline_response
from service.schemas.requests import PageQuery, SessionAsk
from service.schemas.responses import SessionPage, SessionView

#: so many of a session's last jobs are looked through for its tracks
_LOOK_BACK = 20


@post(
    "/v1/sessions",
    guards=[require_scope("submit")],
    status_code=201,
    opt=about(
        About(
            "createSession",
            "Create a session",
            "Sessions",
            {201: Answer("The session.", SessionView, headers=("Location", "Idempotency-Replayed"))},
            scope="submit",
            refusals=(*KEYED, 408, 409, 413, 415, 422),
            headers=("Idempotency-Key",),
            body=SessionAsk,
            body_needed=False,
            example={"profile": "maker-free", "language": "en"},
        )
    ),
)
async def create_session(request: ApiRequest) -> Response[bytes]:
    """Make a session; the backend's is opened by its first job."""
    context, tenant = context_of(request), request.user.tenant
    raw = await read_json_body(request) if has_body(request) else b""
    ask = decode_json(raw, SessionAsk) if raw else SessionAsk()
    profile = find_profile(ask.profile or context.settings.default_profile)
    session = Session(
        id=new_id("ses"),
        tenant=tenant,
        profile=profile.name,
        language=ask.language,
        created_at_ms=context.clock.now_ms(),
    )
    made = await run_once(context, tenant, key_of(request, body=raw), partial(_create, context, session))
    return encoded_response(made.body, status=201, headers=made.headers)


async def _create(context: ApiContext, session: Session) -> StoredResponse:
    await context.sessions.create(session)
    location = f"{context.settings.public_url}/v1/sessions/{session.id}"
    shown = await session_view(context, session)
    return StoredResponse(session.id, {"Location": location}, msgspec.json.encode(shown))


async def session_view(context: ApiContext, session: Session) -> SessionView:
    """Show a session as it is right now."""
    waiting, first = await context.sessions.queue_of(session.id)
    return SessionView(
        id=session.id,
        profile=session.profile,
        language=session.language,
        media=tuple(m.name for m in session.media),
        edits=session.edits,
        lost=session.lost,
        jobs_waiting=waiting,
        running_job_id=first,
        timeline=session.timeline,
        claim_url=session.claim_url,
        created_at=rfc3339(session.created_at_ms),
    )


@reads(
    "/v1/sessions",
    guards=[require_scope("read")],
    opt=about(
        About(
            "listSessions",
            "List sessions, newest first",
            "Sessions",
            {200: Answer("A page of sessions.", SessionPage, headers=("Link",))},
            scope="read",
            refusals=(*KEYED, 422),
            query=PageQuery,
        )
    ),
)
async def list_sessions(request: ApiRequest) -> Response[bytes]:
    """List the sessions that were made by hand and are open."""
    context, query = context_of(request), read_query(request, PageQuery)
    found = await context.sessions.page(request.user.tenant, after=query.after, limit=query.limit + 1)
    rows = [await session_view(context, s) for s in found[: query.limit]]
    return page_response(request, rows, public_url=context.settings.public_url, more=len(found) > query.limit)


@reads(
    "/v1/sessions/{session_id:str}",
    guards=[require_scope("read")],
    opt=about(
        About("readSession", "Read a session", "Sessions", {200: Answer("The session.", SessionView)}, scope="read")
    ),
)
async def read_session(request: ApiRequest, session_id: FromPath[str]) -> Response[bytes]:
    """Read a session."""
    context = context_of(request)
    return json_response(await session_view(context, await own_session(context, request.user.tenant, session_id)))


@reads(
    "/v1/sessions/{session_id:str}/timeline",
    guards=[require_scope("read")],
    opt=about(
        About(
            "readSessionTimeline",
            "Read a session's timeline",
            "Sessions",
            {200: Answer("The tracks, or the one-line summary.", Any, media=("application/json", "text/plain"))},
            scope="read",
        )
    ),
)
async def read_session_timeline(request: ApiRequest, session_id: FromPath[str]) -> Response[Any]:
    """Give the timeline as the session's last edit left it."""
    context = context_of(request)
    session = await own_session(context, request.user.tenant, session_id)
    jobs = await context.job_queries.jobs(session.tenant, session_id=session.id, limit=_LOOK_BACK)
    for job in jobs:
        tracks = None if job.data_removed else await context.jobs.field(job.id, "tracks")
        if tracks is not None:
            return timeline_response(request, session.timeline or job.timeline, tracks)
    return timeline_response(request, session.timeline, None)


@delete(
    "/v1/sessions/{session_id:str}",
    guards=[require_scope("submit")],
    status_code=204,
    opt=about(
        About("closeSession", "Close a session", "Sessions", {204: Answer("It takes no more jobs.")}, scope="submit")
    ),
)
async def close_session(request: ApiRequest, session_id: FromPath[str]) -> None:
    """Take no more jobs into a session; those that are in it go on."""
    context = context_of(request)
    await context.sessions.close(await own_session(context, request.user.tenant, session_id))


HANDLERS = (create_session, list_sessions, read_session, read_session_timeline, close_session)

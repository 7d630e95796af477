"""Sessions: made, read, closed. Their jobs are submitted like any other, with a `session_id`."""

from functools import partial
from typing import Any

import msgspec
from litestar import Response, delete, post
from litestar.params import FromPath

from core.clock import rfc3339
from core.ids import new_id
from core.model.session import Session
from service.auth import needs
from service.context import ApiContext, Asked, context_of
from service.http.body import decoded, has_body, read_bytes, read_query
from service.http.headers import idempotency_key_of
from service.http.pagination import page_of
from service.jobs.submission import own_session
from service.jobs.validation import profile_named
from service.jobs.views import answer
from service.kept import Kept
from service.once import answered_once, once
from service.openapi.describe import KEYED, About, Answer, about, reads
from service.routes.output import timeline_answer
from service.schemas.requests import PageQuery, SessionAsk
from service.schemas.responses import SessionPage, SessionView

#: so many of a session's last jobs are looked through for its tracks
_LOOK_BACK = 20


@post(
    "/v1/sessions",
    guards=[needs("submit")],
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
async def create_session(request: Asked) -> Response[bytes]:
    """Make a session; the backend's is opened by its first job."""
    parts, tenant = context_of(request), request.user.tenant
    raw = await read_bytes(request) if has_body(request) else b""
    ask = decoded(raw, SessionAsk) if raw else SessionAsk()
    profile = profile_named(ask.profile or parts.settings.default_profile)
    call = idempotency_key_of(request.headers.get("idempotency-key"), path="/v1/sessions", body=raw)
    session = Session(
        id=new_id("ses"),
        tenant=tenant,
        profile=profile.name,
        language=ask.language,
        created_at_ms=parts.clock.now_ms(),
    )
    made = await once(parts, tenant, call, partial(_created, parts, session))
    return answered_once(made, status=201)


async def _created(parts: ApiContext, session: Session) -> Kept:
    await parts.sessions.create(session)
    location = f"{parts.settings.public_url}/v1/sessions/{session.id}"
    return Kept(session.id, {"Location": location}, msgspec.json.encode(await session_view(parts, session)))


async def session_view(parts: ApiContext, session: Session) -> SessionView:
    """Show a session as it is right now."""
    waiting, first = await parts.sessions.queue_of(session.id)
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
    guards=[needs("read")],
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
async def list_sessions(request: Asked) -> Response[bytes]:
    """List the sessions that were made by hand and are open."""
    parts, query = context_of(request), read_query(request, PageQuery)
    found = await parts.sessions.page(request.user.tenant, after=query.after, limit=query.limit + 1)
    rows = [await session_view(parts, s) for s in found[: query.limit]]
    return page_of(request, parts, rows, more=len(found) > query.limit)


@reads(
    "/v1/sessions/{session_id:str}",
    guards=[needs("read")],
    opt=about(
        About("readSession", "Read a session", "Sessions", {200: Answer("The session.", SessionView)}, scope="read")
    ),
)
async def read_session(request: Asked, session_id: FromPath[str]) -> Response[bytes]:
    """Read a session."""
    parts = context_of(request)
    return answer(await session_view(parts, await own_session(parts, request.user.tenant, session_id)))


@reads(
    "/v1/sessions/{session_id:str}/timeline",
    guards=[needs("read")],
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
async def read_session_timeline(request: Asked, session_id: FromPath[str]) -> Response[Any]:
    """Give the timeline as the session's last edit left it."""
    parts = context_of(request)
    session = await own_session(parts, request.user.tenant, session_id)
    jobs = await parts.listing.jobs(session.tenant, session_id=session.id, limit=_LOOK_BACK)
    for job in jobs:
        tracks = None if job.data_removed else await parts.jobs.field(job.id, "tracks")
        if tracks is not None:
            return timeline_answer(request, session.timeline or job.timeline, tracks)
    return timeline_answer(request, session.timeline, None)


@delete(
    "/v1/sessions/{session_id:str}",
    guards=[needs("submit")],
    status_code=204,
    opt=about(
        About("closeSession", "Close a session", "Sessions", {204: Answer("It takes no more jobs.")}, scope="submit")
    ),
)
async def close_session(request: Asked, session_id: FromPath[str]) -> None:
    """Take no more jobs into a session; those that are in it go on."""
    parts = context_of(request)
    await parts.sessions.close(await own_session(parts, request.user.tenant, session_id))


HANDLERS = (create_session, list_sessions, read_session, read_session_timeline, close_session)

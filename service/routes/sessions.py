"""Sessions: created, read, closed. Their jobs are submitted like any other, with a `session_id`."""

from functools import partial
from typing import Any

import msgspec
from litestar import Response, delete, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from core.clock import rfc3339
from core.ids import new_id
from core.model.session import Session, claim_url_at
from core.store.idempotency import StoredResponse
from core.store.jobs.queries import JobFilter
from service.auth import RequireScope
from service.context import ApiContext, ApiRequest, context_of
from service.http.body import decode_json, read_json_body_if_any
from service.http.json_response import encoded_response, json_response
from service.http.pagination import page_response
from service.http.query import query_params
from service.idempotency import (
    IdempotencyKey,
    IdempotencyKeyHeader,
    answered_with,
    key_reused,
    parse_key,
    replay_or_run,
    replayed,
    under_way,
)
from service.jobs.validation import find_profile
from service.lookup import own_session, require_cursor
from service.openapi.describe import IDEMPOTENT, JSON_BODY, QUERY, ResponseDoc, json_body, problems, reads
from service.problems import ApiError
from service.routes.output import timeline_response
from service.schemas.requests import SessionRequest, SessionsQuery
from service.schemas.responses import SessionPage, SessionView

#: so many of a session's last jobs are looked through for its tracks
_LOOK_BACK = 20


@post(
    "/v1/sessions",
    guards=[RequireScope("submit")],
    status_code=201,
    operation_id="createSession",
    summary="Create a session",
    tags=["Sessions"],
    responses={
        201: ResponseDoc(
            "The session.", SessionView, headers=("Location", "Idempotency-Replayed"), example="SessionView, new"
        )
    }
    | problems(JSON_BODY, IDEMPOTENT, {422: ("unknown_profile",), 429: ("too_many_sessions",)}),
    opt=json_body(SessionRequest, required=False, example={"profile": "maker-free", "language": "en"}),
)
async def create_session(request: ApiRequest, idempotency_key: IdempotencyKeyHeader = None) -> Response[bytes]:
    """Make a session, in which several jobs refine one timeline, one after another.

    When: a person iterates: edit, look, edit again. Each job of its own makes a session by itself, so a single edit needs
    none; its `session_id` can be gone on with as well.
    Cost: nothing; the backend's session is opened by its first job. It stays open until it is closed, or unused for a month.
    """
    context, tenant = context_of(request), request.user.tenant
    raw = await read_json_body_if_any(request)
    ask = decode_json(raw, SessionRequest) if raw else SessionRequest()
    profile = find_profile(ask.profile or context.settings.default_profile)
    session = Session(
        id=new_id("ses", context.settings.cell),
        tenant=tenant,
        profile=profile.name,
        language=ask.language,
        created_at_ms=context.clock.now_ms(),
    )
    key = parse_key(idempotency_key, path=request.scope["path"], body=raw)
    made = await replay_or_run(context, tenant, key, partial(_create, context, session, key))
    return encoded_response(made.body, status=201, headers=made.headers)


async def _create(context: ApiContext, session: Session, key: IdempotencyKey | None) -> StoredResponse:
    """Make it, and keep the answer in the same step: it may be lost on its way here."""
    limits = context.settings
    location = f"{limits.public_url}/v1/sessions/{session.id}"
    shown = msgspec.json.encode(_view(context, session, waiting=0, first=None))
    response = StoredResponse(session.id, {"Location": location}, shown)
    made = await context.sessions.create(
        session,
        most=limits.tenant_sessions,
        idle_s=limits.session_idle_s,
        idempotency=answered_with(key, response),
    )
    match made.outcome:
        case "opened":
            return response
        case "replayed":
            if made.answer is None:
                raise under_way()
            return replayed(made.answer, ())
        case "reused":
            raise key_reused()
        case "too_many":
            words = f"{limits.tenant_sessions} sessions may be open; close some: DELETE /v1/sessions/{{id}}."
            raise ApiError(429, "too_many_sessions", words)


async def session_view(context: ApiContext, session: Session) -> SessionView:
    """Show a session as it is right now."""
    waiting, first = await context.sessions.queue_of(session.id)
    return _view(context, session, waiting=waiting, first=first)


def _view(context: ApiContext, session: Session, *, waiting: int, first: str | None) -> SessionView:
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
        claim_url=claim_url_at(session, now_ms=context.clock.now_ms()),
        created_at=rfc3339(session.created_at_ms),
    )


@reads(
    "/v1/sessions",
    guards=[RequireScope("read")],
    operation_id="listSessions",
    summary="List sessions, newest first",
    tags=["Sessions"],
    responses={200: ResponseDoc("A page of sessions.", SessionPage, headers=("Link",))} | problems(QUERY),
    dependencies={"params": query_params(SessionsQuery)},
)
async def list_sessions(request: ApiRequest, params: NamedDependency[SessionsQuery]) -> Response[bytes]:
    """List the sessions that were made by hand and are open.

    When: to go on in one, or to close those that are done with.
    Cost: nothing.
    """
    context = context_of(request)
    require_cursor(context, params.after, "ses")
    found = await context.sessions.page(request.user.tenant, after=params.after, limit=params.limit + 1)
    rows = [await session_view(context, s) for s in found[: params.limit]]
    return page_response(request, rows, public_url=context.settings.public_url, more=len(found) > params.limit)


@reads(
    "/v1/sessions/{session_id:str}",
    guards=[RequireScope("read")],
    operation_id="readSession",
    summary="Read a session",
    tags=["Sessions"],
    responses={200: ResponseDoc("The session.", SessionView)} | problems(),
)
async def read_session(request: ApiRequest, session_id: FromPath[str]) -> Response[bytes]:
    """Give a session as it is now: its files, its timeline, and how many jobs wait in it.

    When: before the next job of somebody who iterates, to see whether it is `lost`.
    Cost: nothing.
    """
    context = context_of(request)
    return json_response(await session_view(context, await own_session(context, request.user.tenant, session_id)))


@reads(
    "/v1/sessions/{session_id:str}/timeline",
    guards=[RequireScope("read")],
    operation_id="readSessionTimeline",
    summary="Read a session's timeline",
    tags=["Sessions"],
    responses={
        200: ResponseDoc(
            "The tracks, or the one-line summary.", Any, media=("application/json", "text/plain"), example="timeline"
        )
    }
    | problems(),
)
async def read_session_timeline(request: ApiRequest, session_id: FromPath[str]) -> Response[Any]:
    """Give the timeline as the session's last edit left it: tracks as JSON, or one line for `Accept: text/plain`.

    When: to show what the next job would go on from. 404 until something was edited.
    Cost: nothing.
    """
    context = context_of(request)
    session = await own_session(context, request.user.tenant, session_id)
    if session.timeline_of is not None:
        tracks = await context.jobs.field(session.timeline_of, "tracks") if session.timeline_of else None
        return timeline_response(request, session.timeline, tracks)
    last = await context.job_queries.page(session.tenant, JobFilter(session_id=session.id), limit=_LOOK_BACK)
    for job in last.jobs:
        tracks = None if job.data_removed else await context.jobs.field(job.id, "tracks")
        if tracks is not None:
            return timeline_response(request, session.timeline or job.timeline, tracks)
    return timeline_response(request, session.timeline, None)


@delete(
    "/v1/sessions/{session_id:str}",
    guards=[RequireScope("submit")],
    status_code=204,
    operation_id="closeSession",
    summary="Close a session",
    tags=["Sessions"],
    responses={204: ResponseDoc("It takes no more jobs.")} | problems(),
)
async def close_session(request: ApiRequest, session_id: FromPath[str]) -> None:
    """Take no more jobs into a session; those that are in it go on.

    When: nobody will refine it any more. Its jobs and films stay as long as their own retention says. A closed session is 404
    from then on.
    Cost: nothing, and there is no way back.
    """
    context = context_of(request)
    await context.sessions.close(await own_session(context, request.user.tenant, session_id))

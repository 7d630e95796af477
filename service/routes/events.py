"""A job's events, as a stream or as a list, and the feed of all events of a tenant."""

from contextlib import ExitStack

import msgspec
from litestar import Response
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream

from core.store.events import StoredEvent
from service.auth import RequireScope
from service.context import ApiContext, ApiRequest, context_of
from service.http.body import AT_END
from service.http.headers import LastEventIdHeader
from service.http.pagination import page_response
from service.http.query import query_params
from service.jobs.current_view import with_fresh_link
from service.jobs.event_stream import has_all, stream_events
from service.lookup import own_job, require_cursor, require_ids_of_here
from service.openapi.describe import QUERY, ResponseDoc, problems, reads
from service.schemas.requests import EventsQuery, FeedQuery
from service.schemas.responses import EventPage

EVENT_STREAM = "text/event-stream"


@reads(
    "/v1/jobs/{job_id:str}/events",
    guards=[RequireScope("read")],
    operation_id="followJob",
    summary="Follow a job's events",
    tags=["Jobs"],
    responses={
        200: ResponseDoc(
            "Server-Sent Events until the job ends, or the list of its events so far.",
            EventPage,
            media=("application/json", EVENT_STREAM),
            headers=("Cache-Control",),
        ),
        204: ResponseDoc("The job has ended, and `Last-Event-ID` or `after` is its last event: do not ask again."),
    }
    | problems(QUERY, {429: ("rate_limited",)}),
    dependencies={"params": query_params(EventsQuery)},
)
async def follow_job(
    request: ApiRequest,
    job_id: FromPath[str],
    params: NamedDependency[EventsQuery],
    last_event_id: LastEventIdHeader = None,
) -> Response[bytes] | Stream:
    """Stream a job's events as they come (Server-Sent Events), or list them for whoever accepts JSON alone.

    When: somebody watches a job, through a server of yours. After a break go on with `Last-Event-ID`, on any process.
    Cost: nothing. An open stream holds a connection until the job ends.
    """
    context = context_of(request)
    job = await own_job(context, request.user.tenant, job_id)
    require_ids_of_here(context, after=params.after)
    after = last_event_id or params.after
    if wants_list(request.headers.get("accept", "")):
        require_cursor(context, after, "evt")
        history = await context.events.of_job(job.id, after=after)
        return page_response(
            request,
            _rows(context, history.events),
            public_url=context.settings.public_url,
            more=False,
            trimmed=history.trimmed,
        )
    headers = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
    if await has_all(context, job, after):
        return Response(b"", status_code=204)  # the answer at which an EventSource gives up
    if request.method == "HEAD":
        return Stream(iter(()), media_type=EVENT_STREAM, headers=headers)
    at_end: ExitStack = request.scope[AT_END]  # type: ignore[literal-required]
    at_end.enter_context(context.subscriptions.place(job.tenant))
    events = stream_events(context, job, after=after, key_id=request.user.key_id)
    return Stream(events, media_type=EVENT_STREAM, headers=headers)


def wants_list(accept: str) -> bool:
    """Whoever names JSON and no event stream gets the list."""
    return "application/json" in accept and EVENT_STREAM not in accept


def _rows(context: ApiContext, events: list[StoredEvent]) -> list[msgspec.Raw]:
    """Show events with their ids and fresh links, as `service.schemas.responses.EventView` describes them.

    They are written already: to read and write a job's hundreds anew would keep all other callers waiting.
    """
    return [msgspec.Raw(b'{"id":"%s",%s' % (e.id.encode(), with_fresh_link(context, e.body)[1:])) for e in events]


@reads(
    "/v1/events",
    guards=[RequireScope("read")],
    operation_id="listEvents",
    summary="Read all events in order",
    tags=["Events"],
    responses={200: ResponseDoc("A page of the feed, oldest first.", EventPage, headers=("Link",))} | problems(QUERY),
    dependencies={"params": query_params(FeedQuery)},
)
async def list_events(request: ApiRequest, params: NamedDependency[FeedQuery]) -> Response[bytes]:
    """Read all events of the tenant in order, for 14 days, under the same ids as its callbacks.

    When: a receiver was down and catches up, or there is none and one poll shall cover all jobs. Keep the last id, and ask
    for what comes after it. `trimmed` says where that was too long ago.
    Cost: nothing.
    """
    context = context_of(request)
    after = params.after
    require_cursor(context, after, "evt")
    history = await context.events.of_tenant(request.user.tenant, after=after, most=params.limit + 1)
    shown = history.events[: params.limit]
    more = len(history.events) > params.limit
    begins_anew = history.trimmed and not shown
    return page_response(
        request,
        _rows(context, shown),
        public_url=context.settings.public_url,
        more=more,
        cursor=shown[-1].id if shown else None if begins_anew else after,
        trimmed=history.trimmed,
    )

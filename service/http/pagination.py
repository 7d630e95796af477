"""Cursor pagination: one page of a list, a cursor to the next one, and the Link header that leads there (RFC 8288)."""

from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response

from service.http.json_response import json_response
from service.http.query import query_items


def page_response(
    request: Request[Any, Any, Any],
    rows: list[Any],
    *,
    public_url: str,
    more: bool,
    cursor: str | None = None,
    **beside: Any,
) -> Response[bytes]:
    """Answer with a page. `cursor`: where to go on, if not after the last row; `beside`: what this list tells more."""
    after = cursor or (rows[-1].id if more and rows else None)
    headers = {"Link": _next_link(request, public_url, after)} if more and after else {}
    return json_response({"data": rows, "next_cursor": after, "has_more": more, **beside}, headers=headers)


def _next_link(request: Request[Any, Any, Any], public_url: str, after: str) -> str:
    query = {**{name: value for name, value in query_items(request) if name != "after"}, "after": after}
    return f'<{public_url}{request.scope["path"]}?{urlencode(query)}>; rel="next"'

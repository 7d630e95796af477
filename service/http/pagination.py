"""One page of a list: the rows, a cursor to the next ones, and the Link header that leads there."""

from typing import Any
from urllib.parse import urlencode

from litestar import Response

from service.context import ApiContext, Asked
from service.jobs.views import answer


def page_of(
    request: Asked, parts: ApiContext, rows: list[Any], *, more: bool, cursor: str | None = None
) -> Response[bytes]:
    """Write a page. `cursor`: where to go on, if not after the last row."""
    after = cursor or (rows[-1].id if more and rows else None)
    headers = {"Link": _next(request, parts, after)} if more and after else {}
    return answer({"data": rows, "next_cursor": after, "has_more": more}, headers=headers)


def _next(request: Asked, parts: ApiContext, after: str) -> str:
    query = {**{name: value for name, value in request.query_params.items() if name != "after"}, "after": after}
    return f'<{parts.settings.public_url}{request.scope["path"]}?{urlencode(query)}>; rel="next"'

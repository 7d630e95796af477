"""OPTIONS: the methods of a path. The framework's own answer names one of a path's handlers alone."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from litestar import HttpMethod, Request, Response, route
from litestar.handlers import HTTPRouteHandler


def options_handler(handlers: Iterable[HTTPRouteHandler]) -> HTTPRouteHandler:
    """Make the one handler that answers for all paths of these."""
    methods: defaultdict[str, set[str]] = defaultdict(lambda: {"OPTIONS"})
    for handler in handlers:
        for path in handler.paths:
            methods[path] |= {str(method) for method in handler.http_methods}
    allowed = {path.replace(":str}", "}"): ", ".join(sorted(names)) for path, names in methods.items()}

    @route(sorted(methods), http_method=HttpMethod.OPTIONS, status_code=204)
    async def read_options(request: Request[Any, Any, Any]) -> Response[None]:
        return Response(None, status_code=204, headers={"Allow": allowed[request.scope["path_template"]]})

    return read_options

"""A route that does nothing, on the same framework and server: the ceiling of what one process can accept."""

from litestar import Litestar, Response, post


@post("/bare", status_code=202)
async def bare() -> Response[bytes]:
    return Response(b"{}", media_type="application/json")


app = Litestar([bare], openapi_config=None, logging_config=None)

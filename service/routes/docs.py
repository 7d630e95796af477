"""The API's description, for programs and for people. Works without the internet."""

from typing import Any

from litestar import Request, Response

from service.openapi.describe import ResponseDoc, reads

Anyone = Request[Any, Any, Any]


@reads(
    "/openapi.json",
    operation_id="openapi",
    summary="This description",
    tags=["Operation"],
    responses={200: ResponseDoc("OpenAPI 3.1.", Any)},
)
async def openapi(request: Anyone) -> Response[bytes]:
    """Give the description."""
    return Response(request.app.state["openapi"], media_type="application/json")


@reads(
    "/docs",
    operation_id="docs",
    summary="This description for people",
    tags=["Operation"],
    responses={200: ResponseDoc("A page.", media=("text/html",))},
)
async def docs(request: Anyone) -> Response[str]:
    """Show the description."""
    return Response(request.app.state["docs"], media_type="text/html")


HANDLERS = (openapi, docs)

"""The API's description, for programs and for people. Works without the internet."""

from typing import Any

from litestar import Request, Response

from service.openapi.describe import About, Answer, about, reads

Anyone = Request[Any, Any, Any]


@reads(
    "/openapi.json",
    opt=about(About("openapi", "This description", "Operation", {200: Answer("OpenAPI 3.1.", Any)}, refusals=())),
)
async def openapi(request: Anyone) -> Response[bytes]:
    """Give the description."""
    return Response(request.app.state["openapi"], media_type="application/json")


@reads(
    "/docs",
    opt=about(
        About(
            "docs",
            "This description for people",
            "Operation",
            {200: Answer("A page.", media=("text/html",))},
            refusals=(),
        )
    ),
)
async def docs(request: Anyone) -> Response[str]:
    """Show the description."""
    return Response(request.app.state["docs"], media_type="text/html")


HANDLERS = (openapi, docs)

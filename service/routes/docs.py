"""The OpenAPI document and the reference page that is made of it. Works without the internet."""

from typing import Any

from litestar import Response

from service.context import AnyRequest
from service.openapi.describe import ResponseDoc, reads


@reads(
    "/openapi.json",
    operation_id="openapi",
    summary="This description",
    tags=["Operation"],
    responses={200: ResponseDoc("The description, as OpenAPI 3.1.", Any, example="openapi")},
)
async def openapi(request: AnyRequest) -> Response[bytes]:
    """Give the description of this API, of the very release that answers.

    When: to generate a client, or to see what is new.
    Cost: nothing.
    """
    return Response(request.app.state["openapi"], media_type="application/json")


@reads(
    "/docs",
    operation_id="docs",
    summary="This description for people",
    tags=["Operation"],
    responses={200: ResponseDoc("The description as a page.", media=("text/html",), example="docs")},
)
async def docs(request: AnyRequest) -> Response[str]:
    """Show the description as one page, without scripts and without other hosts.

    When: you read.
    Cost: nothing.
    """
    return Response(request.app.state["docs"], media_type="text/html")

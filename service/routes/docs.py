"""The OpenAPI document and the reference pages that are made of it. They work without the internet."""

from pathlib import Path
from typing import Any

from litestar import Response
from litestar.datastructures import ETag
from litestar.params import FromPath
from litestar.response import File

from service.context import AnyRequest
from service.http.headers import IfNoneMatchHeader, matches_etag, takes_gzip
from service.openapi.describe import ResponseDoc, reads
from service.openapi.docs_page import PLAIN_POLICY
from service.openapi.scalar import SCALAR_POLICY, scalar_page
from service.problems import not_found

#: whoever has a file whose name carries its digest need not ask again
_FOR_GOOD = "public, max-age=31536000, immutable"


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
    """Show the description as a page to search in, with samples, and to try calls from with a key of yours.

    It asks no other host for anything, and forgets the key with the page. Without scripts it leads to `/docs/plain`.

    When: you read, or try.
    Cost: nothing; a call that is tried from it is a call.
    """
    script: Path | None = request.app.state["docs_script"]
    if script is None:
        return _page(request.app.state["plain_docs"], PLAIN_POLICY)
    return _page(scalar_page("Reelgate", script.name, public_path=request.app.state["public_path"]), SCALAR_POLICY)


@reads(
    "/docs/plain",
    operation_id="plainDocs",
    summary="This description as plain text and tables",
    tags=["Operation"],
    responses={200: ResponseDoc("The description as a page.", media=("text/html",), example="docs")},
)
async def plain_docs(request: AnyRequest) -> Response[str]:
    """Show the description as one page, without scripts and without other hosts.

    When: you read without scripts, print, or look up a code of an error: a table has them all.
    Cost: nothing.
    """
    return _page(request.app.state["plain_docs"], PLAIN_POLICY)


def _page(html: str, policy: str) -> Response[str]:
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return Response(html, media_type="text/html", headers=headers)


@reads("/docs/{file:str}", include_in_schema=False)
async def docs_script(
    request: AnyRequest, file: FromPath[str], *, if_none_match: IfNoneMatchHeader = None
) -> Response[Any]:
    """Send the script that draws `/docs`, packed for whoever takes that. Raises ApiError (404) for any other name."""
    script: Path | None = request.app.state["docs_script"]
    if script is None or file != script.name:
        raise not_found("page")
    packed = takes_gzip(request.headers.get("accept-encoding", ""))
    etag = ETag(value=f"{script.stem}{'.gz' if packed else ''}")
    headers = {"Cache-Control": _FOR_GOOD, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
    if matches_etag(if_none_match, etag.to_header()):
        return Response(None, status_code=304, headers=headers | {"ETag": etag.to_header()})
    if packed:
        headers["Content-Encoding"] = "gzip"
    path = script.with_name(f"{script.name}.gz") if packed else script
    return File(
        path, filename=file, media_type="text/javascript", headers=headers, etag=etag, content_disposition_type="inline"
    )

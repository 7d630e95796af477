"""JSON responses. Bodies are encoded here, so that what is stored, compared or hashed is what is sent."""

import msgspec
from litestar import Response

JSON = "application/json"


def json_response(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    """Answer with a value as JSON."""
    return encoded_response(msgspec.json.encode(value), status=status, headers=headers)


def encoded_response(body: bytes, *, status: int, headers: dict[str, str] | None = None) -> Response[bytes]:
    """Answer with JSON that is encoded already. Its own headers stand first, where the framework looks for them."""
    own = {"Content-Type": JSON, "Content-Length": str(len(body))}
    return Response(body, status_code=status, media_type=JSON, headers=own | (headers or {}))

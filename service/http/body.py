"""JSON bodies: received within limits, and decoded into structs; what is wrong is told with a JSON pointer (RFC 6901)."""

import asyncio
import re
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from litestar import Request

from service.problems import ApiError, FieldError, invalid

T = TypeVar("T")

#: a JSON body is no larger than this, and comes within this time
BODY_LIMIT_BYTES = 4_000_000
BODY_LIMIT_S = 20.0

_LOCATION = re.compile(r"^(?P<what>.*?)(?: - at `(?P<key>key in )?\$(?P<path>.*)`)?$", re.DOTALL)
_PATH_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\[\.\.\.\]")
_FIELD_NAME = re.compile(r"Object (contains unknown|missing required) field `(.*)`", re.DOTALL)


async def read_json_body(request: Request[Any, Any, Any]) -> bytes:
    """Receive a JSON body whole. Refuses another content type (415), and one that drips in (408)."""
    media_type, _, _ = request.headers.get("content-type", "").partition(";")
    media_type = media_type.strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise ApiError(415, "unsupported_media_type", "Send application/json.", headers={"Accept": "application/json"})
    try:
        async with asyncio.timeout(BODY_LIMIT_S):
            return await request.body()
    except TimeoutError:
        raise ApiError(408, "request_timeout", f"The body must come within {BODY_LIMIT_S:.0f} s.") from None


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def decode_json(raw: bytes | msgspec.Raw, kind: type[T]) -> T:
    """Read JSON into a struct. Refuses what is no JSON (400), and wrong values (422) with a pointer."""
    decoder: msgspec.json.Decoder[T] = _decoder(cast(Any, kind))
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as wrong:
        _check_syntax(raw)
        raise invalid([field_error(str(wrong))]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as malformed:
        raise _malformed(malformed, raw) from None


def _check_syntax(raw: bytes | msgspec.Raw) -> None:
    """Read to the end what was given up at its first wrong value: what is no JSON is not judged by its fields."""
    try:
        msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as malformed:
        raise _malformed(malformed, raw) from None


def _malformed(why: Exception, raw: bytes | msgspec.Raw) -> ApiError:
    if isinstance(why, msgspec.DecodeError):
        return ApiError(400, "malformed_json", _with_position(str(why), raw))
    return ApiError(400, "malformed_json", "The body is not UTF-8, or nested too deeply.")


def _with_position(words: str, raw: bytes | msgspec.Raw) -> str:
    where = "" if "(byte" in words else f" (byte {len(bytes(raw))})"
    return f"{words}{where}."


def field_error(words: str) -> FieldError:
    """Turn msgspec's words, ``Expected `int` <= 1 - at `$.media[0].p` ``, into an error with a pointer."""
    match = _LOCATION.match(words)
    what, path = (match["what"], match["path"] or "") if match else (words, "")
    pointer = "".join(f"/{escape_pointer(a or b)}" for a, b in _PATH_STEP.findall(path) if a or b)
    code = "invalid_value"
    if named := _FIELD_NAME.match(what):
        pointer += f"/{escape_pointer(named[2])}"
        code = "unknown_field" if named[1] == "contains unknown" else "missing_field"
    return FieldError(pointer=pointer, code=code, detail=f"{what.replace('`', chr(39))}.")


def escape_pointer(step: str) -> str:
    """Write a name as one step of a JSON pointer: ``a/b~c`` is ``a~1b~0c``."""
    return step.replace("~", "~0").replace("/", "~1")


def has_body(request: Request[Any, Any, Any]) -> bool:
    """Whether a body comes where none is needed."""
    return bool(request.headers.get("transfer-encoding")) or request.headers.get("content-length", "0") != "0"

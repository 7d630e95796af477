"""JSON bodies: received within limits, and decoded into structs; what is wrong is told with a JSON pointer (RFC 6901)."""

import asyncio
import codecs
import re
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from litestar import Request
from litestar.datastructures import Headers
from litestar.exceptions import InternalServerException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from service.body_room import BodyRoom
from service.http.known_values import known_values
from service.http.repeated_names import pointers_of_repeated
from service.problem_codes import ProblemCode
from service.problems import ApiError, FieldError, escape_pointer, invalid

T = TypeVar("T")

#: a JSON body is no larger than this, and comes within this time
BODY_LIMIT_BYTES = 4_000_000
BODY_LIMIT_S = 20.0
#: in the scope of each request: what is let go of once it is answered
AT_END = "at_end"
#: in the scope of each request: ends its connection at once, also where nothing that is sent is taken any more
HANG_UP = "hang_up"
#: in the scope of a request that has come whole, before or while it is handled: nothing of it is waited for
BODY_IS_HERE = "body_is_here"

#: charsets that a body in UTF-8 may be told to have
_UTF_8 = {"", "utf-8", "utf8", "us-ascii", "ascii"}
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^;"\s]*)', re.IGNORECASE)
#: UTF-32 first: its mark begins with that of UTF-16
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
    (codecs.BOM_UTF8, "UTF-8 with a byte order mark"),
    (b"\x1f\x8b", "compressed with gzip"),
)
#: so much of what a header held is told back
_MOST_TOLD = 80
#: and of a name or a value in a body, which may be all of it
_MOST_NAMED = 200
#: so much of msgspec's words is looked at: their beginning and their end, where the path stands
_MOST_WORDS = 1000
#: a longer body that is refused is read to its end without keeping what it holds: a million small lists take a second to make
_MOST_KEPT_BYTES = 100_000

_LOCATION = re.compile(r"(?P<what>.*?)(?: - at `(?P<key>key in )?\$(?P<path>[^`]*)`)?", re.DOTALL)
_PATH_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\[\.\.\.\]")
#: half of what JSON writes as two escapes, e.g. of an emoji that was cut in two
_HALF_CHARACTER = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_FIELD_NAME = re.compile(r"Object (contains unknown|missing required) field `(.*)`", re.DOTALL)


async def read_json_body(request: Request[Any, Any, Any]) -> bytes:
    """Receive a JSON body whole. Refuses another type, charset or encoding (415), and one that drips in (408)."""
    _check_headers(request.headers)
    return _in_utf_8(await _body_in_time(request))


async def read_json_body_if_any(request: Request[Any, Any, Any]) -> bytes:
    """Receive the JSON body of a call that needs none, else as `read_json_body`; empty: none came.

    What comes in chunks may turn out to be none: a proxy that has the call by HTTP/2 may pass it on so.
    """
    if not request.headers.get("transfer-encoding"):
        return await read_json_body(request) if request.headers.get("content-length", "0") != "0" else b""
    raw = await _body_in_time(request)
    if raw:
        _check_headers(request.headers)
    return _in_utf_8(raw)


def _check_headers(headers: Headers) -> None:
    _check_content_type(headers.get("content-type", ""))
    check_content_encoding(headers)


def _in_utf_8(raw: bytes) -> bytes:
    if other := _other_encoding(raw):
        raise _not_taken(f"Send JSON in UTF-8, without a byte order mark; this body is {other}.")
    return raw


async def _body_in_time(request: Request[Any, Any, Any]) -> bytes:
    if BODY_IS_HERE in request.scope:  # as nearly always: then it is one message, and no larger than the server holds
        message = await request.receive()
        if message["type"] == "http.request":
            return message["body"]
    room, tenant = _room_of(request), request.user.tenant
    with room.hold(tenant, min(request.content_length or BODY_LIMIT_BYTES, BODY_LIMIT_BYTES)):
        raw = await _rest_in_time(request)
    held: ExitStack = request.scope[AT_END]  # type: ignore[literal-required]
    held.enter_context(room.keep(tenant, len(raw)))  # the handler has it to the end
    return raw


def _room_of(request: Request[Any, Any, Any]) -> BodyRoom:
    room: BodyRoom = request.app.state["context"].body_room
    return room


async def _rest_in_time(request: Request[Any, Any, Any]) -> bytes:
    try:
        async with asyncio.timeout(BODY_LIMIT_S):
            return await request.body()
    except TimeoutError:
        raise ApiError(408, "request_timeout", f"The body must come within {BODY_LIMIT_S:.0f} s.") from None
    except RequestEntityTooLarge:
        raise ApiError(413, "too_large", f"A body of JSON may have {BODY_LIMIT_BYTES} bytes.") from None
    except InternalServerException:  # so Litestar calls a caller who is gone, which is no fault of ours
        raise ApiError(400, "malformed_request", "The body broke off.") from None


def _check_content_type(content_type: str) -> None:
    if content_type == "application/json":
        return
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        came = f"came as '{media_type[:_MOST_TOLD]}'" if media_type else "names no Content-Type"
        raise _not_taken(f"Send application/json; this request {came}.")
    charset = _CHARSET.search(content_type)
    if charset and charset[1].lower() not in _UTF_8:
        raise _not_taken(f"Send JSON in UTF-8; this request says charset={charset[1][:_MOST_TOLD]}.")


def check_content_encoding(headers: Headers) -> None:
    """Refuse a compressed body (415, with what is taken: RFC 9110, 15.5.16): it could grow without end."""
    given = headers.get("content-encoding", "").strip()
    if given.lower() not in {"", "identity"}:
        words = f"Send the body as it is; this one came with Content-Encoding: {given[:_MOST_TOLD]}."
        raise ApiError(415, "unsupported_media_type", words, headers={"Accept-Encoding": "identity"})


def _not_taken(words: str) -> ApiError:
    return ApiError(415, "unsupported_media_type", words, headers={"Accept": "application/json"})


def _other_encoding(raw: bytes) -> str | None:
    """Name the encoding of a body that is not plain UTF-8: by its mark, or by the zeros beside its first character."""
    begin = raw[:2]
    if begin.isascii() and 0 not in begin:
        return None
    for mark, name in _MARKS:
        if raw.startswith(mark):
            return name
    if len(raw) >= 4 and raw[:4].count(0) == 3:  # noqa: PLR2004 - bytes of a character in UTF-32
        return "UTF-32"
    return "UTF-16" if raw[:2].count(0) == 1 and len(raw) > 1 else None


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def decode_json(raw: bytes | msgspec.Raw, kind: type[T], *, deep: bool = True) -> T:
    """Read JSON into a struct. Refuses what is no JSON (400), and wrong values (422) with a pointer.

    `deep`: names that come twice are looked for at every depth, and not at the top alone, as where what is inside is read by itself.
    """
    decoder: msgspec.json.Decoder[T] = _decoder(cast(Any, kind))
    try:
        value = decoder.decode(raw)
    except msgspec.ValidationError as wrong:
        given = _whole(raw)
        raise invalid([field_error(str(wrong), kind, given)]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as malformed:
        raise _malformed(malformed, raw) from None
    if errors := [_repeated(pointer) for pointer in pointers_of_repeated(bytes(raw), deep=deep)]:
        raise invalid(errors)
    return value


def _repeated(pointer: str) -> FieldError:
    words = "This name comes twice in one object, and it is not guessed which one counts: send it once."
    return FieldError(pointer=pointer, code="invalid_value", detail=words)


def _whole(raw: bytes | msgspec.Raw) -> Any:
    """Read to the end what was given up at its first wrong value: what is no JSON is not judged by its fields."""
    is_long = len(memoryview(raw)) > _MOST_KEPT_BYTES
    try:
        if is_long:
            str(raw, "utf-8")  # what is kept as it is, is not looked at so closely
        return msgspec.json.decode(raw, type=msgspec.Raw if is_long else Any)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as malformed:
        raise _malformed(malformed, raw) from None


def _malformed(why: Exception, raw: bytes | msgspec.Raw) -> ApiError:
    if isinstance(why, msgspec.DecodeError):
        return ApiError(400, "malformed_json", _syntax_words(str(why), bytes(raw)))
    words = "The body is nested too deeply." if isinstance(why, RecursionError) else "The body is not UTF-8."
    return ApiError(400, "malformed_json", words)


def _syntax_words(words: str, raw: bytes) -> str:
    """Say what is no JSON, and at which byte. msgspec calls a text that ends in half a character cut off, and an empty one too."""
    if not raw:
        return "The body is empty."
    half = _HALF_CHARACTER.search(raw)
    if half and ("truncated" in words or "surrogate" in words):
        return f"A string holds half a character, {half[0].decode()}, as of an emoji that was cut in two (byte {half.start()})."
    where = "" if "(byte" in words else f" (byte {len(raw)})"
    return f"{words}{where}."


def field_error(words: str, kind: Any, given: Any = None) -> FieldError:
    """Turn msgspec's words of a `kind`, ``Expected `int` <= 1 - at `$.media[0].p` ``, into an error with a pointer.

    `given`: the whole of what was read, where a name may have to be found in it.
    """
    words = _without_middle(words)
    match = _LOCATION.fullmatch(words)
    what, path = (match["what"], match["path"] or "") if match else (words, "")
    steps = tuple(_steps(path, given))
    pointer = "".join(f"/{escape_pointer(_short(step))}" for step in steps)
    code: ProblemCode = "invalid_value"
    if named := _FIELD_NAME.match(what):
        pointer += f"/{escape_pointer(_short(named[2]))}"
        code = "unknown_field" if named[1] == "contains unknown" else "missing_field"
    known = known_values(kind, steps) if what.startswith("Invalid enum value") else ()
    told = f" Known: {', '.join(known)}." if known else ""
    return FieldError(pointer=pointer, code=code, detail=f"{_short(what).replace('`', chr(39))}.{told}")


def _short(text: str) -> str:
    return text if len(text) <= _MOST_NAMED else f"{text[:_MOST_NAMED]}…"


def _without_middle(words: str) -> str:
    """Shorten words that tell a name or a value of a megabyte: it stands before where it was found."""
    half = _MOST_WORDS // 2
    return words if len(words) <= _MOST_WORDS else f"{words[:half]}…{words[-half:]}"


def _steps(path: str, given: Any) -> Iterator[str]:
    """Read msgspec's path. Of a map's entry it tells no name (``[...]``): all maps are of strings, so it is the first that is none."""
    for name, place in _PATH_STEP.findall(path):
        step = name or place
        if not step and isinstance(given, dict):
            step = next((entry for entry, value in given.items() if not isinstance(value, str)), "")
        if step:
            yield step
        given = _inside(given, step)


def _inside(given: Any, step: str) -> Any:
    if isinstance(given, list) and step.isdecimal():
        return given[int(step)] if int(step) < len(given) else None
    return given.get(step) if isinstance(given, dict) else None

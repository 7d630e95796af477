"""Idempotency-Key: the same call again has no second effect and gets the first response, byte for byte.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/

Every POST that makes or sends something goes through `run_once`, or through `replay_or_run` where its own write keeps
the response in the same step (`service/jobs/submission.py`, `service/routes/sessions.py`). POSTs that are safe to repeat as they are (cancel,
complete, enable, `:validate`) take no key. Keys are a tenant's and a path's, and kept by `core.store.idempotency`.
"""

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Annotated, NamedTuple, Protocol

import msgspec
from litestar.params import HeaderParameter

from core.logs import get_logger
from core.store.idempotency import Hold, Idempotency, StoredResponse, decode_response, encode_response, with_waits
from core.store.redis.client import STORE_DOWN
from service.context import ApiContext
from service.problems import ApiError

log = get_logger(__name__)

#: an Idempotency-Key, quoted or bare
KEY_PATTERN = r'^("[!-~]{1,255}"|[!#-~][!-~]{0,254})$'

IdempotencyKeyHeader = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description=(
            "A name of your own for this very call, 1 to 255 visible ASCII characters, quoted or bare. The same call again, "
            "with the same bytes, gets the first answer and does nothing twice, for 24 h and at least until the job ends. "
            "Without it a call that is repeated after a broken connection may be done, and charged, twice."
        ),
        schema_extra={"pattern": KEY_PATTERN, "examples": ['"4f1c"']},
    ),
]

_REPLAYED = "Idempotency-Replayed"
_RULE = "1 to 255 visible ASCII characters, quoted or bare"
#: characters, without its quotes
_LONGEST_KEY = 255
_KEY = re.compile(KEY_PATTERN)
#: stands for the hash of a body that is still coming
_COMING = "coming"
#: how often a call that goes on says so, well within `core.store.idempotency.OPEN_MS`
_EXTEND_EVERY_S = 30.0
#: how often, and after how long, what came of a call is written where Redis was away: a key is held for longer
_TRIES, _RETRY_S = 120, 0.5


class IdempotencyKey(NamedTuple):
    """An Idempotency-Key, hashed with its path, and the hash of the body's bytes."""

    key_hash: str
    body_hash: str


class StreamedBody(Protocol):
    """A body that is too large to be compared before the call runs."""

    async def read_hash(self) -> str:
        """Read what is left of it, and give the hash of all of it."""


Call = Callable[[], Awaitable[StoredResponse]]


def parse_key(header: str | None, *, path: str, body: bytes | None = b"") -> IdempotencyKey | None:
    """Read a key, quoted or bare, of a call to `path`; `body` None: it is streamed. Raises ApiError (400)."""
    if header is None:
        return None
    if not _KEY.fullmatch(header):
        raise ApiError(400, "malformed_request", f"Idempotency-Key: {_RULE}; this one {_what_is_wrong(header)}.")
    bare = header[1:-1] if header.startswith('"') else header
    body_hash = _COMING if body is None else hashlib.sha256(body).hexdigest()
    return IdempotencyKey(hashlib.sha256(f"{path}\n{bare}".encode()).hexdigest(), body_hash)


def _what_is_wrong(header: str) -> str:
    if (length := len(header.removeprefix('"').removesuffix('"'))) > _LONGEST_KEY:
        return f"has a length of {length}"
    if header in {"", '""'}:
        return "is empty"
    if header.startswith('"') and (header == '"' or not header.endswith('"')):
        return "begins with a quote that nothing closes"
    return "has spaces or other characters, or came in several lines"


async def replay_or_run(
    context: ApiContext, tenant: str, key: IdempotencyKey | None, call: Call, *, streamed: StreamedBody | None = None
) -> StoredResponse:
    """Give the first response again, or run a call that keeps its response itself, or needs no key.

    Raises ApiError: the key was used for another body (422), its call is under way (409), or what `call` raises; and
    NotReplicated where the first response is known here, and to fewer replicas than the settings ask for.
    """
    if key is None:
        return await call()
    return await _first_response(context, tenant, key, streamed) or await call()


async def run_once(
    context: ApiContext, tenant: str, key: IdempotencyKey | None, call: Call, *, streamed: StreamedBody | None = None
) -> StoredResponse:
    """Run a call of several writes at most once; otherwise as `replay_or_run`.

    A call that fails gives its key back, and one that is through keeps its response, as soon as Redis answers; one whose process
    died holds it for two minutes.
    """
    if key is not None:
        call = partial(_run_holding, context, tenant, key, call, streamed)
    return await replay_or_run(context, tenant, key, call, streamed=streamed)


async def _first_response(
    context: ApiContext, tenant: str, key: IdempotencyKey, streamed: StreamedBody | None
) -> StoredResponse | None:
    found = await context.stored_responses.find(tenant, key.key_hash)
    if found is None:
        return None
    if found.answer is None:
        raise under_way() if found.body_hash == key.body_hash else key_reused()
    if found.body_hash != (await streamed.read_hash() if streamed else key.body_hash):
        raise key_reused()
    if replicas := context.settings.wait_replicas:  # it was a 503 before, if they did not have it
        await context.store.wait_for_replicas(replicas)
    return replayed(found.answer, found.waits)


async def _run_holding(
    context: ApiContext, tenant: str, key: IdempotencyKey, call: Call, streamed: StreamedBody | None
) -> StoredResponse:
    hold = Hold(tenant, key.key_hash, by=secrets.token_hex(8))
    async with _holding(context, hold, key.body_hash):
        response = await call()
    body_hash = await streamed.read_hash() if streamed else key.body_hash
    # it was done: who hears otherwise does it again, once the key is free
    await _do_once_redis_answers(
        context, partial(context.stored_responses.keep, tenant, key.key_hash, body_hash, encode_response(response))
    )
    return response


@asynccontextmanager
async def _holding(context: ApiContext, hold: Hold, body_hash: str) -> AsyncIterator[None]:
    """Hold a key while its call runs; let it go where that fails. Raises ApiError (409) where another call holds it."""
    try:
        held = await context.stored_responses.open(hold, body_hash)
        if held:
            async with _extending(context, hold):
                yield
    except BaseException:  # also where nobody heard whether it was taken
        await _do_once_redis_answers(context, partial(context.stored_responses.let_go, hold))
        raise
    if not held:
        raise under_way()


@asynccontextmanager
async def _extending(context: ApiContext, hold: Hold) -> AsyncIterator[None]:
    extending = asyncio.create_task(_extend(context, hold))
    try:
        yield
    finally:
        extending.cancel()


async def _extend(context: ApiContext, hold: Hold) -> None:
    while True:
        await asyncio.sleep(_EXTEND_EVERY_S)
        with suppress(*STORE_DOWN):
            await context.stored_responses.stay_open(hold)


async def _do_once_redis_answers(context: ApiContext, call: Callable[[], Awaitable[None]]) -> None:
    """Write of a key what came of its call: now, or where Redis is away beside all else, before the key is free by itself."""
    try:
        await call()
    except STORE_DOWN as away:
        log.warning("what came of a call could not be written", error=type(away).__name__)
        context.watches.start(_try_again(call))


async def _try_again(call: Callable[[], Awaitable[None]]) -> None:
    for _ in range(_TRIES):
        await asyncio.sleep(_RETRY_S)
        with suppress(*STORE_DOWN):
            return await call()
    return None


def answered_with(key: IdempotencyKey | None, response: StoredResponse) -> Idempotency | None:
    """Say what an operation shall keep that writes a call's response in the same step."""
    return Idempotency(key.key_hash, key.body_hash, encode_response(response)) if key else None


def replayed(stored: bytes, waits: Sequence[bytes]) -> StoredResponse:
    """Read a kept response, as a repeated call gets it."""
    first = with_waits(decode_response(stored), waits)
    return with_headers(first, {_REPLAYED: "true"})


def is_replayed(response: StoredResponse) -> bool:
    """Tell whether a response is one that was kept."""
    return _REPLAYED in response.headers


def with_headers(response: StoredResponse, headers: dict[str, str]) -> StoredResponse:
    """Add headers that are true of this one call."""
    return msgspec.structs.replace(response, headers=response.headers | headers)


def under_way() -> ApiError:
    """Refuse a call that is being made already."""
    return ApiError(409, "in_progress", "Ask again for its answer.")


def key_reused() -> ApiError:
    """Refuse another body under a known key."""
    return ApiError(422, "idempotency_key_reused", "Use a new Idempotency-Key for another body.")

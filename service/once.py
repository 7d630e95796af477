"""Carries out a call of several writes at most once per Idempotency-Key. Submits need none of this: theirs is one write.

Called by every POST that makes or sends something. Those that are safe to repeat as they are (cancel, complete, enable,
`:validate`) take no key, and uploads have their own way (`service/uploads/keyed_upload.py`), since a body of 500 MB is compared
by a hash that is only known when it has come.
"""

from collections.abc import Awaitable, Callable

import msgspec
from litestar import Response

from service.context import ApiContext
from service.http.headers import IdempotencyKey
from service.kept import Kept, Submitted, in_progress, kept_answer, replayed


async def once(
    parts: ApiContext, tenant: str, call: IdempotencyKey | None, do: Callable[[], Awaitable[Kept]]
) -> Submitted:
    """Do it, or give the answer that it got before. Raises Refused (409) while it is under way, or what `do` raises.

    A call that fails gives its key back; one whose process died keeps it for two minutes.
    """
    if call is None:
        return Submitted(await do(), replayed=False, limits={})
    if kept := await kept_answer(parts, tenant, call):
        return replayed(kept)
    if not await parts.answers.open(tenant, call.key_hash, call.body_hash):
        raise in_progress()
    try:
        done = await do()
    except BaseException:
        await parts.answers.drop(tenant, call.key_hash)
        raise
    await parts.answers.keep(tenant, call.key_hash, call.body_hash, msgspec.msgpack.encode(done))
    return Submitted(done, replayed=False, limits={})


def answered_once(done: Submitted, *, status: int) -> Response[bytes]:
    """Answer with what was done, now or at the first call."""
    headers = done.kept.headers | ({"Idempotency-Replayed": "true"} if done.replayed else {})
    return Response(done.kept.body, status_code=status, media_type="application/json", headers=headers)

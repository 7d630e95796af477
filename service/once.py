"""Carries out a call of several writes at most once per Idempotency-Key. Submits need none of this: theirs is one write."""

from collections.abc import Awaitable, Callable

import msgspec

from service.kept import Kept, Submitted, kept_answer, replayed
from service.parts import Parts
from service.preferences import KeyOfCall
from service.problems import Refused


async def once(parts: Parts, tenant: str, call: KeyOfCall | None, do: Callable[[], Awaitable[Kept]]) -> Submitted:
    """Do it, or give the answer that it got before. Raises Refused (409) while it is under way, or what `do` raises.

    A call that fails gives its key back; one whose process died keeps it for two minutes.
    """
    if call is None:
        return Submitted(await do(), replayed=False, limits={})
    if kept := await kept_answer(parts, tenant, call):
        return replayed(kept)
    if not await parts.answers.open(tenant, call.key_hash, call.body_hash):
        raise Refused(409, "in_progress", "Ask again for its answer.", headers={"Retry-After": "1"})
    try:
        done = await do()
    except BaseException:
        await parts.answers.drop(tenant, call.key_hash)
        raise
    await parts.answers.keep(tenant, call.key_hash, call.body_hash, msgspec.msgpack.encode(done))
    return Submitted(done, replayed=False, limits={})

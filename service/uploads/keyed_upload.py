"""An upload under an Idempotency-Key: the same file again is not kept again, whoever sends it must send it whole.

Compared is a hash of the file's name and bytes, made while they pass: not of the form around them, which has another
boundary each time. What was kept can only be told from something else when it has come to its end.
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from core.clock import stopwatch_s
from service.context import ApiContext
from service.kept import Kept, Submitted, in_progress, key_reused, opened, replayed
from service.uploads.receive import NamedFile

#: what stands for the hash of a file that has not come yet
_COMING = "coming"
#: how often a file that still comes says so, well within `core.store.idempotency.OPEN_MS`
_SAY_EVERY_S = 30.0

Keep = Callable[[NamedFile], Awaitable[Kept]]


async def uploaded_once(parts: ApiContext, tenant: str, key_hash: str | None, file: NamedFile, keep: Keep) -> Submitted:
    """Keep a file, or give the answer that it got before.

    Raises Refused: another file (422), still under way (409), or what `keep` raises; then the key is free again.
    """
    if key_hash is None:
        return Submitted(await keep(file), replayed=False, limits={})
    passing = _Passing(parts, tenant, key_hash, file)
    found = await parts.answers.find(tenant, key_hash)
    if found and found.answer:
        return await _compared(passing, found.body_hash, found.answer)
    if found or not await parts.answers.open(tenant, key_hash, _COMING):
        raise in_progress()
    try:
        done = await keep(passing.file)
    except BaseException:
        await parts.answers.drop(tenant, key_hash)
        raise
    await parts.answers.keep(tenant, key_hash, passing.digest.hexdigest(), msgspec.msgpack.encode(done))
    return Submitted(done, replayed=False, limits={})


async def _compared(passing: "_Passing", body_hash: str, answer: bytes) -> Submitted:
    async for _ in passing.file.chunks:
        pass
    if passing.digest.hexdigest() != body_hash:
        raise key_reused()
    return replayed(opened(answer))


class _Passing:
    """A file whose bytes are hashed as they pass, and whose key stays taken meanwhile."""

    def __init__(self, parts: ApiContext, tenant: str, key_hash: str, file: NamedFile) -> None:
        self._parts = parts
        self._tenant = tenant
        self._key_hash = key_hash
        self.digest = hashlib.sha256(file.name.encode() + b"\0")
        self.file = NamedFile(file.name, self._chunks(file.chunks))

    async def _chunks(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        said_s = stopwatch_s()
        async for chunk in chunks:
            self.digest.update(chunk)
            if stopwatch_s() - said_s > _SAY_EVERY_S:
                await self._parts.answers.stay_open(self._tenant, self._key_hash)
                said_s = stopwatch_s()
            yield chunk

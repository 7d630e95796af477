"""The answer to a call as it is kept under the caller's Idempotency-Key, and what a repeated call gets of it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from core.model.job_view import UNPLACED, JobView
from core.redaction import redacted_repr
from core.store.idempotency import StoredAnswer
from service.context import ApiContext
from service.http.headers import IdempotencyKey
from service.problems import Refused


@redacted_repr("id")
class Kept(msgspec.Struct, frozen=True):
    """The bytes of the answer, and the headers that depend on what was made."""

    id: str
    headers: dict[str, str]
    body: bytes


class Submitted(NamedTuple):
    """What a submit came to."""

    kept: Kept
    replayed: bool
    limits: dict[str, str]


async def kept_answer(parts: ApiContext, tenant: str, call: IdempotencyKey | None) -> Kept | None:
    """Find the answer to the same call. Raises Refused: another body (422), or still under way (409)."""
    found: StoredAnswer | None = await parts.answers.find(tenant, call.key_hash) if call else None
    if found is None or call is None:
        return None
    if found.body_hash != call.body_hash:
        raise key_reused()
    if found.answer is None:
        raise in_progress()
    return placed(opened(found.answer), found.waits)


def opened(answer: bytes) -> Kept:
    """Read an answer that was kept."""
    return msgspec.msgpack.decode(answer, type=Kept)


def placed(kept: Kept, waits: Sequence[bytes]) -> Kept:
    """Write into an answer why each of its jobs waits, which is known only when they are accepted.

    No caller's words can be taken for the bytes that are replaced: a quote inside of a JSON string is escaped.
    """
    body = kept.body
    for wait in waits:
        body = body.replace(UNPLACED, wait, 1)
    return msgspec.structs.replace(kept, body=body)


def replayed(kept: Kept) -> Submitted:
    """Give an answer again."""
    return Submitted(kept, replayed=True, limits={})


def without_words(answer: bytes, waits: Sequence[bytes], tombstone: JobView) -> bytes:
    """Put a tombstone where a kept answer shows the job: as a whole, or as one of a batch's."""
    kept = placed(opened(answer), waits)
    shown: dict[str, Any] = msgspec.json.decode(kept.body)
    for item in shown.get("items", ()):
        if item["job"] and item["job"]["id"] == tombstone.id:
            item["job"] = tombstone
    now = tombstone if kept.id == tombstone.id else shown
    return msgspec.msgpack.encode(msgspec.structs.replace(kept, body=msgspec.json.encode(now)))


def in_progress() -> Refused:
    """Refuse a call whose first one has not come to its end."""
    return Refused(409, "in_progress", "Ask again for its answer.", headers={"Retry-After": "1"})


def key_reused() -> Refused:
    """Refuse another body under a known key."""
    return Refused(422, "idempotency_key_reused", "Use a new Idempotency-Key for another body.")

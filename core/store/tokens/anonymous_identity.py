"""The installation's one anonymous identity at the backend: its lasting client id, its present token, and who renews it."""

from typing import NamedTuple

from core.errors import WaitReason
from core.store.redis.client import HashRow, Store
from core.store.redis.keys import key
from core.store.redis.results import Nothing


class AnonymousIdentity(NamedTuple):
    """The client id that never changes, the token that it has now, and how it was refused another one."""

    client_id: str
    token_id: str | None
    rest_until_ms: int
    #: what whoever waits for the rest's end is told
    rest_reason: WaitReason
    #: refusals since it got its last token
    refusals: int
    #: its account, where that token came without one, and a session has told of it
    user_id: str | None = None


def _reason_of(word: str) -> WaitReason:
    """Read why the identity rests; a reason that is not known here is as good as none."""
    return WaitReason(word) if word in set(WaitReason) else WaitReason.NO_CREDITS


class AnonymousIdentities:
    """Reads and writes the one identity, and lets one worker of all renew its token."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def read(self, *, fresh_client_id: str) -> AnonymousIdentity:
        """Read the identity; the first caller ever gives it its client id."""
        await self._store.redis.hsetnx(key("anonymous_identity"), "client_id", fresh_client_id)  # type: ignore[misc]
        row: HashRow = await self._store.redis.hgetall(key("anonymous_identity"))  # type: ignore[misc]
        token = row.get(b"token_id")
        return AnonymousIdentity(
            row[b"client_id"].decode(),
            token.decode() if token else None,
            int(row.get(b"rest_until_ms", 0)),
            _reason_of(row.get(b"rest_reason", b"").decode()),
            int(row.get(b"refusals", 0)),
            row.get(b"user_id", b"").decode() or None,
        )

    async def write(self, **facts: str | int) -> None:
        """Write the identity's present token, or how long it must rest after a refusal."""
        await self._store.redis.hset(key("anonymous_identity"), mapping=dict(facts))  # type: ignore[misc]

    async def lock(self, owner: str, *, for_s: float) -> bool:
        """Let one worker of all renew the identity's token."""
        name = key("anonymous_identity_lock")
        return bool(await self._store.redis.set(name, owner, nx=True, px=int(for_s * 1000)))

    async def hold(self, owner: str, *, for_s: float) -> None:
        """Keep the lock for so long from now on, unless it has run out and is another's by now. 0: let the next one look."""
        await self._store.run("hold_identity", {"owner": owner, "for_ms": int(for_s * 1000)}, Nothing)

"""Rewrap: everything that is stored encrypted is encrypted anew under the newest secret key, so that older ones can go.

Safe while processes run, to be stopped at any moment and to be done again: each secret is put in the place of the very
one that was read, what is under the newest key already is left as it is, and what is encrypted means the same. What the
older keys hash with is kept (`core.store.retired_hash_keys`), since API keys themselves are stored nowhere.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from enum import StrEnum
from typing import NamedTuple

from core.clock import Clock, rfc3339
from core.security.encryption import Encryption
from core.security.redacted_repr import redacted_repr
from core.security.signed_links import LINK_LIFE_MS
from core.store.redis.client import Store
from core.store.redis.codec import Unreadable, raw
from core.store.redis.keys import key
from core.store.redis.lists import pages_of_set
from core.store.retired_hash_keys import lock_hash_key
from core.store.secret_keys.check import keep_own_seal_alone
from core.store.secret_keys.use import SecretKeyUse, secret_key_use
from core.store.tenants.webhooks import map_locked


class Kind(StrEnum):
    """What is stored encrypted."""

    TOKEN = "backend tokens"  # noqa: S105 - what is listed
    WEBHOOK = "webhook secrets"
    HASH_KEY = "older keys' hash keys"


class Standing(StrEnum):
    """What a secret that is stored was encrypted under."""

    NEWEST = "under the newest key"
    OLDER = "under an older one"
    #: its key is not configured, or what holds it is no record that this release can read
    UNREADABLE = "not to be read"


Census = dict[Kind, Counter[Standing]]
Advance = Callable[[int], None]


class RewrapRefused(Exception):  # noqa: N818 - it says what happened
    """Somebody runs who could not read the result; nothing was written. Its words are sentences for the operator."""


class Rewrapped(NamedTuple):
    """What there is now, how many were encrypted anew, and what still stands against taking out the older keys given here.

    `links_until`: links that were signed under the older keys work until then, where these have lately signed any.
    """

    census: Census
    changed: int
    older_keys: int
    objections: tuple[str, ...]
    links_until: str | None


@redacted_repr("kind", "owner")
class _Place(NamedTuple):
    """Where a secret is stored: the hash of a token or a tenant, or that of the hash keys; and what stands there."""

    kind: Kind
    owner: Mapping[str, str]
    field: str
    stored: bytes

    def mapped(self, change: Callable[[bytes], bytes]) -> bytes:
        """Change what is encrypted in it. Raises Unreadable."""
        return map_locked(self.stored, change) if self.kind is Kind.WEBHOOK else change(self.stored)


class SecretRewrap:
    """Looks at all that is stored encrypted, and encrypts it anew."""

    def __init__(self, store: Store, encryption: Encryption, clock: Clock) -> None:
        self._store = store
        self._encryption = encryption
        self._clock = clock

    async def size(self) -> int:
        """Count the tokens and tenants that are looked at: what `advance` is told of, in parts."""
        counts = await self._store.ask_in_a_row(("SCARD", key("tokens")), ("SCARD", key("tenants")))
        return sum(counts)

    async def check(self, advance: Advance) -> Rewrapped:
        """Count, and write nothing."""
        census: Census = {kind: Counter() for kind in Kind}
        async for page in self._pages(advance):
            for place in page:
                census[place.kind] += self._standings(place)
        use = await secret_key_use(self._store, self._clock)
        objections = (*use.objections(self._newest), *_objections_to_what_is_stored(census))
        return Rewrapped(census, 0, len(self._encryption.key_names) - 1, objections, self._links_until(use))

    async def rewrap(self, advance: Advance) -> Rewrapped:
        """Encrypt everything anew, and count what there is then. Raises RewrapRefused."""
        use = await secret_key_use(self._store, self._clock)
        if unable := use.unable_to_read(self._newest):
            raise RewrapRefused(" ".join((*unable, "Nothing was written.")))
        await self._keep_hash_keys()
        changed = 0
        async for page in self._pages(advance):
            changed += sum(await asyncio.gather(*map(self._encrypt_anew, page)))
        after = await self.check(lambda _: None)
        if not after.objections:
            await keep_own_seal_alone(self._store, self._encryption)
        return after._replace(changed=changed)

    @property
    def _newest(self) -> str:
        return self._encryption.key_names[0]

    async def _keep_hash_keys(self) -> None:
        for name, hash_key in self._encryption.older_hash_keys().items():
            stored = await self._store.ask("HGET", key("retired_hash_keys"), name)
            if not (
                stored and self._encryption.can_open(stored)
            ):  # else it is encrypted anew as it is, with all others
                await self._store.ask("HSET", key("retired_hash_keys"), name, lock_hash_key(self._encryption, hash_key))

    async def _pages(self, advance: Advance) -> AsyncIterator[list[_Place]]:
        stored = await self._store.ask("HGETALL", key("retired_hash_keys"))
        fields = zip(stored[::2], stored[1::2], strict=True)
        yield [_Place(Kind.HASH_KEY, {}, field.decode(), secret) for field, secret in fields]
        for members, kind, owner, shape, field in (
            ("tokens", Kind.TOKEN, "token", "token", "secret"),
            ("tenants", Kind.WEBHOOK, "tenant", "tenant", "secrets"),
        ):
            async for names in pages_of_set(self._store, key(members)):
                rows = await asyncio.gather(*(self._store.ask("HGET", key(shape, name), field) for name in names))
                yield [_Place(kind, {owner: n}, field, row) for n, row in zip(names, rows, strict=True) if row]
                advance(len(names))

    def _standing(self, locked: bytes) -> Standing:
        if self._encryption.writes_like(locked):
            return Standing.NEWEST
        return Standing.OLDER if self._encryption.can_open(locked) else Standing.UNREADABLE

    def _standings(self, place: _Place) -> Counter[Standing]:
        found: Counter[Standing] = Counter()

        def count(locked: bytes) -> bytes:
            found[self._standing(locked)] += 1
            return locked

        try:
            place.mapped(count)
        except Unreadable:
            found[Standing.UNREADABLE] += 1
        return found

    async def _encrypt_anew(self, place: _Place) -> int:
        """Give how many secrets of a place were encrypted anew."""
        older = self._standings(place)[Standing.OLDER]
        if not older:
            return 0
        facts = {"field": place.field, "before": raw(place.stored), "after": raw(place.mapped(self._anew))}
        done = await self._store.run("reseal", {**place.owner, **facts}, _Resealed)
        return older if done.done else 0  # else it was written or removed meanwhile, and is counted afterwards

    def _anew(self, locked: bytes) -> bytes:
        if self._standing(locked) is not Standing.OLDER:
            return locked
        return self._encryption.lock(self._encryption.open(locked))

    def _links_until(self, use: SecretKeyUse) -> str | None:
        written = [use.written_ms[name] for name in self._encryption.key_names[1:] if name in use.written_ms]
        until_ms = max(written, default=0) + LINK_LIFE_MS
        return rfc3339(until_ms) if until_ms > self._clock.now_ms() else None


class _Resealed(NamedTuple):
    done: bool = False


def _objections_to_what_is_stored(census: Census) -> list[str]:
    older = sum(counts[Standing.OLDER] for counts in census.values())
    unreadable = sum(counts[Standing.UNREADABLE] for counts in census.values())
    objections = [f"{older} secrets are under an older key."] if older else []
    if unreadable:
        objections.append(
            f"{unreadable} secrets cannot be read with the keys given here: give the one that they were written under, or "
            "remove the tokens and rotate the webhook secrets."
        )
    return objections

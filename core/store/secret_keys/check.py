"""Secret-key check: are REELGATE_SECRET_KEYS those that this Redis was written under?

With other keys every API key is unknown and no stored secret opens, which looks like callers' mistakes. So a known
value is kept in Redis, sealed under the writing key of whoever came last and of the one before: a process that can
open neither has the wrong keys. API, worker and commands ask at their start, `/readyz` at each look.
"""

from typing import Any

from core.errors import StartRefused
from core.security.encryption import Encryption
from core.store.redis.client import STORE_FULL, Store
from core.store.redis.keys import key
from core.store.tenants.webhooks import locked_secrets

WRONG_KEYS = (
    "REELGATE_SECRET_KEYS: what is stored in this Redis was written under another key. Give the key that was used "
    "before (a new one goes in front of it, with a comma), or another REDIS_URL."
)
NEWER_KEY = (
    "Redis also holds secrets under a newer key that is not in REELGATE_SECRET_KEYS: what was written under it cannot "
    "be read here."
)
OLDER_KEY = (
    "Redis may also hold secrets under an older key that is not in REELGATE_SECRET_KEYS, and API keys that were made under it "
    "are refused here: put it back behind the others, and take it out once `reelgate secrets rewrap` says that it may go."
)
_KNOWN_VALUE = "reelgate"
#: of the key that writes now, and of the one before it: a process that has not got the new one yet goes on
_SEALS_KEPT = 2
#: of a Redis without a seal, as earlier versions left it, so many stored secrets are tried
_SAMPLE = 20


class WrongSecretKeys(StartRefused):
    """Nothing in this Redis opens under the configured keys. Its words are a sentence for the operator."""

    def __init__(self) -> None:
        super().__init__(WRONG_KEYS)


async def check_secret_keys(store: Store, encryption: Encryption, *, by_hand: bool = False) -> list[str]:
    """Compare the configured keys with what Redis was written under; the first to come writes the seal.

    `by_hand`: somebody types a command, and a Redis in which nothing is stored yet becomes nobody's by that: its processes
    may have other keys. Returns warnings, each a sentence. Raises WrongSecretKeys. One round trip where all is well.
    """
    seals = await store.ask("LRANGE", key("secret_key_seals"), 0, -1)
    if seals and encryption.writes_like(seals[0]):
        return _warnings(encryption, seals)
    warnings: list[str] = []

    async def add_seal(pipe: Any) -> None:
        seals = await pipe.lrange(key("secret_key_seals"), 0, -1)
        known = seals or await _stored_secrets(store)
        _require_readable(encryption, known)
        warnings[:] = _warnings(encryption, seals)
        is_sealed = bool(seals) and encryption.writes_like(seals[0])  # by a process that came at the same time
        pipe.multi()
        if NEWER_KEY not in warnings and not is_sealed and (known or not by_hand):
            pipe.lpush(key("secret_key_seals"), encryption.lock(_KNOWN_VALUE))
            pipe.ltrim(key("secret_key_seals"), 0, _SEALS_KEPT - 1)

    # watched: of two processes that come first at once, with different keys, one is right and the other is told
    try:
        await store.change(key("secret_key_seals"), add_seal)
    except STORE_FULL:
        if not by_hand:  # who makes room leaves none
            raise
    return warnings


async def keep_own_seal_alone(store: Store, encryption: Encryption) -> None:
    """Call this once all that is stored is under the writing key: a process that has not got it is refused from then on.

    What a key has left that nobody has any more, and in front of the own one, would lock everybody out.
    """

    async def replace_seals(pipe: Any) -> None:
        seals = await pipe.lrange(key("secret_key_seals"), 0, -1)
        own = next(filter(encryption.writes_like, seals), None) or encryption.lock(_KNOWN_VALUE)
        pipe.multi()
        pipe.delete(key("secret_key_seals"))
        pipe.rpush(key("secret_key_seals"), own)

    await store.change(key("secret_key_seals"), replace_seals)


def _warnings(encryption: Encryption, seals: list[bytes]) -> list[str]:
    """Say what cannot be read here. An older key's seal goes once all is encrypted anew, and not before."""
    closed = [not encryption.can_open(seal) for seal in seals]
    return [NEWER_KEY] * (closed[:1] == [True]) + [OLDER_KEY] * any(closed[1:])


def _require_readable(encryption: Encryption, known: list[bytes]) -> None:
    if known and not any(map(encryption.can_open, known)):
        raise WrongSecretKeys


async def _stored_secrets(store: Store) -> list[bytes]:
    """Fetch some secrets as they are stored, encrypted: backend tokens, and tenants' webhook secrets."""
    tokens = await store.ask("SRANDMEMBER", key("tokens"), _SAMPLE)
    tenants = await store.ask("SRANDMEMBER", key("tenants"), _SAMPLE)
    found = [await store.ask("HGET", key("token", each.decode()), "secret") for each in tokens]
    webhooks = [await store.ask("HGET", key("tenant", each.decode()), "secrets") for each in tenants]
    return [secret for secret in found if secret] + [s for raw in webhooks if raw for s in locked_secrets(raw)]

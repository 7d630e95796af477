"""What API keys and tokens were hashed with under secret keys that are not configured any more.

A hash cannot be made anew without its secret, and API keys are stored nowhere. So `reelgate secrets rewrap` keeps what the
older keys hash with, which opens nothing, encrypted under the newest one; look-ups that find nothing try these too.
"""

from core.security.encryption import Encryption, keyed_hash
from core.store.redis.client import Store
from core.store.redis.keys import key


async def hashes_under_retired_keys(store: Store, encryption: Encryption, secret: str) -> list[str]:
    """Hash a secret as it was hashed under each key that was rotated away."""
    stored = await store.ask("HVALS", key("retired_hash_keys"))
    return [keyed_hash(open_hash_key(encryption, each), secret) for each in stored if encryption.can_open(each)]


def lock_hash_key(encryption: Encryption, hash_key: bytes) -> bytes:
    """Encrypt what an older key hashes with."""
    return encryption.lock(hash_key.hex())


def open_hash_key(encryption: Encryption, locked: bytes) -> bytes:
    """Decrypt it. Raises Undecryptable."""
    return bytes.fromhex(encryption.open(locked))

"""Encryption of secrets at rest, with rotation, and keyed hashes for what only has to be recognized.

Of the configured secret keys the first one writes and all of them read.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class Undecryptable(Exception):  # noqa: N818 - says what the value is
    """A stored secret was written under a key that is no longer configured in REELGATE_SECRET_KEYS."""


def _derived(key: str, purpose: str) -> bytes:
    return hmac.new(key.encode(), purpose.encode(), hashlib.sha256).digest()


class Encryption:
    """Encrypts, decrypts and hashes under the configured keys. Its repr shows none of them."""

    def __init__(self, keys: Sequence[str]) -> None:
        boxes = [Fernet(base64.urlsafe_b64encode(_derived(key, "at rest"))) for key in keys]
        self._writing, self._boxes = boxes[0], MultiFernet(boxes)
        self._hash_keys = [_derived(key, "hash") for key in keys]
        #: what the keys are called where they must not be shown, the writing one first: ``("3f2a9c01d4e5", "b1…")``
        self.key_names = tuple(_derived(key, "name").hex()[:12] for key in keys)
        #: these sign links to files, the writing one first
        self.link_keys = [_derived(key, "link") for key in keys]

    def lock(self, secret: str) -> bytes:
        """Encrypt a token or a webhook secret for Redis."""
        return self._boxes.encrypt(secret.encode())

    def open(self, locked: bytes) -> str:
        """Decrypt what `lock` wrote, under any configured key."""
        try:
            return self._boxes.decrypt(locked).decode()
        except InvalidToken:
            raise Undecryptable("a stored secret cannot be read with the configured keys") from None

    def can_open(self, locked: bytes) -> bool:
        """Tell whether `open` would succeed."""
        return _opens(self._boxes, locked)

    def writes_like(self, locked: bytes) -> bool:
        """Tell whether this was locked under the key that `lock` uses now."""
        return _opens(self._writing, locked)

    def hashes(self, secret: str) -> list[str]:
        """Hash a secret under every key, the writing one first: store the first, look up all."""
        return [keyed_hash(key, secret) for key in self._hash_keys]

    def older_hash_keys(self) -> dict[str, bytes]:
        """Give what hashes were made with under all keys but the writing one, by the names of those keys."""
        return dict(zip(self.key_names[1:], self._hash_keys[1:], strict=True))


def keyed_hash(hash_key: bytes, secret: str) -> str:
    """Hash a secret, so that it is recognized and not read."""
    return hmac.new(hash_key, secret.encode(), hashlib.sha256).hexdigest()


def token_fingerprint(token: str) -> str:
    """Hash a backend token under no key of ours, so that a cell with other keys knows it again: 16 hex digits.

    Of tokens alone, which are long and random: a short secret could be guessed from it.
    """
    return keyed_hash(b"reelgate-fingerprint-v1", token)[:16]


def _opens(box: Fernet | MultiFernet, locked: bytes) -> bool:
    try:
        box.decrypt(locked)
    except InvalidToken:
        return False
    return True

"""Decides by hash instead of by dice, so that the same calls in the same order always meet the same fate."""

import hashlib


def share(*facts: object) -> float:
    """A number from 0 up to 1 that depends on the facts alone."""
    digest = hashlib.sha256("\x1f".join(map(str, facts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64

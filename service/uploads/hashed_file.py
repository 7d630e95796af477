"""What an upload is compared by under an Idempotency-Key: a hash of the file's name and bytes, made while they pass.

The form around them has another boundary each time, so it does not count. Pure: whoever stores the file reads it here.
"""

import hashlib
from collections.abc import AsyncIterator

from service.uploads.inspector import NamedFile


class HashedFile:
    """A file whose bytes are hashed as they pass. Read `file` instead of the one that was given."""

    def __init__(self, file: NamedFile) -> None:
        self._digest = hashlib.sha256(file.name.encode() + b"\0")
        self.file = NamedFile(file.name, self._hashing(file.chunks))

    async def _hashing(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            self._digest.update(chunk)
            yield chunk

    async def read_hash(self) -> str:
        """Read what is left of the file, and give the hash of all of it."""
        async for _ in self.file.chunks:
            pass
        return self._digest.hexdigest()

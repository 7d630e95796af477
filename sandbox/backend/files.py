"""File store: where files lie, and under which unguessable address each is served. Knows no media, sessions or renders."""

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

#: the first part of every address
ROOT = "files"


@dataclass(frozen=True)
class StoredFile:
    secret: str
    path: Path

    @property
    def address(self) -> str:
        """The path part of its URL, without a leading slash: ``files/6f0c…/clip.mp4``."""
        return f"{ROOT}/{self.secret}/{quote(self.path.name)}"


class FileStore:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, StoredFile] = {}

    def create(self, name: str) -> StoredFile:
        """Make room for one file of that name."""
        secret = secrets.token_urlsafe(24)
        folder = self._folder / secret
        folder.mkdir(parents=True)
        self._files[secret] = StoredFile(secret, folder / _safe(name))
        return self._files[secret]

    def find(self, secret: str) -> Path | None:
        stored = self._files.get(secret)
        return stored.path if stored is not None and stored.path.is_file() else None

    def remove(self, stored: StoredFile) -> None:
        self._files.pop(stored.secret, None)
        shutil.rmtree(stored.path.parent, ignore_errors=True)

    def clear(self) -> None:
        for stored in list(self._files.values()):
            self.remove(stored)


def _safe(name: str) -> str:
    """A name that any file system takes, 255 bytes at most; the end stays, for the extension is there."""
    return "".join(sign for sign in name if sign.isprintable() and sign != "/").lstrip(".")[-60:] or "media"

"""Where files lie and under which unguessable address they are served. Knows nothing of media, sessions or renders."""

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

#: the first part of every address
ROOT = "files"


@dataclass(frozen=True)
class Place:
    secret: str
    path: Path

    @property
    def address(self) -> str:
        """The path part of its URL, without a leading slash: ``files/6f0c…/clip.mp4``."""
        return f"{ROOT}/{self.secret}/{quote(self.path.name)}"


class Shelf:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places: dict[str, Place] = {}

    def place(self, name: str) -> Place:
        """Make room for one file of that name."""
        secret = secrets.token_urlsafe(24)
        folder = self._folder / secret
        folder.mkdir(parents=True)
        self._places[secret] = Place(secret, folder / _safe(name))
        return self._places[secret]

    def find(self, secret: str) -> Path | None:
        place = self._places.get(secret)
        return place.path if place is not None and place.path.is_file() else None

    def remove(self, place: Place) -> None:
        self._places.pop(place.secret, None)
        shutil.rmtree(place.path.parent, ignore_errors=True)

    def clear(self) -> None:
        for place in list(self._places.values()):
            self.remove(place)


def _safe(name: str) -> str:
    """A name that any file system takes, 255 bytes at most; the end stays, for the extension is there."""
    return "".join(sign for sign in name if sign.isprintable() and sign != "/").lstrip(".")[-60:] or "media"

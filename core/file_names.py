"""Names of media files, from whoever says one: a caller, a URL, a server's Content-Disposition header. Pure.

None of them is trusted: what comes out is a name without folders, and without what could hurt a log, a header, a
terminal or a file system. It may still be empty, or end like no known format; `core.formats` judges that.
"""

from email.message import Message
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

#: longer names are cut before their extension
MOST_CHARACTERS = 200
#: what a file is called that nobody named
UNNAMED = "media"

_MOST_EXTENSION_CHARACTERS = 20
#: no name of a file that every system takes has these
_FORBIDDEN = frozenset('"<>|:*?')


def safe_name(text: str) -> str:
    r"""Keep what names a file: ``C:\clips\my clip.mp4`` is ``my clip.mp4``, ``..`` is empty."""
    last = text.replace("\\", "/").rpartition("/")[2]
    clean = "".join(char for char in last if char.isprintable() and char not in _FORBIDDEN).strip(" .")
    if len(clean) <= MOST_CHARACTERS:
        return clean
    extension = PurePosixPath(clean).suffix[:_MOST_EXTENSION_CHARACTERS]
    return (clean[: MOST_CHARACTERS - len(extension)] + extension).rstrip(" .")


def name_of_url(url: str) -> str:
    """Name a file by a URL's path: ``https://…/a/my%20clip.mp4?x=1`` is ``my clip.mp4``, ``https://…/`` is empty."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return ""
    return safe_name(unquote(path).rstrip("/"))


def name_of_disposition(header: str) -> str:
    """Name a file as its server does: ``attachment; filename="a.mp4"`` is ``a.mp4``; empty where it says nothing."""
    message = Message()
    message["content-disposition"] = header
    return safe_name(message.get_filename(""))


def first_name(*names: str) -> str:
    """Choose the first name that has an extension, else the first that is not empty, else ``media``."""
    said = [name for name in names if name]
    return next((name for name in said if PurePosixPath(name).suffix), said[0] if said else UNNAMED)

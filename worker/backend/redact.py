"""Redacts the backend's words for repeating: short, one line, without tokens, links or other opaque strings.

Everything that goes from the backend into an error, a log line or a caller's answer passes here or `worker.backend.gui_talk`.
"""

import re

#: A backend token, or whatever follows "Bearer".
TOKEN = re.compile(r"nmv_[\w.~+/=-]*|\bbearer\s+[\w.~+/=-]{6,}", re.IGNORECASE)
_LINK = re.compile(r"[a-z][a-z0-9+.-]{0,15}://\S*", re.IGNORECASE)
_OPAQUE = re.compile(r"[\w+/=-]{32,}", re.ASCII)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_LONGEST_READ = 4_000


def plain(text: str, *, limit: int = 160) -> str:
    """Cut `text` down to one printable line of at most `limit` characters."""
    return one_line(_OPAQUE.sub("…", _LINK.sub("…", text[:_LONGEST_READ])), limit=limit)


def one_line(text: str, *, limit: int) -> str:
    """Like `plain`, for words that are somebody's content: links and long names stay, tokens do not."""
    line = " ".join(_UNPRINTABLE.sub(" ", TOKEN.sub("…", text[:_LONGEST_READ])).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"

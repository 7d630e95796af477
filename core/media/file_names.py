"""Names of media files, from whoever says one: a caller, a form, a URL, a Content-Disposition header. Pure.

None of them is trusted: what comes out is a name without folders and without what could move a cursor or turn text
around (`plain_name`, for what a caller keeps here), or without anything that some file system or header cannot take
(`safe_name`, for what a server says). It may be empty, or end like no known format; `core.media.formats` judges that.
Nothing here raises, whatever the text holds.
"""

import re
from base64 import b64decode
from itertools import groupby
from pathlib import PurePosixPath
from quopri import decodestring
from urllib.parse import unquote_to_bytes, urlsplit

#: longer names are cut before their extension
MOST_CHARACTERS = 200
#: a caller's own names, which are not cut: what a file system takes
MOST_OWN_CHARACTERS = 255
#: what a file is called that nobody named
UNNAMED = "media"

_MOST_EXTENSION_CHARACTERS = 20
#: no name of a file that every system takes has these
_FORBIDDEN = frozenset('"<>|:*?')
#: Control characters, lone surrogates, line separators, and the marks that turn the direction of text. Joiners stay:
#: emoji and Persian names are made with them.
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]"
)
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.DOTALL)
_EXTENDED = re.compile(r"([^']*)'[^']*'(.*)", re.DOTALL)
_CONTINUED = re.compile(r"filename\*([0-9]{1,2})(\*?)")
_CHARSET = re.compile(r"utf-?8|us-ascii|latin-?1|iso-?8859-\d{1,2}|(windows-|cp)\d{3,4}|gb\w+|big5|"
                      r"shift[_-]?jis|euc-\w\w|koi8-\w|iso-2022-jp", re.IGNORECASE)  # fmt: skip
_ENCODED_WORD = re.compile(r"=\?([^?\s]+)\?([bq])\?([^?\s]*)\?=\s*", re.IGNORECASE)


def plain_name(text: str) -> str:
    """Keep the last part of a path: ``C:\\clips\\a.mp4`` is ``a.mp4``; blank where nothing is left."""
    last = text.replace("\\", "/").rpartition("/")[2]
    clean = _HARMFUL.sub("", last)
    return clean if clean.strip(" .") else ""


def decoded_text(raw: bytes) -> str:
    """Read bytes that nobody names a charset of: UTF-8, or what browsers of old wrote. Loses nothing."""
    return _decoded(raw)


def safe_name(text: str) -> str:
    r"""Keep what names a file: ``C:\clips\my clip.mp4`` is ``my clip.mp4``, ``..`` is empty."""
    clean = "".join(char for char in plain_name(text) if char.isprintable() and char not in _FORBIDDEN).strip(" .")
    if len(clean) <= MOST_CHARACTERS:
        return clean
    extension = PurePosixPath(clean).suffix[:_MOST_EXTENSION_CHARACTERS]
    return (clean[: MOST_CHARACTERS - len(extension)] + extension).rstrip(" .")


def plain_name_of_url(url: str) -> str:
    """Name a file by a URL's path: ``https://…/a/my%20clip.mp4?x=1`` is ``my clip.mp4``, ``https://…/`` is empty."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return ""
    said = path if path.isascii() and "%" not in path else _decoded(unquote_to_bytes(_bytes(path)))
    return plain_name(said.rstrip("/"))


def name_of_url(url: str) -> str:
    """Name a file by a URL's path, as `safe_name` does."""
    return safe_name(plain_name_of_url(url))


def name_of_disposition(header: str) -> str:
    """Name a file as its server does: ``attachment; filename="a.mp4"`` is ``a.mp4``; empty where it says nothing."""
    return safe_name(filename_of_disposition(header) or "")


def filename_of_disposition(header: str) -> str | None:
    """Read the file's name out of a Content-Disposition, as it came; None where it has none.

    `header` is decoded in any way that loses nothing, e.g. Latin-1. ``filename*`` (RFC 8187, RFC 2231) goes before
    ``filename``, which may be UTF-8, Latin-1, percent-escaped as browsers do it, or made of encoded words (RFC 2047).
    """
    parameters: dict[str, str] = {}
    for key, value in _PARAMETER.findall(header):
        parameters.setdefault(key.lower(), _unquoted(value.strip()))
    charset, raw = _read_extended(parameters.get("filename*") or _continued(parameters))
    plain = parameters.get("filename")
    if raw and (plain is None or _fits(raw, charset)):
        return _decoded(raw, charset)
    if plain is not None:
        return _read_plain(plain)
    return "" if "filename*" in parameters else None


def first_name(*names: str) -> str:
    """Choose the first name that has an extension, else the first that is not empty, else ``media``."""
    said = [name for name in names if name]
    return next((name for name in said if PurePosixPath(name).suffix), said[0] if said else UNNAMED)


def _unquoted(value: str) -> str:
    """Take the quotes off. A backslash escapes a quote; elsewhere it belongs to a path of Windows."""
    inner = value.removeprefix('"').removesuffix('"') if value.startswith('"') else value
    return inner.replace("\\\\", "\\").replace('\\"', '"') if '\\"' in inner else inner


def _continued(parameters: dict[str, str]) -> str:
    """Join ``filename*0*=UTF-8''…; filename*1=…`` to one extended value; what is not escaped in it is made so."""
    parts = {int(m[1]): (value, m[2]) for key, value in parameters.items() if (m := _CONTINUED.fullmatch(key))}
    if 0 not in parts:
        return ""
    text = "" if parts[0][1] else "''"
    for number in range(len(parts)):
        value, is_escaped = parts.get(number, ("", "*"))
        text += value if is_escaped else value.replace("%", "%25")
    return text


def _read_extended(text: str) -> tuple[str, bytes]:
    """Take ``UTF-8'en'%C3%BCber.mp4`` apart into its charset, blank where none is named, and the name's bytes."""
    whole = _EXTENDED.fullmatch(text)
    charset, escaped = (whole[1].strip(), whole[2]) if whole else ("", text)
    return charset, unquote_to_bytes(_bytes(escaped))


def _read_plain(text: str) -> str:
    if _ENCODED_WORD.match(text) and not _ENCODED_WORD.sub("", text):
        return _read_words(_ENCODED_WORD.findall(text))
    escaped = text.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
    return _decoded(_bytes(escaped))


def _read_words(words: list[tuple[str, str, str]]) -> str:
    """Read encoded words (charset, encoding, text). Some clients cut a character in two: those of one charset are joined."""
    runs = groupby(words, key=lambda word: word[0].lower())
    return "".join(_decoded(b"".join(_bytes_of_word(*word) for word in run), charset) for charset, run in runs)


def _bytes_of_word(charset: str, encoding: str, text: str) -> bytes:
    raw = text.encode("ascii", "ignore")
    if encoding in "Qq":
        return decodestring(raw, header=True)
    try:
        return b64decode(raw + b"=" * (-len(raw) % 4), validate=True)
    except ValueError:
        return f"=?{charset}?{encoding}?{text}?=".encode()


def _bytes(text: str) -> bytes:
    """Give the bytes that a header was decoded from, if that was by Latin-1; else those of UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _fits(raw: bytes, charset: str) -> bool:
    try:
        raw.decode(charset if _CHARSET.fullmatch(charset) else "utf-8")
    except (UnicodeError, LookupError):
        return False
    return True


def _decoded(raw: bytes, charset: str = "") -> str:
    """Read bytes in their charset if that is a known one that fits, else as UTF-8, else as Windows-1252, as browsers do."""
    known = (name for name in (charset, "utf-8", "windows-1252") if _CHARSET.fullmatch(name) and _fits(raw, name))
    return raw.decode(next(known, "latin-1"))

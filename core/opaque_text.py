"""Opaque stretches of a prompt: quoted text, tags, links and file names, which are content whatever they say.

Called before a prompt is cut into words, so that `add a title "Export quality"` never reads as a request.
Every pass is linear in the prompt's length.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from core.media.formats import FORMATS

_CLOSERS = {
    '"': '"',
    "'": "'",
    "`": "`",
    "“": "”",
    "„": "“”",
    "‘": "’",
    "「": "」",
    "『": "』",
    "《": "》",
    "«": "»",
}
_TAG = re.compile(r"\[\[[^\[\]]*\]\]")
_LINK = re.compile(r"https?://[^\s\"“”「」<>，。；]+", re.IGNORECASE | re.ASCII)
_FILE_NAME = re.compile(rf"(?<![\w-])[\w-]++\.(?:{'|'.join(FORMATS)}|jpeg)\b", re.IGNORECASE | re.ASCII)
#: One cue of subtitles as SRT and WebVTT have them: its times, and its lines up to an empty one.
_CUE = re.compile(
    r"-->[ \t]{0,4}(?:\d{1,3}:){1,2}\d{2}[.,]\d{3}[^\r\n]{0,99}(?:\r?\n[ \t]{0,9}[^\s][^\r\n]*)+", re.ASCII
)
_SPECIAL = re.compile(r"\[\[|https?://|-->|[\"'`“„‘「『《«]", re.IGNORECASE | re.ASCII)


class Stretch(NamedTuple):
    """Where opaque text stands, ends exclusive."""

    kind: str  # "tag", "quote" or "name"
    start: int
    end: int


def stretches(text: str) -> list[Stretch]:
    """Find all opaque stretches, in order, not overlapping; a tag inside a quotation belongs to the quotation."""
    found: list[Stretch] = []
    edge = 0
    for stretch in _marked(text):
        found += [*_file_names(text, edge, stretch.start), stretch]
        edge = stretch.end
    return [*found, *_file_names(text, edge, len(text))]


def _file_names(text: str, start: int, end: int) -> list[Stretch]:
    if text.find(".", start, end) < 0:
        return []
    return [Stretch("name", *match.span()) for match in _FILE_NAME.finditer(text, start, end)]


def without_opaque(text: str) -> str:
    """Blank out what is opaque, e.g. to tell the language of the words around it."""
    pieces: list[str] = []
    edge = 0
    for stretch in stretches(text):
        pieces += [text[edge : stretch.start], " "]
        edge = stretch.end
    return "".join([*pieces, text[edge:]])


def _marked(text: str) -> Iterator[Stretch]:
    """Walk from one special sign to the next. A closing sign that was once not found is not looked for again."""
    at, missing = 0, set[str]()
    while match := _SPECIAL.search(text, at):
        stretch = _stretch_at(text, match.start(), missing)
        at = stretch.end if stretch else match.start() + 1
        if stretch:
            yield stretch


def _stretch_at(text: str, start: int, missing: set[str]) -> Stretch | None:
    for kind, pattern in (("tag", _TAG), ("name", _LINK), ("quote", _CUE)):
        if match := pattern.match(text, start):
            return Stretch(kind, start, match.end())
    opener = text[start]
    if opener not in _CLOSERS or opener in missing or not _opens(text, start):
        return None
    end = _closing(text, opener, start + 1)
    if end is None:
        missing.add(opener)
        return None
    return Stretch("quote", start, end)


def _opens(text: str, at: int) -> bool:
    """Leave out apostrophes (don't), and inches (a 5" bar)."""
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    if text[at] == "'":
        return not (before.isascii() and before.isalnum()) and not after.isspace()
    return not (text[at] == '"' and before.isdigit())


def _closing(text: str, opener: str, at: int) -> int | None:
    closers = _CLOSERS[opener]
    for index in range(at, len(text)):
        if text[index] in closers and not (text[index] in "'’" and _inside_word(text, index)):
            return index + 1
    return None


def _inside_word(text: str, at: int) -> bool:
    after = text[at + 1 : at + 2]
    return after.isascii() and after.isalnum()

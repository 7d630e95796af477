"""Cuts a prompt into tokens, each with the part it can play; opaque stretches become one token each.

Positions are those of the prompt as the caller wrote it, so that what is kept can be kept to the letter.
"""

import re
import unicodedata
from typing import NamedTuple

from core.opaque_text import stretches
from core.redaction import redacted_repr
from service.prompt.lexicon import ATOM, LONGEST_FROM, PHRASES, Part

_OPAQUE = {"tag": Part.TAG, "quote": Part.QUOTE, "name": Part.NAME}
_RESOLUTION = re.compile(r"\d{3,4}p\d{0,3}|\d{3,4}x\d{3,4}|[2458]k")
_RATIO = re.compile(r"(?:16:9|9:16|1:1|4:3|3:4|4:5|21:9|16x9|9x16)")
_STOPS = frozenset("!?;。！？；…")
_COMMAS = frozenset(",，、()（）【】[]{}—–―•*·")
_KEYCAPS = frozenset("\ufe0f\u20e3")
_NUMBERING = frozenset(".:)、）：") | _KEYCAPS
_JOINS = frozenset("→>|")


@redacted_repr("part", "start", "end")
class Token(NamedTuple):
    """A word or phrase, lower-cased, and where it stands in the prompt (end exclusive)."""

    part: Part
    text: str
    start: int
    end: int


def tokens_of(prompt: str) -> list[Token]:
    """Cut a prompt, e.g. ``Cut it, then export`` into OTHER, THING, COMMA, JOIN and EXPORT."""
    folded = _folded(prompt)
    tokens: list[Token] = []
    edge = 0
    for kind, start, end in stretches(prompt):
        tokens += _between(folded, edge, start)
        tokens.append(Token(_OPAQUE[kind], prompt[start:end], start, end))
        edge = end
    tokens += _between(folded, edge, len(folded))
    return _numbering_as_stops(tokens)


def _folded(text: str) -> str:
    """Lower-case and narrow each sign by itself, so that positions stay true."""
    if text.isascii():
        return text.lower()
    return "".join(_folded_sign(sign) for sign in text)


def _folded_sign(sign: str) -> str:
    folded = unicodedata.normalize("NFKC", sign).lower()
    return folded if len(folded) == 1 else sign


def _between(folded: str, start: int, end: int) -> list[Token]:
    atoms = [match.span() for match in ATOM.finditer(folded, start, end)]
    words = [folded[begin:stop] for begin, stop in atoms]
    tokens: list[Token] = []
    at = 0
    while at < len(words):
        length, part = _longest_phrase(words, at)
        begin, stop = atoms[at][0], atoms[at + length - 1][1]
        part = part or _part_of_sign(folded, begin, words[at])
        tokens.append(Token(part, folded[begin:stop], begin, stop))
        at += length
    return tokens


def _longest_phrase(words: list[str], at: int) -> tuple[int, Part | None]:
    for length in range(LONGEST_FROM.get(words[at], 0), 0, -1):
        part = PHRASES.get(tuple(words[at : at + length]))
        if part:
            return min(length, len(words) - at), part
    return 1, None


def _part_of_sign(folded: str, at: int, word: str) -> Part:
    if _RATIO.fullmatch(word):
        return Part.ASPECT
    if _RESOLUTION.fullmatch(word):
        return Part.RESOLUTION
    if word[0].isalnum() or word[0] == "_":
        return Part.OTHER
    return _punctuation(word, folded[at + len(word) : at + len(word) + 1])


def _punctuation(sign: str, following: str) -> Part:
    ends_word = not following or following.isspace() or not following.isascii()
    if sign in _STOPS or sign[0] in "\r\n" or (sign == "." and ends_word):
        return Part.STOP
    if sign in _COMMAS or unicodedata.category(sign) == "So" or (sign == "-" and (ends_word or following == ">")):
        return Part.COMMA
    return Part.JOIN if sign in _JOINS else Part.MARK


def _numbering_as_stops(tokens: list[Token]) -> list[Token]:
    """Read ``2.`` or ``2)`` at a line's begin, ``2️⃣`` and ``step 2:`` as part of what separates."""
    counted = list(tokens)
    for at, token in enumerate(tokens[:-1]):
        following = tokens[at + 1].text
        if not token.text.isdecimal() or following not in _NUMBERING:
            continue
        begins_line = at == 0 or tokens[at - 1].text[0] in "\r\n"
        is_step = at > 0 and tokens[at - 1].text in {"step", "步骤"}
        if begins_line or is_step or following in _KEYCAPS:
            counted[at] = token._replace(part=Part.STOP)
        if is_step:
            counted[at - 1] = tokens[at - 1]._replace(part=Part.STOP)
    return counted

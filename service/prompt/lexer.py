"""Lexer: cuts a prompt into lexemes, each with its word class; opaque stretches become one lexeme each.

Positions are those of the prompt as the caller wrote it, so that what is kept can be kept to the letter.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from core.opaque_text import stretches
from core.security.redacted_repr import redacted_repr
from core.traditional_chinese import TO_SIMPLIFIED
from service.prompt.lexicon import ATOM, LONGEST_FROM, PHRASES, WORDS, WordClass

_OPAQUE = {"tag": WordClass.TAG, "quote": WordClass.QUOTATION, "name": WordClass.FILE_NAME}
_RESOLUTION = re.compile(r"(?:\d{3,4}p|[2458]k)(?:\d{2,3}(?:fps)?)?|\d{3,4}x\d{3,4}")
#: ``60fps``, ``8mbps``: of the file, as a resolution is
_RATE = re.compile(r"\d{1,5}(?:\.\d{1,3})?(?:fps|[km]bps|[km]bit|k?hz|[mg]b)")
_RATE_UNITS = frozenset({"fps", "mbps", "kbps", "帧", "frames per second", "mb", "gb"})
_BOUNDS = frozenset({"max", "maximum", "min", "minimum", "tops", "最高", "最多", "最大", "至少"})
_MEASURES = _RATE_UNITS | _BOUNDS
_LEADS_TO_ADDRESS = frozenset({"to", "at", "到", "给", "至"})
_LONGEST_ADDRESS = 12
_BETWEEN_SIDES = re.compile(r"(?<=\d)\*(?=\d)")
_SIGNS = {**TO_SIMPLIFIED, ord("×"): ord("x"), ord("∶"): ord(":")}
_RATIO = re.compile(r"(?:16:9|9:16|1:1|4:3|3:4|4:5|21:9|16x9|9x16)")
_STOPS = frozenset("!?;。！？；…")
_COMMAS = frozenset(",，、()（）【】[]{}—–―•*·")
#: `add the hashtag #download`
_IN_HASHTAGS = frozenset({WordClass.EXPORT, WordClass.DELIVER, WordClass.UPLOAD, WordClass.CREDIT, WordClass.STATE})
_KEYCAPS = frozenset("\ufe0f\u20e3")
_NUMBERING = frozenset(".:)、）：") | _KEYCAPS
_CHINESE_NUMBERS = frozenset("一二三四五六七八九十")
_JOINS = frozenset("→>|")


@redacted_repr("word_class", "start", "end")
class Lexeme(msgspec.Struct, frozen=True, gc=False):
    """A word or phrase, lower-cased, and where it stands in the prompt (end exclusive)."""

    word_class: WordClass
    text: str
    start: int
    end: int


def tokenize(prompt: str) -> list[Lexeme]:
    """Cut a prompt, e.g. ``Cut it, then export`` into CONTENT, OBJECT, COMMA, CONJUNCTION and EXPORT."""
    lexemes = list(cut_lazily(prompt))
    if "@" in prompt:
        lexemes = _addresses_as_places(lexemes)
    if "#" in prompt:
        lexemes = _hashtags_as_content(lexemes)
    return _numbering_as_sentence_ends(_rates_as_specs(lexemes))


def cut_lazily(prompt: str) -> Iterator[Lexeme]:
    """Cut as `tokenize` does, for who may stop at any lexeme and takes the 2 of ``2) trim it`` for a number."""
    folded = _folded(prompt)
    edge = 0
    for kind, start, end in stretches(prompt):
        yield from _between(folded, edge, start)
        yield Lexeme(_OPAQUE[kind], prompt[start:end], start, end)
        edge = end
    yield from _between(folded, edge, len(folded))


def _folded(text: str) -> str:
    """Lower-case and narrow each sign by itself, so that positions stay true."""
    folded = text.lower() if text.isascii() else "".join(_folded_sign(sign) for sign in text).translate(_SIGNS)
    return _BETWEEN_SIDES.sub("x", folded) if "*" in folded else folded


def _folded_sign(sign: str) -> str:
    folded = unicodedata.normalize("NFKC", sign).lower()
    return folded if len(folded) == 1 else sign


def _between(folded: str, start: int, end: int) -> list[Lexeme]:
    atoms = list(ATOM.finditer(folded, start, end))
    words = [atom[0] for atom in atoms]
    lexemes: list[Lexeme] = []
    done = 0
    for at, pair in enumerate(pairwise([*words, ""])):
        if at < done:
            continue
        word = words[at]
        begin, stop = atoms[at].span()
        if pair in LONGEST_FROM and (phrase := _longest_phrase(words[at : at + LONGEST_FROM[pair]])):
            part, done = PHRASES[phrase], at + len(phrase)
            stop = atoms[done - 1].end()
            word = folded[begin:stop]
        else:
            part = WORDS.get(word) or _classify_sign(folded, begin, word)
        lexemes.append(Lexeme(part, word, begin, stop))
    return lexemes


def _longest_phrase(words: list[str]) -> tuple[str, ...] | None:
    """Find the longest phrase that these words begin with, if any."""
    beginnings = (tuple(words[:length]) for length in range(len(words), 1, -1))
    return next((phrase for phrase in beginnings if phrase in PHRASES), None)


def _classify_sign(folded: str, at: int, word: str) -> WordClass:
    if word[0].isdecimal():
        return _classify_number(word)
    if word[0].isalnum() or word[0] == "_":
        return WordClass.CONTENT
    return _classify_punctuation(word, folded[at + len(word) : at + len(word) + 1])


def _classify_number(word: str) -> WordClass:
    if _RATIO.fullmatch(word):
        return WordClass.ASPECT
    if _RATE.fullmatch(word):
        return WordClass.SPEC
    return WordClass.RESOLUTION if _RESOLUTION.fullmatch(word) else WordClass.CONTENT


def _classify_punctuation(sign: str, following: str) -> WordClass:
    ends_word = not following or following.isspace() or not following.isascii()
    if sign in _STOPS or sign[0] in "\r\n" or (sign == "." and ends_word):
        return WordClass.SENTENCE_END
    if (
        sign in _COMMAS
        or unicodedata.category(sign) == "So"
        or (sign == "-" and (ends_word or following == ">"))
        or (sign == "/" and ends_word)
    ):
        return WordClass.COMMA
    return WordClass.CONJUNCTION if sign in _JOINS else WordClass.PUNCTUATION


def _rates_as_specs(lexemes: list[Lexeme]) -> list[Lexeme]:
    """Read the number of ``60 fps`` and ``30帧`` as part of what names a property, the ``max`` of ``720p max`` as nothing new."""
    if _MEASURES.isdisjoint([lexeme.text for lexeme in lexemes]):
        return lexemes
    for at, (one, other) in enumerate(pairwise(lexemes)):
        if other.text in _RATE_UNITS and one.text[0].isdecimal() and one.word_class is WordClass.CONTENT:
            lexemes[at] = _as(one, WordClass.SPEC)
        elif one.word_class is WordClass.RESOLUTION and other.text in _BOUNDS:
            lexemes[at + 1] = _as(other, WordClass.FUNCTION)
        elif other.word_class is WordClass.RESOLUTION and one.text in _BOUNDS:
            lexemes[at] = _as(one, WordClass.FUNCTION)
    return lexemes


def _addresses_as_places(lexemes: list[Lexeme]) -> list[Lexeme]:
    """Read the address of `email it to ann@example.com` as a place, and that of `add ann@example.com` as what is added."""
    for at in [at for at, lexeme in enumerate(lexemes) if lexeme.text == "@"]:
        begin, end = _run_around(lexemes, at)
        if begin and begin < at < end - 1 and lexemes[begin - 1].text in _LEADS_TO_ADDRESS:
            lexemes[begin:end] = [_as(lexeme, WordClass.PLACE) for lexeme in lexemes[begin:end]]
    return lexemes


def _hashtags_as_content(lexemes: list[Lexeme]) -> list[Lexeme]:
    """Read the one of ``add the hashtag #download`` as a word of its own, and that of ``#export #720p`` as what it says."""
    for at, (before, sign, word) in enumerate(zip(lexemes, lexemes[1:], lexemes[2:], strict=False)):
        is_tag = sign.text == "#" and sign.end == word.start and word.word_class in _IN_HASHTAGS
        if is_tag and before.word_class is WordClass.CONTENT:
            lexemes[at + 2] = _as(word, WordClass.CONTENT)
    return lexemes


def _run_around(lexemes: Sequence[Lexeme], at: int) -> tuple[int, int]:
    """Where what is written without a blank begins and ends (exclusive); it has a bound for the sake of the work."""
    begin, end = at, at + 1
    while begin > max(at - _LONGEST_ADDRESS, 0) and lexemes[begin - 1].end == lexemes[begin].start:
        begin -= 1
    while end < min(at + _LONGEST_ADDRESS, len(lexemes)) and lexemes[end].start == lexemes[end - 1].end:
        end += 1
    return begin, end - (lexemes[end - 1].word_class is WordClass.SENTENCE_END)


def _numbering_as_sentence_ends(lexemes: list[Lexeme]) -> list[Lexeme]:
    """Read ``2.`` or ``2)`` at a line's begin, ``2️⃣`` and ``step 2:`` as part of what separates."""
    counted = list(lexemes)
    numbers = [at for at, lexeme in enumerate(lexemes) if lexeme.text.isdecimal() or lexeme.text in _CHINESE_NUMBERS]
    for at in numbers:
        following = lexemes[at + 1].text if at + 1 < len(lexemes) else ""
        if following not in _NUMBERING:
            continue
        ends_before = lexemes[at].text in _CHINESE_NUMBERS and lexemes[at - 1].word_class is WordClass.SENTENCE_END
        begins_line = at == 0 or lexemes[at - 1].text[0] in "\r\n" or ends_before
        is_step = at > 0 and lexemes[at - 1].text in {"step", "步骤"}
        if begins_line or is_step or following in _KEYCAPS:
            counted[at] = _as(lexemes[at], WordClass.SENTENCE_END)
        if is_step:
            counted[at - 1] = _as(lexemes[at - 1], WordClass.SENTENCE_END)
    return counted


def _as(lexeme: Lexeme, part: WordClass) -> Lexeme:
    return msgspec.structs.replace(lexeme, word_class=part)

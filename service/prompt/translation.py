"""Translates a prompt that is nothing but a request for the file, or for the credits, from other languages into English.

What comes out is read by the parser as any prompt is: `Exporta el vídeo en 720p, por favor` as `export 720p`. One word that
no table lists, or two properties of a kind, and the prompt stays as it is: it may ask for an edit.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from core.media.formats import MEDIUM_OF
from core.model.plan import ASPECT_RATIOS
from core.opaque_text import stretches
from service.prompt.languages import LANGUAGES, Phrases

#: In signs, without tags; whoever writes more than this says something else, too. It bounds the work.
_LONGEST = 160
#: Read the same in every language.
_PROPERTIES = {
    "resolution": r"\d{3,4}[x×]\d{3,4}|\d{3,4} ?p|[248]k|480|720|1080",
    "definition": "full hd|fhd|uhd|hd",
    "format": "|".join(name for name, medium in MEDIUM_OF.items() if medium == "video"),
    "aspect": "|".join(ASPECT_RATIOS),
    "rate": r"\d{2,3} ?fps",
}
#: Latin accents, the hamza and vowel signs of Arabic, its stretched line, the dot below of Hindi, and what is not seen.
_MARKS = re.compile(
    "[\u0300-\u036f\u064b-\u0655\u0670\u0640\u093c\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe0f\ufeff]"
)
#: What may stand around words, but for the full stop in `video.mp4` and the colon in `16:9`.
_BETWEEN = re.compile(r"(?:[\s,;!?¡¿。、،؟؛।~()\-‐‑–—🙏👍]|\.(?!\w)|(?<!\w)\.|:(?!\d))+")
#: `720р` and `4К` as a Russian keyboard writes them
_CYRILLIC = re.compile("(?<=[0-9])[рк](?![^\\W\\d_])")
_LATIN = {"р": "p", "к": "k"}
#: where the last part of a prompt may begin, and how many such places are looked at
_PARTS = re.compile(
    r"[.!?;,\n。、！？،؛]\s*|(?<!\w)(?:y|luego|e|depois|et|puis|und|dann|poi|и|затем|ثم|और|फिर)\s", re.IGNORECASE
)
_MOST_PARTS = 4
#: quotation marks, and a colon that stands in no ratio
_GIVES_WORDS = re.compile(r"[\"“”«»「『]|[:：](?!\d)")
_KINDS = ("export", "deliver", "film", "polite", "credits")


def in_english(prompt: str) -> str | None:
    """Give the same request in English, with the tags of the prompt; None where it is none, or says more."""
    words, tags = _without_tags(prompt) if "[[" in prompt else (prompt, [])
    plain = "" if len(words) > _LONGEST else _plain(words)
    for grammar in _grammars_for(plain):
        if english := _request(plain, grammar):
            return " ".join([english, *tags])
    return None


def request_at_end(prompt: str) -> str | None:
    """Give in English what the film shall be, where a prompt ends with a request for it: `Corta el inicio y exporta en 720p`.

    It stays in the message, where it may be the film's text, too: it is nothing but how the file is made. None: it names no
    property, or the prompt holds words that are given as such.
    """
    end = prompt[-_LONGEST:]
    if _GIVES_WORDS.search(prompt) or not _PROPERTY.search(end.lower()):
        return None
    begins = [match.end() for match in _PARTS.finditer(end)][-_MOST_PARTS:]
    asked = (in_english(end[begin:]) for begin in begins)
    return next((english for english in asked if english and english != "export"), None)


def _without_tags(prompt: str) -> tuple[str, list[str]]:
    tags = [prompt[one.start : one.end] for one in stretches(prompt) if one.kind == "tag"]
    words = prompt
    for tag in tags:
        words = words.replace(tag, " ")
    return words, tags


def _plain(text: str) -> str:
    """Fold what makes no difference: `¿Exportá-lo EN 720P?` becomes `exporta lo en 720p`."""
    return _BETWEEN.sub(" ", text.lower() if text.isascii() else _folded(text)).strip()


def _folded(text: str) -> str:
    bare = _MARKS.sub("", unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold()))
    composed = unicodedata.normalize("NFC", bare).replace("’", "'")
    return _CYRILLIC.sub(lambda sign: _LATIN[sign[0]], composed)


class _Grammar(NamedTuple):
    """How one language is read: `phrase` finds the next phrase or property, `kind_of` says what a phrase is, blanks left out."""

    phrase: re.Pattern[str]
    kind_of: dict[str, str]


def _grammar(phrases: Phrases) -> _Grammar:
    kind_of = {_plain(phrase): kind for kind in _KINDS for phrase in getattr(phrases, kind).split("|")}
    blank, end = (" ", "(?: |$)") if phrases.parted else (" ?", " ?")
    beside = f"(?:{_any_of(map(_plain, phrases.beside_property.split('|')), blank)})"
    named = "|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _PROPERTIES.items())
    prop = f"(?:{beside}{blank})*+(?:{named})(?![a-z0-9×])(?:{blank}{beside}(?={end}))*+"
    found = re.compile(f"(?:{prop}|(?P<phrase>{_any_of(kind_of, blank)})){end}")
    return _Grammar(found, {phrase.replace(" ", ""): kind for phrase, kind in kind_of.items()})


def _any_of(phrases: Iterable[str], blank: str) -> str:
    """Try the longest first: what was found is not given back."""
    return "|".join(re.escape(phrase).replace(r"\ ", blank) for phrase in sorted(phrases, key=len, reverse=True))


_GRAMMARS = [_grammar(phrases) for phrases in LANGUAGES.values()]
_PROPERTY = re.compile("|".join(_PROPERTIES.values()))


def _by_beginning() -> dict[str, list[_Grammar]]:
    """Key the languages by the first words of their phrases, or by the first signs where no blank parts them."""
    found: dict[str, list[_Grammar]] = {}
    for grammar, phrases in zip(_GRAMMARS, LANGUAGES.values(), strict=True):
        listed = "|".join([phrases.beside_property, *(getattr(phrases, kind) for kind in _KINDS)])
        words = [_plain(phrase) for phrase in listed.split("|")]
        for beginning in {word.split()[0] if phrases.parted else word[0] for word in words}:
            found.setdefault(beginning, []).append(grammar)
    return found


_BY_BEGINNING = _by_beginning()


def _grammars_for(plain: str) -> Sequence[_Grammar]:
    """Find the languages that a text may be in, so that an English prompt costs one look."""
    if _PROPERTY.match(plain):
        return _GRAMMARS
    return _BY_BEGINNING.get(plain.partition(" ")[0]) or _BY_BEGINNING.get(plain[:1], [])


def _request(plain: str, grammar: _Grammar) -> str | None:
    """Ask for one verb, and for no more than one of each other kind; `save` alone says too little."""
    parts = _parts(plain, grammar)
    kinds = Counter(kind for kind, _ in parts if kind != "polite")
    if kinds == {"credits": 1}:
        return "how many credits are left"
    verbs = kinds["export"] + kinds["deliver"]
    if verbs != 1 or max(kinds.values()) > 1 or kinds["credits"] or kinds.keys() == {"deliver"}:
        return None
    return " ".join(["export", *(text for kind, text in parts if kind in _PROPERTIES)])


def _parts(plain: str, grammar: _Grammar) -> list[tuple[str, str]]:
    """Cut all of it into phrases and properties, each with its kind; nothing, where something else stands between them."""
    parts: list[tuple[str, str]] = []
    at = 0
    while at < len(plain):
        match = grammar.phrase.match(plain, at)
        if match is None:
            return []
        kind, text = next((kind, text) for kind, text in match.groupdict().items() if text)
        parts.append((grammar.kind_of[text.replace(" ", "")] if kind == "phrase" else kind, text))
        at = match.end()
    return parts

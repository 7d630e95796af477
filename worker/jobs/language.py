"""Tells the language of a prompt, for the session's `language` where the caller named none.

Called once per new session. Looks at the caller's own words only: tags, links, file names and quoted titles are no
evidence. The small models load at the first call, some ten megabytes, and stay.
"""

import re
from functools import cache

from lingua import Language, LanguageDetector, LanguageDetectorBuilder

from core.opaque_text import without_opaque

DEFAULT = "en"

#: The languages that are told apart; fewer are told apart better in a prompt of five words.
_CODES: dict[Language, str] = {
    Language.ENGLISH: "en",
    Language.CHINESE: "zh-CN",
    Language.JAPANESE: "ja",
    Language.KOREAN: "ko",
    Language.SPANISH: "es",
    Language.PORTUGUESE: "pt",
    Language.FRENCH: "fr",
    Language.GERMAN: "de",
    Language.ITALIAN: "it",
    Language.RUSSIAN: "ru",
    Language.ARABIC: "ar",
    Language.HINDI: "hi",
}
#: The small models take these two for one another, where their little words and letters tell (the large ones, at a
#: hundred megabytes, do no better).
_TELLTALES: dict[Language, re.Pattern[str]] = {
    Language.SPANISH: re.compile(r"\b(?:y|el|la|los|las|del|una?|con|en|al|su)\b|[ñ¿¡]|ción\b", re.IGNORECASE),
    Language.PORTUGUESE: re.compile(r"\b(?:e|o|os|as|do|da|dos|das|uma?|com|em|ao|no|na)\b|[ãõç]", re.IGNORECASE),
}
#: Small words of an English wish, none of which another of the languages has; two of them outweigh a guess.
_ENGLISH = re.compile(
    r"\b(?:the|and|with|my|this|from|to|add|trim|cut|remove|make|then|please|pls|plz|thx|thanks)\b", re.IGNORECASE
)
_LEAST_ENGLISH = 2
_BESIDE_ENGLISH = {*_TELLTALES, Language.FRENCH, Language.GERMAN, Language.ITALIAN}
_EVIDENCE_CHARS = 1000
#: A guess at one or two words in Latin letters ("mute", "trim it") is no better than the default.
_LEAST_WORDS = 3
_LEAST_CONFIDENCE = 0.45


def detect_language(text: str) -> str:
    """Name the language as the backend writes it, e.g. ``zh-CN``; ``en`` where the words don't tell."""
    words = without_opaque(text)[:_EVIDENCE_CHARS]
    best = _detector().compute_language_confidence_values(words)[0]
    if best.value < _LEAST_CONFIDENCE or (words.isascii() and len(words.split()) < _LEAST_WORDS):
        return DEFAULT
    return _CODES[_told_apart(best.language, words)]


def _told_apart(guess: Language, words: str) -> Language:
    signs = {language: len(pattern.findall(words)) for language, pattern in _TELLTALES.items()}
    if guess in _BESIDE_ENGLISH and len(_ENGLISH.findall(words)) >= max(_LEAST_ENGLISH, signs.get(guess, 0) + 1):
        return Language.ENGLISH
    if guess not in _TELLTALES:
        return guess
    return max((guess, *_TELLTALES), key=lambda language: signs[language])


@cache
def _detector() -> LanguageDetector:
    return LanguageDetectorBuilder.from_languages(*_CODES).with_low_accuracy_mode().build()

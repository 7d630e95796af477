"""Segments a prompt's lexemes into clauses, at punctuation and conjunctions. What a clause asks for is no concern here."""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import msgspec

from core.security.redacted_repr import redacted_repr
from service.prompt.lexer import Lexeme
from service.prompt.lexicon import WordClass

_SEPARATORS = frozenset({WordClass.SENTENCE_END, WordClass.COMMA, WordClass.CONJUNCTION})
_NOTHING = frozenset({WordClass.PUNCTUATION})
#: the variant of a sign, and what makes one emoji of two
_JOINED_TO_EMOJI = frozenset("\ufe0f\u200d")
NO_CONTENT = frozenset({WordClass.PUNCTUATION, WordClass.TAG})
UNKNOWN = frozenset({WordClass.CONTENT, WordClass.QUOTATION, WordClass.FILE_NAME})
PROPERTIES = frozenset({WordClass.RESOLUTION, WordClass.FORMAT, WordClass.QUALITY, WordClass.SPEC})
#: What a clause asks instead of wanting it. `perhaps_…`, `nothing`: only where the prompt holds no edit.
Asks: TypeAlias = Literal["credits", "state", "perhaps_credits", "perhaps_state", "nothing"]


@redacted_repr()
class Clause(msgspec.Struct, frozen=True):
    """Tokens that belong together, as `clause_of` makes it; `instead`: words that stand for what was taken away before them.

    `content`: what counts for its intent, all but punctuation and tags.
    """

    lexemes: tuple[Lexeme, ...]
    content: list[Lexeme]
    instead: str = ""
    asks: Asks | None = None

    @property
    def start(self) -> int:
        return self.lexemes[0].start

    @property
    def end(self) -> int:
        return self.lexemes[-1].end


def clause_of(lexemes: Iterable[Lexeme], *, instead: str = "") -> Clause:
    """Make a clause of its lexemes."""
    own = tuple(lexemes)
    return Clause(own, [lexeme for lexeme in own if lexeme.word_class not in NO_CONTENT], instead)


def split_clauses(lexemes: Sequence[Lexeme]) -> list[Clause]:
    """Cut at punctuation and at "and", "then"; every word and every tag is in exactly one clause."""
    groups: list[list[Lexeme]] = [[]]
    for at, lexeme in enumerate(lexemes):
        if lexeme.word_class in _SEPARATORS:
            if groups[-1] and _is_last_emoji(lexemes, at):
                groups[-1].append(msgspec.structs.replace(lexeme, word_class=WordClass.PUNCTUATION))
                continue
            groups.append([])
        else:
            groups[-1].append(lexeme)
    return [clause_of(group) for group in groups if not _NOTHING.issuperset([lexeme.word_class for lexeme in group])]


def _is_last_emoji(lexemes: Sequence[Lexeme], at: int) -> bool:
    """Tell the one of `add the title Yay 🎂, then export`, which is the title's, from the one that separates two wishes."""
    if lexemes[at].text.isascii() or unicodedata.category(lexemes[at].text[0]) != "So":
        return False
    following = next((lexeme for lexeme in lexemes[at + 1 : at + 3] if lexeme.text not in _JOINED_TO_EMOJI), None)
    return following is None or following.word_class in _SEPARATORS

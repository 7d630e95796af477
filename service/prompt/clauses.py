"""Segments a prompt's lexemes into clauses, at punctuation and conjunctions. What a clause asks for is no concern here."""

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from core.security.redacted_repr import redacted_repr
from service.prompt.lexer import Lexeme
from service.prompt.lexicon import WordClass

_SEPARATORS = frozenset({WordClass.SENTENCE_END, WordClass.COMMA, WordClass.CONJUNCTION})
_NOTHING = frozenset({WordClass.PUNCTUATION})
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


def split_clauses(lexemes: Iterable[Lexeme]) -> list[Clause]:
    """Cut at punctuation and at "and", "then"; every word and every tag is in exactly one clause."""
    groups: list[list[Lexeme]] = [[]]
    for lexeme in lexemes:
        if lexeme.word_class in _SEPARATORS:
            groups.append([])
        else:
            groups[-1].append(lexeme)
    return [clause_of(group) for group in groups if not _NOTHING.issuperset([lexeme.word_class for lexeme in group])]

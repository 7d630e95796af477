"""Cuts a prompt's tokens into clauses at what separates them. What a clause asks for is no concern here."""

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from core.redaction import redacted_repr
from service.prompt.lexer import Token
from service.prompt.lexicon import Part

_SEPARATORS = frozenset({Part.STOP, Part.COMMA, Part.JOIN})
NO_CONTENT = frozenset({Part.MARK, Part.TAG})
UNKNOWN = frozenset({Part.OTHER, Part.QUOTE, Part.NAME})
PROPERTIES = frozenset({Part.RESOLUTION, Part.FORMAT, Part.QUALITY, Part.SPEC})
#: What a clause asks instead of wanting it. `perhaps_…`, `nothing`: only where the prompt holds no edit.
Asks: TypeAlias = Literal["credits", "state", "perhaps_credits", "perhaps_state", "nothing"]


@redacted_repr()
class Clause(msgspec.Struct, frozen=True):
    """Tokens that belong together; `instead`: words that stand for what was taken away before them."""

    tokens: tuple[Token, ...]
    instead: str = ""
    asks: Asks | None = None

    @property
    def start(self) -> int:
        return self.tokens[0].start

    @property
    def end(self) -> int:
        return self.tokens[-1].end

    @property
    def content(self) -> list[Token]:
        """What counts for its intent: all but punctuation and tags."""
        return [token for token in self.tokens if token.part not in NO_CONTENT]


def clauses_of(tokens: Iterable[Token]) -> list[Clause]:
    """Cut at punctuation and at "and", "then"; every word and every tag is in exactly one clause."""
    groups: list[list[Token]] = [[]]
    for token in tokens:
        if token.part in _SEPARATORS:
            groups.append([])
        else:
            groups[-1].append(token)
    return [Clause(tuple(group)) for group in groups if any(token.part is not Part.MARK for token in group)]

"""Strikes out the properties of the file that a prompt refuses for others: the mov of `export as mp4, not mov`.

They are neither what the file shall be nor an edit, nor is the export itself refused by them. They stay where the message does.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from service.prompt.lexer import Lexeme
from service.prompt.lexicon import WordClass, words_in

_KINDS = frozenset({WordClass.RESOLUTION, WordClass.FORMAT, WordClass.ASPECT, WordClass.QUALITY})
_ORIGIN = "from"
_MARKS = frozenset({_ORIGIN, WordClass.NEGATION})
_REFUSES = words_in("not no instead rather without do don't don’t dont 不要 不 别 不用 不想要 不想 不需要 而不是")
#: between `not` and what it refuses: `not in 16:9`, `don't make it vertical`, `don't export in 4k, 1080p is fine`
_BETWEEN = frozenset({WordClass.PREPOSITION, WordClass.CONVERT, WordClass.FUNCTION, WordClass.EXPORT})
_PRONOUNS = words_in("it this that 它 这个 是")
#: `not a 1:1 one`; of other things it is an edit: `don't use vertical clips`
_ITS_NOUN = words_in("one version file format resolution quality mode 版本 格式 分辨率 画质")
_EDITS_MORE = frozenset({WordClass.CONTENT, WordClass.QUOTATION, WordClass.FILE_NAME, WordClass.OBJECT})
#: `don't export in 720p yet`: the export itself is refused
_WAITS = frozenset({WordClass.LATER, WordClass.WHEN})
#: between a property that is refused and the one that is wanted
_LINKS = frozenset(
    {
        WordClass.COMMA,
        WordClass.SENTENCE_END,
        WordClass.CONJUNCTION,
        WordClass.PREPOSITION,
        WordClass.FUNCTION,
        WordClass.POLITE,
        WordClass.ASK,
        WordClass.DELIVER,
        WordClass.EXPORT,
    }
)
_MOST_BETWEEN = 4


def without_refused(lexemes: list[Lexeme]) -> list[Lexeme]:
    """Make function words of each refusal of a property beside which the prompt asks for a file, or for another of its kind."""
    marks = [lexeme.text if lexeme.text == _ORIGIN else lexeme.word_class for lexeme in lexemes]
    if _MARKS.isdisjoint(marks):
        return lexemes
    refusals = list(_refusals(lexemes))
    struck = {at for refusal in refusals for at in refusal}
    others = {lexeme.word_class for at, lexeme in enumerate(lexemes) if at not in struck}
    for refusal in refusals:
        if _is_for_another(lexemes, refusal, others):
            for at in refusal:
                lexemes[at] = msgspec.structs.replace(lexemes[at], word_class=WordClass.FUNCTION)
    return lexemes


def _is_for_another(lexemes: Sequence[Lexeme], refusal: range, others: AbstractSet[WordClass]) -> bool:
    parts = {lexemes[at].word_class for at in refusal}
    if WordClass.EXPORT in parts:
        return _next_kind(lexemes, refusal.stop) in parts & _KINDS
    return WordClass.EXPORT in others or not others.isdisjoint(parts & _KINDS)


def _refusals(lexemes: Sequence[Lexeme]) -> Iterator[range]:
    for at in [at for at, lexeme in enumerate(lexemes) if _refuses(lexeme)]:
        if_not = at > 0 and lexemes[at - 1].word_class is WordClass.WHEN
        end = _end_of_refusal(lexemes, at + 1)
        if end is not None and not if_not and (lexemes[at].text != _ORIGIN or _leads_to_another(lexemes, end)):
            yield range(at, end)


def _refuses(lexeme: Lexeme) -> bool:
    return lexeme.text == _ORIGIN or (lexeme.word_class is WordClass.NEGATION and lexeme.text.split()[0] in _REFUSES)


def _leads_to_another(lexemes: Sequence[Lexeme], at: int) -> bool:
    """Tell the 4k of `from 4k to 720p`."""
    return [lexeme.text for lexeme in lexemes[at : at + 1]] == ["to"]


def _end_of_refusal(lexemes: Sequence[Lexeme], begin: int) -> int | None:
    """Where what is refused ends, if it is a property and no more."""
    at = begin
    while at < min(begin + _MOST_BETWEEN, len(lexemes)) and _leads(lexemes[at]):
        at += 1
    end = at
    while end < len(lexemes) and lexemes[end].word_class in _KINDS:
        end += 1
    if end == at:
        return None
    if end < len(lexemes) and lexemes[end].text in _ITS_NOUN:
        end += 1
    goes_on = end < len(lexemes) and (lexemes[end].word_class in _EDITS_MORE | _WAITS or lexemes[end].text == "yet")
    return None if goes_on else end


def _next_kind(lexemes: Sequence[Lexeme], at: int) -> WordClass | None:
    """Find what follows `don't export in 4k`, the refusal of an export unless it is another of the kind: `, 1080p is fine`."""
    while at < len(lexemes) and lexemes[at].word_class in _LINKS:
        at += 1
    return lexemes[at].word_class if at < len(lexemes) else None


def _leads(lexeme: Lexeme) -> bool:
    return lexeme.word_class in _BETWEEN or lexeme.text in _PRONOUNS

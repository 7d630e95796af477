"""Composes the message: what stays of a prompt when requests are taken out, to the letter and with no dangling "and"."""

import re
from collections.abc import Sequence

from service.prompt.clauses import Clause
from service.prompt.lexicon import WordClass

_STRENGTHS = (re.compile(r"[.!?;。！？；…\n]"), re.compile(r"[,，、—–()（）-]"), re.compile(r"\w"))
_BRACKETS = re.compile(r"[()（）\[\]【】{}]")
_SENTENCE_END = re.compile(r"\s*[)\]）】}]*[.!?。！？]*")


def compose_message(prompt: str, clauses: Sequence[Clause], *, kept: Sequence[bool]) -> str:
    """Join what is kept. The tags of a clause that goes stay where they stood."""
    if all(kept) and not any(clause.instead for clause in clauses):
        return prompt.strip()
    message = ""
    last = worded = -1
    for at, clause in enumerate(clauses):
        words = clause.instead + prompt[clause.start : clause.end] if kept[at] else _tags(clause)
        if not words:
            continue
        is_tag = not kept[at] or not clause.content
        between = _separator(prompt, clauses, last if is_tag else worded, at, is_tag=is_tag) if message else ""
        message += (between if at else prompt[: clause.start]) + words
        last, worded = at, worded if is_tag else at
    return (message + _ending(prompt, clauses, last)).strip()


def _tags(clause: Clause) -> str:
    return " ".join(lexeme.text for lexeme in clause.lexemes if lexeme.word_class is WordClass.TAG)


def _separator(prompt: str, clauses: Sequence[Clause], last: int, at: int, *, is_tag: bool) -> str:
    """Take the separator as it stands between neighbours; over a gap, the strongest of those around it."""
    between = [prompt[clauses[k - 1].end : clauses[k].start] for k in range(last + 1, at + 1) if k]
    if len(between) == 1 and last >= 0:
        return between[0]
    if is_tag or last < 0:
        return " "
    return _BRACKETS.sub("", max(reversed(between), key=_strength)) or " "


def _strength(separator: str) -> int:
    return next((len(_STRENGTHS) - rank for rank, sign in enumerate(_STRENGTHS) if sign.search(separator)), 0)


def _ending(prompt: str, clauses: Sequence[Clause], last: int) -> str:
    """Keep what ends the prompt where the last clause stays, else only a full stop that stood right behind it."""
    if last == len(clauses) - 1:
        return prompt[clauses[-1].end :]
    match = _SENTENCE_END.match(prompt, clauses[last].end) if last >= 0 else None
    return match.group() if match else ""

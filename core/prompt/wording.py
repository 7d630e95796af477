"""Writes the message: what stays of a prompt when requests are taken out, to the letter and with no dangling "and"."""

import re
from collections.abc import Sequence

from core.prompt.clauses import Clause
from core.prompt.lexicon import Part

_STRENGTHS = (re.compile(r"[.!?;。！？；…\n]"), re.compile(r"[,，、—–()（）-]"), re.compile(r"\w"))
_BRACKETS = re.compile(r"[()（）\[\]【】{}]")
_SENTENCE_END = re.compile(r"\s*[.!?。！？]+")


def message_of(prompt: str, clauses: Sequence[Clause], *, kept: Sequence[bool]) -> str:
    """Join what is kept. The tags of a clause that goes stay where they stood."""
    if all(kept) and not any(clause.instead for clause in clauses):
        return prompt.strip()
    message = ""
    last, ended_with_tag = -1, False
    for at, clause in enumerate(clauses):
        words = clause.instead + prompt[clause.start : clause.end] if kept[at] else _tags(clause)
        if not words:
            continue
        is_tag = not kept[at] or not clause.content
        plain = is_tag or ended_with_tag
        message += _separator(prompt, clauses, last, at, plain=plain and last != at - 1) + words
        last, ended_with_tag = at, is_tag
    return (message + _ending(prompt, clauses, last)).strip()


def _tags(clause: Clause) -> str:
    return " ".join(token.text for token in clause.tokens if token.part is Part.TAG)


def _separator(prompt: str, clauses: Sequence[Clause], last: int, at: int, *, plain: bool) -> str:
    """Take the separator as it stands between neighbours; over a gap, the strongest of those around it."""
    if last < 0:
        return prompt[: clauses[0].start] if at == 0 else ""
    if plain:
        return " "
    between = [prompt[clauses[k - 1].end : clauses[k].start] for k in range(last + 1, at + 1)]
    if len(between) == 1:
        return between[0]
    strongest = max(reversed(between), key=_strength)
    return _BRACKETS.sub("", strongest) or " "


def _strength(separator: str) -> int:
    return next((len(_STRENGTHS) - rank for rank, sign in enumerate(_STRENGTHS) if sign.search(separator)), 0)


def _ending(prompt: str, clauses: Sequence[Clause], last: int) -> str:
    """Keep what ends the prompt where the last clause stays, else only a full stop that stood right behind it."""
    if last == len(clauses) - 1:
        return prompt[clauses[-1].end :]
    match = _SENTENCE_END.match(prompt, clauses[last].end) if last >= 0 else None
    return match.group() if match else ""

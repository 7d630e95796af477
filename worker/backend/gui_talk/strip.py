"""Strips GUI talk: puts a text together again from what is content, and collects what the rest asked for."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from core.security.redacted_repr import redacted_repr
from core.traditional_chinese import simplified
from worker.backend.gui_talk.classify import asked_for, follows_on, goes_on_as_step, leads_to_next
from worker.backend.gui_talk.clauses import TextSpan, clauses, hide_quoted, lines, marked_start, sentences
from worker.backend.gui_talk.rules import GuiAction
from worker.backend.redact import TOKEN

_CONNECTOR = re.compile(r"(?:and|then|but|so|or|also|which|并|然后|再)\b\s?", re.IGNORECASE)
_DANGLING = re.compile(r"(?:[\s,;，；—–-]|\b(?:and|then|but|so|or)$){1,20}$", re.IGNORECASE)
_IN_A_PANEL = re.compile(
    r"\s(?:in|on|from|via|using|with) the (?:properties|text|media|effects?|audio|settings|layers?|export|titles?) "
    r"(?:panel|tab|menu|side ?bar|toolbar|dialog)\b",
    re.IGNORECASE,
)
_IN_BRACKETS = re.compile(r"[^\S\n]?[(（]([^()（）\n]{1,200})[)）]")
#: The backend ends lines with these too.
_LINE_ENDS = str.maketrans({"\u2028": "\n", "\u2029": "\n"})
_BLANK_LINES = re.compile(r"\n{3,}")


@redacted_repr("actions")
class Translated(msgspec.Struct, frozen=True):
    """`text`: what may be shown. `actions`: what the GUI talk asked for, each once, in its order."""

    text: str
    actions: tuple[GuiAction, ...]


@redacted_repr("actions")
class _Piece(NamedTuple):
    text: str
    actions: tuple[GuiAction, ...]


#: a line that is dropped, and asks for nothing by itself
_STEP = _Piece("", ())


def translate(text: str) -> Translated:
    """Take out GUI talk and anything that looks like a token; content sentences stay as they are."""
    actions: list[GuiAction] = []
    open_text = _without_asides(TOKEN.sub("", text.translate(_LINE_ENDS)), actions)
    masked = simplified(hide_quoted(open_text))
    pieces = list(_pieces(open_text, masked))
    actions += [action for piece in pieces for action in piece.actions]
    kept = "".join(piece.text for piece in pieces)
    return Translated(_BLANK_LINES.sub("\n\n", kept).strip(), tuple(dict.fromkeys(actions)))


def _without_asides(text: str, actions: list[GuiAction]) -> str:
    """Take out brackets that hold nothing but GUI talk, and add what they asked for to `actions`."""

    def taken_out(found: re.Match[str]) -> str:
        asked = asked_for(simplified(hide_quoted(found[1])), found[1])
        actions.extend([asked] if asked else [])
        return "" if asked else found[0]

    return _IN_BRACKETS.sub(taken_out, text)


def _pieces(text: str, masked: str) -> Iterator[_Piece]:
    """Give what is left of each line. In a list "2. Choose 1080p" is dropped with the step before it."""
    is_in_steps = False
    for line in lines(masked):
        piece, start = _line(text, masked, line), marked_start(masked, line)
        is_listed = start > line.start
        if is_in_steps and is_listed and not piece.actions and goes_on_as_step(masked[start : line.end]):
            piece = _STEP
        is_in_steps = is_listed and not piece.text
        yield piece


def _line(text: str, masked: str, line: TextSpan) -> _Piece:
    start = marked_start(masked, line)
    pieces = [_sentence(text, masked, sentence) for sentence in sentences(masked, start, line.end)]
    actions = tuple(action for piece in pieces for action in piece.actions)
    kept = "".join(piece.text for piece in pieces)
    if not actions:
        return _Piece(text[line.start : line.gap_end], ())
    if not kept.strip():
        return _Piece("", actions)
    return _Piece(text[line.start : start] + kept.rstrip() + text[line.end : line.gap_end], actions)


def _sentence(text: str, masked: str, sentence: TextSpan) -> _Piece:
    parts = clauses(masked, sentence)
    asked = [asked_for(masked[part.start : part.end], text[part.start : part.end]) for part in parts]
    actions = tuple(action for action in asked if action)
    if not actions:
        return _Piece(text[sentence.start : sentence.gap_end], ())
    kept = _content_parts(masked, parts, asked)
    words = _joined(text, kept, at_start=bool(kept) and kept[0] == parts[0])
    ending = text[parts[-1].end : sentence.gap_end]
    return _Piece(words + ending if words else "", actions)


def _content_parts(masked: str, parts: list[TextSpan], asked: list[GuiAction | None]) -> list[TextSpan]:
    """Keep clauses that are no GUI talk, neither lead to it nor follow on from it."""
    dropped = [action is not None for action in asked]
    for at in range(1, len(parts)):
        words = masked[parts[at].start : parts[at].end]
        dropped[at] = dropped[at] or (dropped[at - 1] and (not words.strip() or follows_on(words)))
    for at in range(len(parts) - 2, -1, -1):
        words = masked[parts[at].start : parts[at].end]
        dropped[at] = dropped[at] or not words.strip() or (dropped[at + 1] and leads_to_next(words))
    return [part for part, gone in zip(parts, dropped, strict=True) if not gone]


def _joined(text: str, kept: list[TextSpan], *, at_start: bool) -> str:
    words = _DANGLING.sub("", "".join(_with_gaps(text, kept)))
    words = _IN_A_PANEL.sub("", words)
    if at_start:
        return words
    words = _CONNECTOR.sub("", words.lstrip(), count=1) if _CONNECTOR.match(words.lstrip()) else words.lstrip()
    return words[:1].upper() + words[1:]


def _with_gaps(text: str, kept: list[TextSpan]) -> Iterator[str]:
    """Give each clause with the words up to the next; where something fell out between, a comma will do."""
    for at, part in enumerate(kept):
        yield text[part.start : part.end]
        following = kept[at + 1] if at + 1 < len(kept) else None
        if following:
            gap = text[part.end : part.gap_end]
            yield gap if part.gap_end == following.start or gap[:1] in {",", "，", ";", "；"} else ", "

"""Splits text into lines, sentences and clauses, as spans, so that what is kept can be kept letter by letter.

Quoted words are hidden first: what stands in quotes is somebody's title, never an instruction.
"""

import re
from typing import NamedTuple

#: Stands for each hidden letter; a private-use character that no pattern names.
HIDDEN = "\ue000"
_QUOTED = re.compile(
    r"\"[^\"\n]{1,200}\"|“[^”\n]{1,200}”|「[^」\n]{1,200}」|『[^』\n]{1,200}』|《[^》\n]{1,200}》|`[^`\n]{1,200}`"
    r"|(?<![^\s(])['‘][^'’\n]{1,100}['’](?![^\s.,;:!?)])"
)
_SENTENCE_END = re.compile(r"(?:[.!?…]{1,4}[)\]*_]{0,3}(?=\s|$)|[。！？]{1,4}[）]?)[^\S\n]*")
_LIST_MARK = re.compile(r"[^\S\n]{0,12}(?:(?:\d{1,3}[.)]|[-*•])[^\S\n]|#{1,6}[^\S\n])?[^\S\n]{0,12}")
_CLAUSE_GAP = re.compile(
    r"[,;]\s|[，；]|[—–―‒]{1,2}|\s-{1,3}\s|(?:(?<=\bdone)|(?<=\bready)|(?<=\ball set)|(?<=\blisto)):\s"
    r"|(?<=\s)(?:(?<!drag )and(?! hold\b)(?: then)?|then|but|so|or|which)\s",
    re.IGNORECASE,
)
#: ``In the dialog that appears, click OK``: the place alone is no clause.
_ONLY_WHERE = re.compile(
    r"\W{0,3}(?:then |and |now |next ){0,2}(?:in|on|from|under|inside|within|using|via|at) (?:the|your|this) "
    r"(?:[\w-]{1,20} ){0,3}(?:button|icon|tab|menu|panel|pane|toolbar|side ?bar|ribbon|dialog|drop-?down|pop-?up|modal|"
    r"window|page|settings|editor|library|inspector)\b[^,;]{0,40}",
    re.IGNORECASE,
)


class TextSpan(NamedTuple):
    """A stretch of a text, and the words that stand after it up to the next one."""

    start: int
    end: int
    gap_end: int


def hide_quoted(text: str) -> str:
    """Replace what stands in quotes, keeping every position."""
    return _QUOTED.sub(lambda found: found[0][0] + HIDDEN * (len(found[0]) - 2) + found[0][-1], text)


def lines(masked: str) -> list[TextSpan]:
    """Split at line ends; a list's mark belongs to the gap before its line, and so goes where the line goes."""
    starts = [0, *(at + 1 for at, sign in enumerate(masked) if sign == "\n")]
    ends = [*(start - 1 for start in starts[1:]), len(masked)]
    return [TextSpan(start, end, min(end + 1, len(masked))) for start, end in zip(starts, ends, strict=True)]


def marked_start(masked: str, line: TextSpan) -> int:
    """Find where a line's words begin, after ``1.`` or ``-``."""
    mark = _LIST_MARK.match(masked, line.start, line.end)
    return mark.end() if mark else line.start


def sentences(masked: str, start: int, end: int) -> list[TextSpan]:
    """Split a line; each span holds its closing punctuation."""
    spans = []
    for found in _SENTENCE_END.finditer(masked, start, end):
        closed = start + len(masked[start : found.end()].rstrip())
        spans.append(TextSpan(start, closed, found.end()))
        start = found.end()
    return spans + ([TextSpan(start, end, end)] if start < end else [])


def clauses(masked: str, sentence: TextSpan) -> list[TextSpan]:
    """Split a sentence where one instruction may end and another begin; its closing punctuation is in no clause."""
    start, end = sentence.start, sentence.end
    while end > start and masked[end - 1] in ".!?…。！？":
        end -= 1
    spans = []
    for gap in _CLAUSE_GAP.finditer(masked, start, end):
        if gap[0][0] == "," and _ONLY_WHERE.fullmatch(masked, start, gap.start()):
            continue
        spans.append(TextSpan(start, gap.start(), gap.end()))
        start = gap.end()
    return [*spans, TextSpan(start, end, end)]

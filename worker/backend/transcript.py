"""Adds up a message stream: the words, whether tools ran, and the fault if there was one.

The step that sends a message adds every event of its stream here and asks at the end. It decides how texts join and
which of them is no answer; it must not know where the events came from.
"""

import re

from worker.backend.events import StreamError, StreamEvent, Text, ToolCall, ToolResult

_TEMPORARY_ISSUE = re.compile(
    r"(?:^|(?<=[.!?…]\s)|(?<=[。！？]))\W{0,4}"
    r"(?:(?:sorry|oops|unfortunately|i apologi[sz]e)\W{1,3}(?:but )?)?"
    r"I(?:['’]ve)? encountered a temporary issue\b",
    re.IGNORECASE,
)
#: what such a message goes on with in lines of its own
_PLEA = re.compile(r"\W{0,4}(?:please|try again|sorry|if (?:it|this|the))\b(?!.*temporary issue)", re.IGNORECASE)
_SENTENCE_ENDS = ".!?…。！？:："
#: what a stream says beyond so many characters is heard, and not kept: a reply has 4 kB, and a model may go on and on
_MOST_CHARACTERS = 20_000
#: so it is with tools, of which it counts whether any ran
_MOST_TOOLS, _LONGEST_TOOL = 1000, 100


class Transcript:
    """Add events as they come; read `text`, `error` and what tools did at any time. However much comes, little is held."""

    def __init__(self) -> None:
        self._spoken: list[str] = []
        self._spoken_characters = 0
        self._chunks: list[str] = []
        self._chunk_characters = 0
        self.error: str | None = None
        #: Whether a tool was called at all, with a result or without.
        self.saw_tools = False
        self._tools_ran: list[str] = []
        self._tools_failed: list[str] = []

    def add(self, event: StreamEvent) -> None:
        """Take the next event. The first error is kept: what follows it is its echo."""
        match event:
            case Text(text=text, form="chunk"):
                self._add_chunk(text)
            case Text(text=text, form=form):
                self._say(text[:_MOST_CHARACTERS], whole=form == "whole")
            case ToolCall():
                self.saw_tools = True
            case ToolResult(name=name, failed=failed):
                self.saw_tools = True
                names = self._tools_failed if failed else self._tools_ran
                names += [name[:_LONGEST_TOOL]] if len(names) < _MOST_TOOLS else []
            case StreamError() if self.error is None:
                self.error = event.message

    @property
    def text(self) -> str:
        """All that was said, once, in its order; empty when nothing was said that is an answer."""
        spoken = "".join(self._spoken)
        pending = "".join(self._chunks)
        if pending:
            spoken += _gap(spoken, pending, whole=True) + pending
        return _without_temporary_issue(spoken.strip())

    @property
    def tools_ran(self) -> tuple[str, ...]:
        """The tools that gave a result which is no error, in their order: a sign that something was edited."""
        return tuple(self._tools_ran)

    @property
    def kept_results_back(self) -> bool:
        """Whether tools were called, and none of them gave a result of either kind."""
        return self.saw_tools and not (self._tools_ran or self._tools_failed)

    @property
    def tools_failed(self) -> tuple[str, ...]:
        """The tools whose result is an error. One that gave no result is in neither."""
        return tuple(self._tools_failed)

    def _add_chunk(self, text: str) -> None:
        if piece := text[: _MOST_CHARACTERS - self._chunk_characters]:
            self._chunks.append(piece)
            self._chunk_characters += len(piece)

    def _say(self, text: str, *, whole: bool) -> None:
        pending = "".join(self._chunks)
        self._chunks.clear()
        self._chunk_characters = 0
        if pending and not _same_words(pending, text):
            self._append(pending, whole=True)
        self._append(text, whole=whole)

    def _append(self, text: str, *, whole: bool) -> None:
        before = self._spoken[-1] if self._spoken else ""
        if piece := (_gap(before, text, whole=whole) + text)[: _MOST_CHARACTERS - self._spoken_characters]:
            self._spoken.append(piece)
            self._spoken_characters += len(piece)


def _same_words(chunks: str, whole: str) -> bool:
    """Whether a whole repeats the chunks before it; a lost chunk or another spacing makes no difference."""
    came, said = "".join(chunks.split()), "".join(whole.split())
    return said.startswith(came) or came.startswith(said)


def _gap(before: str, after: str, *, whole: bool) -> str:
    """Decide what stands between two texts: nothing inside a sentence that came in pieces, else a new line."""
    if not before or not after or before[-1].isspace() or after[0].isspace():
        return ""
    if whole or _TEMPORARY_ISSUE.match(after):
        return "\n"
    begins_anew = not (after[0].islower() or after[0].isdigit() or after[0] in ",.!?;:)]}”’，。！？；：）")
    if before[-1] in _SENTENCE_ENDS and begins_anew:
        return "\n"
    return "\n" if before[-1].islower() and after[0].isupper() else ""


def _without_temporary_issue(text: str) -> str:
    """Drop a last paragraph's "I encountered a temporary issue": it follows work that was done (BACKEND.md)."""
    lines = text.split("\n")
    while len(lines) > 1 and (not lines[-1].strip() or _PLEA.match(lines[-1])):
        lines.pop()
    *earlier, last = lines
    found = _TEMPORARY_ISSUE.search(last)
    return "\n".join((*earlier, last[: found.start()])).strip() if found else text

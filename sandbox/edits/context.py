"""What an edit works on: the draft, the media at hand, the language to answer in. Each prompt has its own.

Called by `edit` and handed to each edit in turn. It decides nothing about edits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.edits.reading import Ask
from sandbox.edits.timeline import Draft, Segment, leading, total_ms
from sandbox.edits.words import Told
from sandbox.media import Media


@dataclass
class EditContext:
    """The work on one prompt. `said` grows by a sentence with each edit."""

    draft: Draft
    media: Mapping[str, Media]
    told: Told
    said: list[str] = field(default_factory=list)

    @property
    def main(self) -> list[Segment]:
        """The main track's own list of segments, in order."""
        return leading(self.draft)

    @property
    def total_ms(self) -> int:
        """How long the timeline is now."""
        return total_ms(self.draft)

    def say(self, english: str, chinese: str) -> None:
        """Tell the user what was done, in the prompt's language."""
        self.said.append(chinese if self.told.is_chinese else english)

    def ms(self, ask: Ask, name: str, default_ms: int) -> int:
        """Read a length; the rule may have found it under a name with an ending (``length_zh``)."""
        token = detail(ask, name)
        return self.told.ms(token) if token else default_ms


def detail(ask: Ask, name: str) -> str:
    """Find a detail under its name or, in rules with several wordings, its name with an ending."""
    return next((words for key, words in ask.details.items() if key == name or key.startswith(name + "_")), "")


def seconds(ms: float) -> str:
    """Write a length as people do: ``2``, ``1.5``."""
    return f"{ms / 1000:.2f}".rstrip("0").rstrip(".")


def clock(ms: float) -> str:
    """Write a place on the timeline: ``1:05`` or ``0:02.5``."""
    whole, rest = divmod(round(ms / 100), 600)
    tail = f"{rest // 10:02d}" + (f".{rest % 10}" if rest % 10 else "")
    return f"{whole}:{tail}"

"""Which story a message tells: reads the `[[story:NAME]]` tags and decides, purely, what they mean for the run.

`accept.py` asks for a `Plan`; `FiredStories` remembers which of the one-time stories have fired.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sandbox.backend import refusals
from sandbox.backend.refusals import Refused

TAG = re.compile(r"\s*\[\[story:([a-z0-9-]+)\]\]", re.IGNORECASE)

Ending = Literal["close", "cut", "cut-lost", "mute", "error"]
Shape = Literal["vendor", "adk", "adk-partial"]

#: refusals before any work, each once per distinct text
REFUSING: dict[str, Callable[[], Refused]] = {
    "token-expired": refusals.token_expired,
    "session-lost": refusals.session_not_found,
    "no-credits": refusals.credits_short,
    "rate-limited": refusals.rate_limited,
    "http-500": refusals.broken,
}
#: what the next render will meet; the first two once per distinct text
RENDERING = ("render-failed", "render-duplicate", "render-stuck")
RENDERING_ONCE = frozenset({"render-failed", "render-duplicate"})
#: the stories that end the stream in a way of their own
ENDINGS: dict[str, Ending] = {
    "drop-stream": "cut",
    "drop-stream-lost": "cut-lost",
    "heartbeats-only": "mute",
    "error-frame": "error",
}


class FiredStories:
    """Remembers what has fired for which text."""

    def __init__(self) -> None:
        self._fired: set[tuple[str, str]] = set()

    def fires(self, story: str, text: str) -> bool:
        """True the first time, and never again for the same text."""
        if (story, text) in self._fired:
            return False
        self._fired.add((story, text))
        return True


@dataclass(frozen=True)
class Plan:
    """What one message will do, besides the edit itself."""

    #: the prompt as the editor reads it, without tags
    prompt: str
    stories: frozenset[str]
    #: None where nothing names one: then the session's own shape
    shape: Shape | None
    ending: Ending

    @property
    def lands(self) -> bool:
        """Whether the edit will ever come."""
        return self.ending in ("close", "cut")

    @property
    def talks_only(self) -> bool:
        return not self.stories.isdisjoint(("question", "unchanged"))

    @property
    def edits(self) -> bool:
        return self.lands and not self.talks_only


def read(text: str, *, dropped: bool = False) -> Plan:
    """Read a message's tags. An unknown story is ignored. `dropped`: a fault cuts the stream, whatever is told."""
    stories = frozenset(name.lower() for name in TAG.findall(text)) | ({"drop-stream"} if dropped else set())
    endings = [ENDINGS[name] for name in ENDINGS if name in stories]
    return Plan(
        prompt=TAG.sub("", text).strip(),
        stories=stories,
        shape="adk-partial" if "adk-partial" in stories else "adk" if "adk" in stories else None,
        ending=endings[-1] if endings else "close",
    )


def refusing(plan: Plan, text: str, once: FiredStories) -> str | None:
    """Name the story that refuses this message before any work; several fire one after another, a call each."""
    return next((name for name in REFUSING if name in plan.stories and once.fires(name, text)), None)


def rendering(plan: Plan, text: str, once: FiredStories) -> list[str]:
    """Name what waits for the next renders after this message, in order."""
    return [
        name for name in RENDERING if name in plan.stories and (name not in RENDERING_ONCE or once.fires(name, text))
    ]

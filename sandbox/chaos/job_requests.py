"""What the callers of a chaos run ask for: jobs of several kinds, drawn from a seed, each with a title of its own.

Pure. `run` submits them. Every story that the backend knows comes up, alone or several at once.
"""

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

#: what the backend may do to a message; the first ones leave the edit as it is
STORIES = (
    *("silent", "gui", "slow", "two-stage", "adk", "adk-partial", "temporary-issue", "question", "unchanged"),
    *("drop-stream", "drop-stream-lost", "error-frame", "session-lost", "rate-limited", "http-500"),
    *("export-blocked", "render-failed", "render-duplicate", "render-stuck", "heartbeats-only", "no-credits"),
)
_STORY_SHARE = 0.5
_SECOND_STORY_SHARE = 0.3
_CANCEL_SHARE = 0.12
_FAILING_HOOK_SHARE = 0.3
_MOST_IN_A_SESSION = 4


class Ask(NamedTuple):
    """One job to submit. `title` stands in its prompt and nowhere else."""

    title: str
    prompt: str
    output: dict[str, Any]
    #: which of the run's clips it brings; None: it goes on with what its session has
    clip: int | None
    #: jobs with the same name go into one session, in order
    session: str | None
    #: it is cancelled so long after its 202
    cancel_after_s: float | None
    #: the receiver's path for its callbacks
    hook: str


def asks(count: int, *, seed: int, clips: int) -> Iterator[Ask]:
    """Draw `count` asks, single ones and sessions of several."""
    dice = random.Random(seed)
    made = 0
    while made < count:
        together = min(count - made, dice.choice((1, 1, 1, dice.randint(2, _MOST_IN_A_SESSION))))
        session = f"session-{made}" if together > 1 else None
        for place in range(together):
            yield _ask(dice, f"Q{seed:x}N{made:05d}", session=session, first=place == 0, clips=clips)
            made += 1


def _ask(dice: random.Random, title: str, *, session: str | None, first: bool, clips: int) -> Ask:
    edit = dice.choice(
        (
            'add a title "{}" at the top',
            'trim the first 0.2 seconds and add a title "{}"',
            '加一个标题 "{}"',
            'mute it and add a caption "{}"',
        )
    )
    tags = "".join(f" [[story:{story}]]" for story in _stories(dice))
    return Ask(
        title=title,
        prompt=edit.format(title) + tags,
        output={"export": dice.random() < 0.5, "resolution": "360p"},  # noqa: PLR2004 - every second one
        clip=dice.randrange(clips) if first else None,
        session=session,
        cancel_after_s=dice.uniform(0, 6) if dice.random() < _CANCEL_SHARE else None,
        hook=dice.choice(("/hook/fail/1", "/hook/fail/2")) if dice.random() < _FAILING_HOOK_SHARE else "/hook",
    )


def _stories(dice: random.Random) -> list[str]:
    if dice.random() > _STORY_SHARE:
        return []
    return dice.sample(STORIES, 2 if dice.random() < _SECOND_STORY_SHARE else 1)

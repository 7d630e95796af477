"""What the backend says about one message, sentence by sentence: pure, from the edit, the plan and two numbers.

`accept.py` asks; `talk.py` has the words.
"""

from collections.abc import Sequence

from sandbox.backend.messages.stories import Plan
from sandbox.backend.messages.talk import (
    GUI,
    NOT_UNDERSTOOD,
    NOTHING_CHANGED,
    QUESTION,
    TEMPORARY_ISSUE,
    UNCHANGED,
    Language,
)
from sandbox.edits import Edited

#: stories whose point is in what is said or seen on the wire, so chance must not silence them
_SPEAKING = frozenset({"gui", "temporary-issue", "question", "unchanged"})


def is_silent(plan: Plan, edited: Edited, *, draw: float, silent_rate: float) -> bool:
    """Whether the stream closes without a word. Only real edits do, and by chance only where no story is told."""
    if not plan.edits or not edited.changed or plan.stories & _SPEAKING:
        return False
    return "silent" in plan.stories or (not plan.stories and draw < silent_rate)


def sentences(plan: Plan, edited: Edited, language: Language, *, draw: float, gui_rate: float) -> list[str]:
    """The whole answer, one text each."""
    content = _content(plan, edited, language)
    if "gui" in plan.stories:
        content = _among(content, GUI[language])
    elif draw < gui_rate and not plan.stories:
        content = [*content, GUI[language][int(draw / gui_rate * len(GUI[language]))]]
    return [*content, TEMPORARY_ISSUE[language]] if "temporary-issue" in plan.stories else content


def _content(plan: Plan, edited: Edited, language: Language) -> list[str]:
    if "question" in plan.stories:
        return [QUESTION[language]]
    if "unchanged" in plan.stories:
        return [UNCHANGED[language]]
    missed = [NOT_UNDERSTOOD[language].format(part) for part in edited.not_understood]
    return [*edited.said, *missed, *([] if edited.changed else [NOTHING_CHANGED[language]])]


def _among(content: Sequence[str], gui: Sequence[str]) -> list[str]:
    """Put GUI talk before, behind and after the real sentences, also in the same text with one."""
    mixed = [f"{sentence} {gui[place % len(gui)]}" for place, sentence in enumerate(content, start=1)]
    return [gui[0], *mixed, *gui[len(content) + 1 :]]

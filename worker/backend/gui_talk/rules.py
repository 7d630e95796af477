"""The form in which both languages write their table of GUI talk."""

import re
from typing import Literal, NamedTuple, TypeAlias

GuiAction: TypeAlias = Literal["export", "state", "credits", "message", "summary", "api"]


class Rule(NamedTuple):
    """A clause that `pattern` matches at its start asks for `action`.

    `weak`: only where the clause reports no work, so "Click track added" is content. Every quantifier in a pattern is
    bounded, so that a clause of any length costs linear time.
    """

    action: GuiAction
    pattern: re.Pattern[str]
    weak: bool


def rule(action: GuiAction, *parts: str) -> Rule:
    """Write a rule; the parts of its pattern follow one another."""
    return Rule(action, re.compile("".join(parts), re.IGNORECASE), weak=False)


def weak_rule(action: GuiAction, *parts: str) -> Rule:
    """Write a rule that reports outweigh."""
    return Rule(action, re.compile("".join(parts), re.IGNORECASE), weak=True)

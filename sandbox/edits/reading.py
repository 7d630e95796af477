"""Finds the edits that a prompt asks for, with their details, and the words that nobody understood. Pure.

A rule has a head (what names the edit) and details (looked for from its clause's start to the next edit's head). Rules
are tried in order; what one has taken the next no longer sees. It knows no edit by name: those stand in `grammar`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sandbox.edits.words import Told

#: Stands where a rule has taken words.
TAKEN = "\x00"
_CLAUSE_END = re.compile(r"[,.;:!?\n，。；：！？、\x00]|\band\b|\bthen\b")
_PIECES = re.compile(r"[.,;:!?\n\x00，。；：！？、]+|\b(?:and|then|also)\b|然后|并且|接着|同时", re.IGNORECASE)


@dataclass(frozen=True)
class Rule:
    """How an edit is asked for. Each detail's value is its first group, or all of it."""

    kind: str
    head: re.Pattern[str]
    details: Mapping[str, re.Pattern[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Ask:
    """One edit that was asked for: ``Ask("trim_first", {"length": "‹0›"})``."""

    kind: str
    details: Mapping[str, str]
    #: The words of its head, as they stand in the told text.
    words: str = ""


@dataclass(frozen=True)
class Reading:
    """All that a prompt asks for, in its order, and what is left of it, in its own words."""

    asks: list[Ask]
    not_understood: list[str]


@dataclass(frozen=True)
class _Found:
    rule: Rule
    head: re.Match[str]


def read(told: Told, rules: Sequence[Rule], is_filler: re.Pattern[str]) -> Reading:
    """Read a prompt by these rules; words that match `is_filler` mean nothing."""
    left, found = told.text, list[_Found]()
    for rule in rules:
        heads = list(rule.head.finditer(left))
        found += [_Found(rule, head) for head in heads]
        for head in heads:
            left = _without(left, head)
    found.sort(key=lambda one: one.head.start())
    asks = []
    for number in range(len(found)):
        ask, left = _detailed(told.text, left, found, number)
        asks.append(ask)
    return Reading(asks, list(_leftovers(told, left, is_filler)))


def _detailed(text: str, left: str, found: list[_Found], number: int) -> tuple[Ask, str]:
    one = found[number]
    start, end = _scope(text, found, number)
    details = {name: words for name, words in one.head.groupdict().items() if words}
    for name, pattern in one.rule.details.items():
        hit = pattern.search(text, start, end)
        if hit and name not in details:
            details[name] = next((group for group in hit.groups() if group), hit[0])
            left = _without(left, hit)
    return Ask(one.rule.kind, details, text[one.head.start() : one.head.end()]), left


def _scope(text: str, found: list[_Found], number: int) -> tuple[int, int]:
    head = found[number].head
    before = found[number - 1].head.end() if number else 0
    after = found[number + 1].head.start() if number + 1 < len(found) else len(text)
    ends = [m.end() for m in _CLAUSE_END.finditer(text, before, head.start())]
    return max([before, *ends]), max(after, head.end())


def _without(text: str, hit: re.Match[str]) -> str:
    return text[: hit.start()] + TAKEN * (hit.end() - hit.start()) + text[hit.end() :]


def _leftovers(told: Told, left: str, is_filler: re.Pattern[str]) -> Iterator[str]:
    for piece in _PIECES.split(left):
        meaning = is_filler.sub(" ", piece)
        if re.search(r"[^\W_]", meaning):
            yield told.original(piece).strip(" -–—()[]'\"“”…")

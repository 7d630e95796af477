"""Says of each clause what it asks for. The word alone never decides: a clause that holds any content is an edit.

`roll the end credits`, `show the upload date as a title` and `make it look like an exported poster` hold words
that no request for credits, an upload or an export is made of.
"""

from collections.abc import Sequence
from enum import StrEnum

from service.prompt.clauses import PROPERTIES, UNKNOWN, Clause
from service.prompt.lexer import Token
from service.prompt.lexicon import Part, words_in


class Intent(StrEnum):
    """What a clause asks for."""

    EDIT = "edit"
    EXPORT = "export"
    NO_EXPORT = "no_export"
    SPEC = "spec"  # properties of the file, and nothing else
    MAYBE_SPEC = "maybe_spec"  # the same words, but its neighbours decide
    CREDITS = "credits"
    STATE = "state"
    UPLOAD = "upload"
    HERE = "here"  # here is my clip
    POLITE = "polite"
    TAGS = "tags"


_ASKED = {
    "credits": Intent.CREDITS,
    "state": Intent.STATE,
    "perhaps_credits": Intent.CREDITS,
    "perhaps_state": Intent.STATE,
    "nothing": Intent.POLITE,
}
REQUESTS = frozenset({Intent.EXPORT, Intent.NO_EXPORT, Intent.SPEC})
_MANNERS = frozenset({Part.NOT, Part.LATER, Part.GLUE, Part.DONE, Part.POLITE, Part.WHEN, Part.ACCOUNT, Part.ASK})
_OF_PROPERTIES = PROPERTIES | {
    Part.GLUE,
    Part.THING,
    Part.POLITE,
    Part.IN,
    Part.WHOLE,
    Part.PLACE,
    Part.ACCOUNT,
    Part.ASK,
}
_LEAD_IN = frozenset({Part.POLITE, Part.GLUE, Part.ACCOUNT, Part.WHEN, Part.IN, Part.NOT})
_GREETINGS = words_in("hi hello hey dear thanks cheers 你好 您好 嗨")
_ORDINALS = words_in("first second third fourth fifth next")
#: How letters end, above the name.
_ENDINGS = words_in("thanks thank thx cheers regards kind best warm many much 谢谢 感谢 此致")
_LONGEST_NAME = 3
#: `is it exported yet?`
_ASKS_AFTER = frozenset({"is", "has", "did"})
#: What `convert it to …` needs to mean the file rather than the picture.
_FORMAL = frozenset({Part.RESOLUTION, Part.FORMAT})


def intents_of(clauses: Sequence[Clause]) -> list[Intent]:
    """Read all clauses of a prompt; each one's neighbours decide where it could be two things."""
    alone = [_asked(clause) or intent_of(clause.content) for clause in clauses]
    if Intent.EDIT in alone:
        alone = [_beside_an_edit(clause, intent) for clause, intent in zip(clauses, alone, strict=True)]
    return _with_neighbours(alone, clauses)


def _asked(clause: Clause) -> Intent | None:
    return _ASKED[clause.asks] if clause.asks else None


def _beside_an_edit(clause: Clause, intent: Intent) -> Intent:
    """Keep as content what may be the film's: `How much does a house cost? Make an explainer.`"""
    return intent if clause.asks in {None, "credits", "state"} else Intent.EDIT


def intent_of(content: Sequence[Token]) -> Intent:
    """Read one clause by itself."""
    parts = [token.part for token in content]
    if not parts:
        return Intent.TAGS
    if UNKNOWN.intersection(parts):
        return Intent.POLITE if _greets(content) else _with_media_named(parts)
    if _asks_for_file(set(parts)):
        return Intent.STATE if content[0].text in _ASKS_AFTER else _about_file(parts)
    return _about_account(set(parts)) or _about_properties(parts) or _small_talk(parts)


def _greets(content: Sequence[Token]) -> bool:
    """Tell `Hi Bob` and `Third`, which ask for nothing."""
    words = [token.text for token in content]
    if len(words) == 1:
        return words[0] in _ORDINALS
    named = content[-1].part is Part.OTHER and len(words) == 2  # noqa: PLR2004 - a greeting and a name
    return named and words[0] in _GREETINGS


def _with_media_named(parts: list[Part]) -> Intent:
    """A link or a file's name is the content of an upload, and of nothing else."""
    others = {part for part in parts if part is not Part.NAME}
    if Part.OTHER in others or Part.QUOTE in others:
        return Intent.EDIT
    return Intent.HERE if others <= {Part.UPLOAD, Part.HERE, Part.THING, *_MANNERS} else Intent.EDIT


def _asks_for_file(parts: set[Part]) -> bool:
    named = parts & PROPERTIES
    if Part.EXPORT in parts or (Part.UPLOAD in parts and Part.PLACE in parts):
        return True
    if Part.DELIVER in parts:
        return bool(named or parts & {Part.THING, Part.PLACE})
    formal = parts & _FORMAL or {Part.SPEC, Part.QUALITY} <= parts
    return Part.CONVERT in parts and bool(formal) and not parts & {Part.ASPECT, Part.NOT}


def _about_file(parts: list[Part]) -> Intent:
    lead = next((part for part in parts if part not in _LEAD_IN), None)
    if lead is not Part.EXPORT:
        if Part.CREDIT in parts:
            return Intent.CREDITS
        if Part.STATE in parts:
            return Intent.STATE
    return Intent.NO_EXPORT if Part.NOT in parts or Part.LATER in parts else Intent.EXPORT


def _about_account(parts: set[Part]) -> Intent | None:
    if Part.CREDIT in parts and _is_question(parts, Part.CREDIT):
        return Intent.CREDITS
    if (Part.STATE in parts and _is_question(parts, Part.STATE)) or {Part.ASK, Part.DONE} <= parts:
        return Intent.STATE
    if Part.UPLOAD in parts and Part.NOT not in parts:
        return Intent.UPLOAD
    return Intent.HERE if {Part.HERE, Part.THING} <= parts else None


def _is_question(parts: set[Part], about: Part) -> bool:
    """`balance it` and `no credits at the end` are edits, `balance` and `check my balance` ask."""
    if Part.NOT in parts or Part.WHOLE in parts or Part.CONVERT in parts:
        return False
    return Part.ASK in parts or Part.DELIVER in parts or Part.THING not in parts or about is Part.STATE


def _about_properties(parts: list[Part]) -> Intent | None:
    named = PROPERTIES.intersection(parts)
    if not named or not set(parts) <= _OF_PROPERTIES | {Part.ASPECT}:
        return None
    if Part.ASPECT in parts:
        return Intent.MAYBE_SPEC
    led_to = next((part for part in parts if part is not Part.POLITE), None) is Part.IN
    return Intent.SPEC if Part.RESOLUTION in named or led_to else Intent.MAYBE_SPEC


def _small_talk(parts: list[Part]) -> Intent:
    if Part.ASPECT in parts:
        return Intent.MAYBE_SPEC if set(parts) <= _OF_PROPERTIES | {Part.ASPECT} else Intent.EDIT
    waits = Part.WHEN in parts and Part.DONE in parts
    if waits or (Part.THING not in parts and set(parts) <= _MANNERS):
        return Intent.POLITE
    return Intent.EDIT


def _with_neighbours(alone: Sequence[Intent], clauses: Sequence[Clause]) -> list[Intent]:
    """Let a property belong to the request before it, and `or render` to the refusal before it."""
    settled: list[Intent] = []
    name = _name_under_it(alone, clauses)
    alone = [*alone[:name], *(Intent.POLITE for _ in alone[name:])]
    before = Intent.EXPORT if Intent.EDIT not in alone else Intent.EDIT
    for intent, clause in zip(alone, clauses, strict=True):
        now = _after(before, intent, clause)
        settled.append(now)
        before = before if now in {Intent.TAGS, Intent.POLITE} else now
    return settled


def _name_under_it(alone: Sequence[Intent], clauses: Sequence[Clause]) -> int:
    """Find where the name under a letter begins, the `Anna` of `Kind regards, Anna`; the end where none is."""
    words = 0
    for at in range(len(clauses) - 1, 0, -1):
        content = clauses[at].content
        words += len(content)
        if words > _LONGEST_NAME or any(token.part is not Part.OTHER for token in content):
            break
        thanks = clauses[at - 1].content
        if alone[at - 1] is Intent.POLITE and thanks and thanks[-1].text.split()[0] in _ENDINGS:
            return at if set(alone[:at]) - {Intent.POLITE, Intent.TAGS} else len(clauses)
    return len(clauses)


def _after(before: Intent, intent: Intent, clause: Clause) -> Intent:
    if intent is Intent.MAYBE_SPEC:
        return Intent.SPEC if before in REQUESTS else Intent.EDIT
    is_bare_verb = len(clause.content) == 1
    if before is Intent.EXPORT and is_bare_verb and clause.content[0].part is Part.DELIVER:
        return Intent.EXPORT
    return Intent.NO_EXPORT if intent is Intent.EXPORT and before is Intent.NO_EXPORT and is_bare_verb else intent

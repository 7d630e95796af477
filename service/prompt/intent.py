"""Classifies the intent of each clause. The word alone never decides: a clause that holds any content is an edit.

`roll the end credits`, `show the upload date as a title` and `make it look like an exported poster` hold words
that no request for credits, an upload or an export is made of.
"""

from collections.abc import Sequence
from enum import StrEnum

from service.prompt.approval import asks_for_no_edit
from service.prompt.clauses import PROPERTIES, UNKNOWN, Clause
from service.prompt.film_text import film_text
from service.prompt.lexer import Lexeme
from service.prompt.lexicon import FIRST_PERSON, WordClass, words_in


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
#: what a text may say to those who see the film
_READ_ALOUD = frozenset({Intent.EXPORT, Intent.UPLOAD})
_ASKS_FOR_MORE = REQUESTS | {Intent.MAYBE_SPEC, Intent.CREDITS, Intent.STATE}
_MANNERS = frozenset(
    {
        WordClass.NEGATION,
        WordClass.LATER,
        WordClass.FUNCTION,
        WordClass.DONE,
        WordClass.POLITE,
        WordClass.WHEN,
        WordClass.ACCOUNT,
        WordClass.ASK,
    }
)
_WITH_MEDIA = _MANNERS | {WordClass.FILE_NAME, WordClass.UPLOAD, WordClass.HERE, WordClass.OBJECT}
_OF_PROPERTIES = PROPERTIES | {
    WordClass.FUNCTION,
    WordClass.OBJECT,
    WordClass.POLITE,
    WordClass.PREPOSITION,
    WordClass.WHOLE,
    WordClass.PLACE,
    WordClass.ACCOUNT,
    WordClass.ASK,
}
_LEAD_IN = frozenset(
    {WordClass.POLITE, WordClass.FUNCTION, WordClass.ACCOUNT, WordClass.WHEN, WordClass.PREPOSITION, WordClass.NEGATION}
)
_GREETINGS = words_in("hi hello hey dear thanks cheers 你好 您好 嗨")
_ORDINALS = words_in("first second third fourth fifth next")
#: How letters end, above the name.
_ENDINGS = words_in("thanks thank thx cheers regards kind best warm many much 谢谢 感谢 此致")
_LONGEST_NAME = 3
#: `format: webm`
_FORMAT_WORDS = words_in("format container 格式")
_TELLS = frozenset({"is", "are", "was", "were", "it's", "it’s", "this is", "these are", "here is", "这是"})
_WISHES = words_in("should must shall need needs want wants would could can may might 要 想 想要 需要")
#: `is it exported yet?`
_ASKS_AFTER = frozenset({"is", "has", "did"})
#: What `convert it to …` needs to mean the file rather than the picture.
_FORMAL = frozenset({WordClass.RESOLUTION, WordClass.FORMAT})


def classify_clauses(clauses: Sequence[Clause]) -> list[Intent]:
    """Read all clauses of a prompt; each one's neighbours decide where it could be two things."""
    alone = [_asked(clause) or classify_clause(clause.content) for clause in clauses]
    if Intent.EDIT in alone and not _READ_ALOUD.isdisjoint(alone):
        text = film_text(clauses, [at for at, intent in enumerate(alone) if intent in _READ_ALOUD])
        alone = [Intent.EDIT if at in text else intent for at, intent in enumerate(alone)]
        alone = _without_waits(alone, clauses)
    if Intent.EDIT in alone and _only_approves(alone, clauses):
        alone = [Intent.POLITE if intent is Intent.EDIT else intent for intent in alone]
    if Intent.EDIT in alone:
        alone = [_beside_an_edit(clause, intent) for clause, intent in zip(clauses, alone, strict=True)]
    return _with_neighbours(alone, clauses)


def _asked(clause: Clause) -> Intent | None:
    return _ASKED[clause.asks] if clause.asks else None


def _without_waits(alone: list[Intent], clauses: Sequence[Clause]) -> list[Intent]:
    """Read `when I say so, export it` as a request for later."""
    for at, clause in enumerate(clauses[:-1]):
        if alone[at] is Intent.EDIT and alone[at + 1] is Intent.EXPORT and _waits_for_caller(clause):
            alone[at], alone[at + 1] = Intent.POLITE, Intent.NO_EXPORT
    return alone


def _waits_for_caller(clause: Clause) -> bool:
    begin = [lexeme for lexeme in clause.content[:3] if lexeme.word_class is not WordClass.FUNCTION]
    return len(begin) > 1 and begin[0].word_class is WordClass.WHEN and begin[1].text in FIRST_PERSON


def _only_approves(alone: Sequence[Intent], clauses: Sequence[Clause]) -> bool:
    """Tell `Looks great! Export it`: no edit. An approval by itself may answer what the backend has asked."""
    others = zip(alone, clauses, strict=True)
    return not _ASKS_FOR_MORE.isdisjoint(alone) and all(
        asks_for_no_edit(clause.content) for intent, clause in others if intent is Intent.EDIT
    )


def _beside_an_edit(clause: Clause, intent: Intent) -> Intent:
    """Keep as content what may be the film's: `How much does a house cost? Make an explainer.`"""
    return intent if clause.asks in {None, "credits", "state"} else Intent.EDIT


def classify_clause(content: Sequence[Lexeme]) -> Intent:
    """Read one clause by itself."""
    parts = [lexeme.word_class for lexeme in content]
    if not parts:
        return Intent.TAGS
    if not UNKNOWN.isdisjoint(parts):
        return Intent.POLITE if _greets(content) else _with_media_named(parts)
    if _asks_for_file(set(parts)):
        return Intent.STATE if content[0].text in _ASKS_AFTER else _about_file(parts)
    return _about_account(parts) or _about_properties(content) or _small_talk(content, parts)


def _greets(content: Sequence[Lexeme]) -> bool:
    """Tell `Hi Bob` and `Third`, which ask for nothing."""
    if len(content) == 1:
        return content[0].text in _ORDINALS
    named = len(content) == 2 and content[1].word_class is WordClass.CONTENT  # noqa: PLR2004 - a greeting and a name
    return named and content[0].text in _GREETINGS


def _with_media_named(parts: list[WordClass]) -> Intent:
    """A link or a file's name is the content of an upload, and of nothing else."""
    if WordClass.CONTENT in parts or WordClass.QUOTATION in parts:
        return Intent.EDIT
    return Intent.HERE if _WITH_MEDIA.issuperset(parts) else Intent.EDIT


def _asks_for_file(parts: set[WordClass]) -> bool:
    named = parts & PROPERTIES
    if WordClass.EXPORT in parts or (WordClass.UPLOAD in parts and WordClass.PLACE in parts):
        return True
    if WordClass.DELIVER in parts:
        return bool(named or parts & {WordClass.OBJECT, WordClass.PLACE})
    formal = parts & _FORMAL or {WordClass.SPEC, WordClass.QUALITY} <= parts
    return WordClass.CONVERT in parts and bool(formal) and not parts & {WordClass.ASPECT, WordClass.NEGATION}


def _about_file(parts: list[WordClass]) -> Intent:
    lead = next((part for part in parts if part not in _LEAD_IN), None)
    if lead is not WordClass.EXPORT:
        if WordClass.CREDIT in parts:
            return Intent.CREDITS
        if WordClass.STATE in parts:
            return Intent.STATE
    return Intent.NO_EXPORT if WordClass.NEGATION in parts or WordClass.LATER in parts else Intent.EXPORT


def _about_account(parts: Sequence[WordClass]) -> Intent | None:
    if WordClass.CREDIT in parts and _is_question(parts, WordClass.CREDIT):
        return Intent.CREDITS
    if (WordClass.STATE in parts and _is_question(parts, WordClass.STATE)) or _asks_whether_done(parts):
        return Intent.STATE
    if WordClass.UPLOAD in parts and WordClass.NEGATION not in parts:
        return Intent.UPLOAD
    return Intent.HERE if {WordClass.HERE, WordClass.OBJECT}.issubset(parts) else None


def _asks_whether_done(parts: Sequence[WordClass]) -> bool:
    """Tell `is it done?` from `when you are done`."""
    return {WordClass.ASK, WordClass.DONE}.issubset(parts) and parts[0] is not WordClass.WHEN


def _is_question(parts: Sequence[WordClass], about: WordClass) -> bool:
    """`balance it` and `no credits at the end` are edits, `balance` and `check my balance` ask."""
    if WordClass.NEGATION in parts or WordClass.WHOLE in parts or WordClass.CONVERT in parts:
        return False
    return (
        WordClass.ASK in parts
        or WordClass.DELIVER in parts
        or WordClass.OBJECT not in parts
        or about is WordClass.STATE
    )


def _about_properties(content: Sequence[Lexeme]) -> Intent | None:
    parts = [lexeme.word_class for lexeme in content]
    named = PROPERTIES.intersection(parts)
    if not named or not set(parts) <= _OF_PROPERTIES | {WordClass.ASPECT}:
        return None
    if _tells_what_is(content):
        return Intent.EDIT
    if WordClass.ASPECT in parts:
        return Intent.MAYBE_SPEC
    led_to = next((part for part in parts if part is not WordClass.POLITE), None) is WordClass.PREPOSITION
    says_format = WordClass.FORMAT in named and any(lexeme.text in _FORMAT_WORDS for lexeme in content)
    return Intent.SPEC if WordClass.RESOLUTION in named or led_to or says_format else Intent.MAYBE_SPEC


def _tells_what_is(content: Sequence[Lexeme]) -> bool:
    """Tell `it's 720p footage`, which goes with the edit, from `it should be 720p` and `is it 720p?`."""
    words = {lexeme.text for lexeme in content}
    asks = content[0].word_class is WordClass.ASK
    return not asks and not _TELLS.isdisjoint(words) and _WISHES.isdisjoint(words)


def _small_talk(content: Sequence[Lexeme], parts: list[WordClass]) -> Intent:
    if WordClass.ASPECT in parts:
        is_wish = set(parts) <= _OF_PROPERTIES | {WordClass.ASPECT} and not _tells_what_is(content)
        return Intent.MAYBE_SPEC if is_wish else Intent.EDIT
    waits = WordClass.WHEN in parts and WordClass.DONE in parts
    if waits or (WordClass.OBJECT not in parts and set(parts) <= _MANNERS):
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
        if words > _LONGEST_NAME or any(lexeme.word_class is not WordClass.CONTENT for lexeme in content):
            break
        thanks = clauses[at - 1].content
        if alone[at - 1] is Intent.POLITE and thanks and thanks[-1].text.split()[0] in _ENDINGS:
            return at if set(alone[:at]) - {Intent.POLITE, Intent.TAGS} else len(clauses)
    return len(clauses)


def _after(before: Intent, intent: Intent, clause: Clause) -> Intent:
    if intent is Intent.MAYBE_SPEC:
        return Intent.SPEC if before in REQUESTS else Intent.EDIT
    is_bare_verb = len(clause.content) == 1
    if before is Intent.EXPORT and is_bare_verb and clause.content[0].word_class is WordClass.DELIVER:
        return Intent.EXPORT
    return Intent.NO_EXPORT if intent is Intent.EXPORT and before is Intent.NO_EXPORT and is_bare_verb else intent

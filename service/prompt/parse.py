"""Reads a prompt: what goes to the backend as a message, what follows it, and what the output shall be.

Called at submit and at `:validate`. Pure, total and linear in the prompt's length: any text gives a reading.
The rules are the backend contract's "Routing a prompt"; this module decides between what `intent` found in the clauses.
"""

from collections.abc import Collection, Iterator
from itertools import chain

import msgspec

from core.model.plan import Action, Plan, Reading, RequestedOutput
from core.profiles import Profile
from core.security.redacted_repr import redacted_repr
from service.prompt.clauses import UNKNOWN, Clause, split_clauses
from service.prompt.film_text import where_text_begins
from service.prompt.hints import prompt_hints
from service.prompt.intent import REQUESTS, Intent, classify_clauses
from service.prompt.lexer import tokenize
from service.prompt.lexicon import WordClass, words_in
from service.prompt.message import compose_message
from service.prompt.output import merge_output, output_hints
from service.prompt.questions import with_questions
from service.prompt.refused import without_refused
from service.prompt.requests import split_requests
from service.prompt.specs import Specs, extract_specs
from service.prompt.translation import in_english, request_at_end

#: What the backend is asked where media came and only the file is wanted.
UNCHANGED_MEDIA = "Add the uploaded media to the timeline without any changes."
_INFORMATION: dict[Intent, Action] = {
    Intent.CREDITS: "credits",
    Intent.STATE: "state",
    Intent.UPLOAD: "upload",
    Intent.HERE: "upload",
}
_QUESTIONS = frozenset({Intent.CREDITS, Intent.STATE})
_ON_EXPORT = frozenset({Intent.EXPORT, Intent.NO_EXPORT})
_PUBLISHING = words_in("email post publish share 发布 分享 发到 传到")
_RENDERERS_OWN = words_in("bitrate framerate hevc h265 h.265 av1 prores hdr 帧率 码率 比特率")
_QUOTES = {'"': '"', "'": "'", "“": "”", "「": "」", "`": "`"}


@redacted_repr("intents", "has_media")
class ParsedPrompt(msgspec.Struct, frozen=True):
    """A prompt cut into clauses, each with its intent."""

    prompt: str
    clauses: tuple[Clause, ...]
    intents: tuple[Intent, ...]
    has_media: bool


def read_prompt(
    prompt: str,
    *,
    asked: RequestedOutput,
    profile: Profile,
    media_formats: Collection[str | None],
    continues_session: bool,
) -> Reading:
    """Decide message, action and output. `media_formats`: what the names of the files that came say; None: nothing."""
    words = _unwrapped(prompt)
    found = _parse(in_english(words) or words, has_media=bool(media_formats))
    named = extract_specs(found.clauses, found.intents)
    if _ON_EXPORT.isdisjoint(found.intents):
        named = _with_end(named, words)
    plan = _with_aspect_ratio(_plan(found, asked), found, asked, named)
    output = merge_output(asked, named, export=plan.action == "export")
    hints = [
        *prompt_hints(None if plan.message == UNCHANGED_MEDIA else plan.message, profile, media_formats),
        *output_hints(asked, _asked_about(found) or named),
        *_plan_hints(plan, found, asked, continues_session=continues_session),
    ]
    return Reading(plan, output, tuple(hints))


def _with_end(named: Specs, prompt: str) -> Specs:
    """Add the resolution and the container that a request at the prompt's end names in another language."""
    english = request_at_end(prompt)
    if english is None:
        return named
    asked = _parse(english, has_media=False)
    there = extract_specs(asked.clauses, asked.intents)
    resolution, container = named.resolution or there.resolution, named.format or there.format
    return msgspec.structs.replace(named, resolution=resolution, format=container)


def needs_media(plan: Plan, profile: Profile, *, continues_session: bool) -> bool:
    """Tell whether a job that came without media lacks some."""
    works = plan.message is not None or plan.action == "export"
    return works and not continues_session and profile.needs_media


def _unwrapped(prompt: str) -> str:
    """Read a prompt that was pasted in quotation marks without them."""
    text = prompt.strip()
    closer = _QUOTES.get(text[:1])
    inner = text[1:-1]
    wrapped = closer is not None and text.endswith(closer) and inner and closer not in inner and text[0] not in inner
    return inner if wrapped else prompt


def _parse(prompt: str, *, has_media: bool) -> ParsedPrompt:
    asked = with_questions(prompt, split_clauses(without_refused(tokenize(prompt))))
    text = where_text_begins(asked) + 1 if ":" in prompt or "：" in prompt else len(asked)
    clauses = list(chain.from_iterable([*map(split_requests, asked[:text]), *map(_of_text, asked[text:])]))
    return ParsedPrompt(prompt, tuple(clauses), tuple(classify_clauses(clauses)), has_media)


def _of_text(clause: Clause) -> list[Clause]:
    """Divide a clause behind the film's text, of which no edit is read: `Script: We bake. Export the joy.`"""
    parts = split_requests(clause)
    return [clause] if any(part.instead for part in parts) else parts


def _asked_about(found: ParsedPrompt) -> Specs | None:
    """What questions name, e.g. the 4k of `can I export in 4k?`: no output is made of it, yet a hint answers it."""
    if not any(clause.asks for clause in found.clauses):
        return None
    wanted = zip(found.clauses, found.intents, strict=True)
    return extract_specs(found.clauses, [Intent.SPEC if clause.asks else intent for clause, intent in wanted])


def _plan(found: ParsedPrompt, asked: RequestedOutput) -> Plan:
    exports = _wants_export(found, asked)
    if Intent.EDIT in found.intents:
        return Plan(compose_message(found.prompt, found.clauses, kept=_kept(found)), "export" if exports else "none")
    if REQUESTS & set(found.intents):
        return _plan_without_edit(found) if exports else Plan(None, "none")
    information = [_INFORMATION[intent] for intent in found.intents if intent in _INFORMATION]
    if information:
        return Plan(None, information[0])
    if found.has_media:
        return Plan(None, "upload")
    return Plan(found.prompt.strip() or None, "export" if exports else "none")


def _wants_export(found: ParsedPrompt, asked: RequestedOutput) -> bool:
    """Follow the caller's field, else the last word of the prompt on it, else export."""
    if asked.export is not None:
        return asked.export
    words = [intent for intent in found.intents if intent in _ON_EXPORT]
    return not words or words[-1] is Intent.EXPORT


def _plan_without_edit(found: ParsedPrompt) -> Plan:
    return Plan(_with_tags(UNCHANGED_MEDIA, found) if found.has_media else None, "export")


def _kept(found: ParsedPrompt) -> list[bool]:
    """Keep edits and what a person says around them; small talk goes with the request that it stands at."""
    kept = [
        not (intent in REQUESTS or intent is Intent.UPLOAD or (intent in _QUESTIONS and _is_clear(clause)))
        for intent, clause in zip(found.intents, found.clauses, strict=True)
    ]
    polite = [at for at, intent in enumerate(found.intents) if intent is Intent.POLITE]
    for at in (*polite, *reversed(polite)):
        neighbours = [*kept[max(at - 1, 0) : at], *kept[at + 1 : at + 2]]
        kept[at] = kept[at] and all(neighbours)
    return kept


def _is_clear(clause: Clause) -> bool:
    """Beside an edit, `how many credits are left` is a question, but `credits` may be what shall be shown."""
    if clause.asks:
        return True
    parts = {lexeme.word_class for lexeme in clause.content}
    return WordClass.ASK in parts and (WordClass.ACCOUNT in parts or WordClass.STATE in parts)


def _with_aspect_ratio(plan: Plan, found: ParsedPrompt, asked: RequestedOutput, named: Specs) -> Plan:
    """Say the aspect ratio in the message, since only an edit changes it, unless the caller's words do already."""
    ratio = asked.aspect_ratio or named.aspect_ratio
    if ratio is None or ratio == named.aspect_in_edit or plan.action not in {"export", "none"}:
        return plan
    message = plan.message if Intent.EDIT in found.intents else _with_tags("", found)
    return Plan(f"{_as_sentence(message)}Change the aspect ratio to {ratio}.", plan.action)


def _as_sentence(message: str | None) -> str:
    if not message:
        return ""
    return f"{message} " if message.endswith((".", "!", "?", "。", "！", "？", "]]")) else f"{message}. "


def _with_tags(message: str, found: ParsedPrompt) -> str:
    tags = [lexeme.text for clause in found.clauses for lexeme in clause.lexemes if lexeme.word_class is WordClass.TAG]
    return " ".join([message, *tags]).strip()


def _about_file(found: ParsedPrompt) -> Iterator[Clause]:
    wanted = zip(found.clauses, found.intents, strict=True)
    return (clause for clause, intent in wanted if intent in {Intent.EXPORT, Intent.SPEC})


def _names_rate(clause: Clause) -> bool:
    return any(
        lexeme.word_class is WordClass.SPEC and (lexeme.text[0].isdecimal() or lexeme.text in _RENDERERS_OWN)
        for lexeme in clause.content
    )


def _posts(clause: Clause) -> bool:
    parts = [lexeme.word_class for lexeme in clause.content]
    if WordClass.PLACE not in parts or not UNKNOWN.isdisjoint(parts):
        return False
    return WordClass.UPLOAD in parts or any(lexeme.text in _PUBLISHING for lexeme in clause.content)


def _drops_question(found: ParsedPrompt) -> bool:
    if _QUESTIONS.isdisjoint(found.intents):
        return False
    return any(intent in _QUESTIONS and not kept for intent, kept in zip(found.intents, _kept(found), strict=True))


def _plan_hints(plan: Plan, found: ParsedPrompt, asked: RequestedOutput, *, continues_session: bool) -> Iterator[str]:
    if plan.message is not None and _drops_question(found):
        yield "Ask for credits or the state in a prompt of its own; here only the edit is done."
    if plan.action == "upload" and not found.has_media:
        yield "The prompt asks for an upload, and the job names no media."
    if plan.action == "export" and plan.message is None and not continues_session:
        yield "There is nothing to export yet: add media, or say what shall be made."
    if any(_posts(clause) for clause in found.clauses):
        yield "Nothing is posted to other sites: the file comes with the job and its callback."
    if plan.action == "export" and any(_names_rate(clause) for clause in _about_file(found)):
        yield "Frame rate, bitrate, codec and the size of the file cannot be chosen; quality and resolution can."
    if asked.export is False and Intent.EXPORT in found.intents:
        yield "The prompt asks for an export; output.export says no, and wins."

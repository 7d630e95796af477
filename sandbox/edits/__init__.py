"""Understands a prompt and edits a draft: what stands in for the backend's agent. Pure, deterministic.

Called by the sandbox's message call. Decided here: on which media a prompt works, and whether it makes a new video or edits
one; what each edit does stands in its own module. It knows no files, no sessions and no clock.

Media that came since the last message start a fresh timeline, unless the message says to add or append them. Without new
media the present timeline is edited; if it is empty, all media are put on it in upload order.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from sandbox.edits.context import EditContext
from sandbox.edits.generate import generate, material_of
from sandbox.edits.material import apart
from sandbox.edits.phrases import FILLER, RULES
from sandbox.edits.reading import Ask, read
from sandbox.edits.steps import carry_out, spelled_out
from sandbox.edits.timeline import Draft, empty_draft, place
from sandbox.edits.words import told
from sandbox.media import Media

__all__ = ["Edited", "edit", "empty_draft"]


@dataclass(frozen=True)
class Edited:
    """What became of a prompt. `draft` is the last state; `stages` are those to be seen before it, in order.

    `said` holds one sentence per edit, in the prompt's language; `not_understood` the user's own words.
    """

    draft: dict[str, Any]
    said: list[str] = field(default_factory=list)
    not_understood: list[str] = field(default_factory=list)
    changed: bool = False
    generated: bool = False
    stages: list[dict[str, Any]] = field(default_factory=list)


def edit(text: str, draft: dict[str, Any], media: Sequence[Media], new_media: Sequence[Media]) -> Edited:
    """Edit a draft as a prompt says; `media` are all of the session in upload order, `new_media` those since its last.

    The draft that is passed in stays as it is. Where nothing is understood, nothing changes.
    """
    before = draft if draft.get("t") else empty_draft() | draft
    prompt, material = apart(told(text))
    reading = read(prompt, RULES, FILLER)
    asks = spelled_out(reading.asks)
    if not any(ask.kind != "aside" for ask in asks):
        missed = reading.not_understood or ([] if reading.asks else [text.strip()])
        return Edited(deepcopy(before), not_understood=[words for words in missed if words])
    context = EditContext(deepcopy(before), {one.url: one for one in media}, prompt)
    stages = _work(context, asks, material, media, new_media)
    return Edited(
        context.draft,
        context.said,
        reading.not_understood,
        changed=context.draft != before,
        generated=bool(stages),
        stages=stages[:-1],
    )


def _work(
    context: EditContext, asks: list[Ask], material: list[str], media: Sequence[Media], new_media: Sequence[Media]
) -> list[Draft]:
    """Do all edits; hands out the stages of a video that was made from nothing."""
    making = next((ask for ask in asks if ask.kind == "generate"), None)
    sources = list(new_media or media)
    texts = material_of(context, asks, material)
    if making and (
        texts or any(one.kind == "image" for one in sources) or ("purpose" in making.details and not sources)
    ):
        context.draft = empty_draft()
        return generate(context, asks, texts, sources)
    if making:
        asks = spelled_out([Ask("finish", making.details, making.words), *(ask for ask in asks if ask is not making)])
    _set_table(context, asks, media, new_media)
    if context.main:
        carry_out(context, asks)
    else:
        context.say(
            "There is nothing on the timeline to edit yet: upload a clip first.", "时间线上还没有内容,请先上传素材。"
        )
    return []


def _set_table(context: EditContext, asks: list[Ask], media: Sequence[Media], new_media: Sequence[Media]) -> None:
    """Put on the timeline what this prompt is about."""
    if new_media and not any(ask.kind == "append" for ask in asks):
        context.draft = empty_draft()
    if not context.main:
        place(context.draft, list(new_media or media))
    else:
        place(context.draft, list(new_media))

"""Makes a video from a text and pictures: cards, slowly zoomed images, crossfades, captions, music. Pure.

It comes in two stages, as the backend's do: the bare pictures, of exactly the length that was asked for, and then titles
and music on top.
"""

from copy import deepcopy
from dataclasses import dataclass

from sandbox.edits.context import EditContext, detail, seconds
from sandbox.edits.look import change_aspect
from sandbox.edits.reading import Ask
from sandbox.edits.sound import add_music
from sandbox.edits.steps import carry_out
from sandbox.edits.timeline import COLOR_SRC, TEXT, VIDEO, Draft, frame, lay_out, place, put, title_of, track
from sandbox.edits.titles import caption, sentences, texts_of
from sandbox.media import Media

_DEFAULT_MS = 15_000
_LONGEST_MS = 600_000
_SHORTEST_MS = 1000
_CROSS_MS = 500
_ZOOM = 1.16
_CARD_COLORS = ("1f2a44", "3b2a4f", "1e4240", "4a3320")
_LONGEST_HEADLINE = 60
#: A picture is cropped to fill where its shape differs by no more than this factor, else it gets bars.
_NEARLY = 1.4
#: Edits that are done to a made video as to any other; the rest went into its making.
_ON_TOP = {"look", "fade", "mute", "volume"}


@dataclass
class _Slot:
    """One picture of the video. Without `media` it is a card. `cap_ms`: it can't be longer."""

    media: Media | None
    text: str
    weight: int
    cap_ms: int = _LONGEST_MS
    length_ms: int = 0


def material_of(context: EditContext, asks: list[Ask], texts: list[str]) -> list[str]:
    """List what the video shall say: its title, its subject, what was quoted, then the text that was given."""
    titles = [text for ask in asks if ask.kind == "title" for text in texts_of(context, ask)]
    quoted = [text for ask in asks if ask.kind == "generate" for text in texts_of(context, ask)]
    return [*titles, *_subject(context, asks, "about"), *quoted, *texts]


def generate(context: EditContext, asks: list[Ask], texts: list[str], media: list[Media]) -> list[Draft]:
    """Build the video into the context's draft, and hand out its stages: raw and final. Needs a text or a picture.

    `texts` are what the user gave, the first being the headline.
    """
    lines = [line for text in texts or _subject(context, asks, "purpose") for line in sentences(text)]
    pictures = [one for one in media if one.kind != "audio"]
    total = _wished_ms(context, asks)
    headline, rest = _headline(lines, pictures)
    slots = _slots(headline, rest, pictures)
    cross = min(_CROSS_MS, total // (len(slots) * 5))
    _share_out(slots, total + cross * (len(slots) - 1))
    _prepare(context, slots, pictures, asks)
    _build(context, slots, cross, total)
    raw = deepcopy(context.draft)
    _write(context, slots, rest)
    _accompany(context, media, asks)
    _say(context, slots, total)
    carry_out(context, [ask for ask in asks if ask.kind in _ON_TOP])
    return [raw, context.draft]


def _subject(context: EditContext, asks: list[Ask], name: str) -> list[str]:
    """Read what a video is to be about from "a video about city life"."""
    found = (context.told.original(detail(ask, name)).strip() for ask in asks if ask.kind == "generate")
    return [words[:1].upper() + words[1:] for words in found if words]


def _wished_ms(context: EditContext, asks: list[Ask]) -> int:
    lengths = (context.ms(ask, "length", 0) for ask in asks if ask.kind in {"generate", "cut_to"})
    return max(_SHORTEST_MS, min(next(filter(None, lengths), _DEFAULT_MS), _LONGEST_MS))


def _headline(lines: list[str], pictures: list[Media]) -> tuple[str, list[str]]:
    if not lines:
        return title_of(pictures[0]), []
    head, colon, tail = lines[0].partition(": ")
    if colon and len(head) <= _LONGEST_HEADLINE:
        return head, [tail, *lines[1:]]
    return lines[0].removesuffix(".").removesuffix("。"), lines[1:]


def _slots(headline: str, rest: list[str], pictures: list[Media]) -> list[_Slot]:
    """Lay out the pictures between an opening and a closing card; without pictures each line is a card."""
    if not pictures:
        return [_Slot(None, text, 1) for text in (headline, *rest)]
    middle = [_Slot(one, "", 2, one.duration_ms or _LONGEST_MS) for one in pictures]
    return [_Slot(None, headline, 1), *middle, _Slot(None, rest[-1] if rest else headline, 1)]


def _share_out(slots: list[_Slot], left: int) -> None:
    """Share the time out by weight; what a short film can't fill goes to the others."""
    waiting = sorted(slots, key=lambda slot: slot.cap_ms / slot.weight)
    while waiting:
        slot = waiting.pop(0)
        weight = slot.weight + sum(other.weight for other in waiting)
        slot.length_ms = min(slot.cap_ms, left * slot.weight // weight) if waiting else left
        left -= slot.length_ms


def _prepare(context: EditContext, slots: list[_Slot], pictures: list[Media], asks: list[Ask]) -> None:
    """Settle the video's name and shape."""
    if pictures:
        frame(context.draft, pictures[0])
    context.draft["m"]["title"] = slots[0].text
    for ask in asks:
        if ask.kind == "aspect":
            change_aspect(context, ask)


def _build(context: EditContext, slots: list[_Slot], cross: int, total: int) -> None:
    """Lay the pictures out; the last card makes the whole `total` to the millisecond."""
    main = track(context.draft, VIDEO, "Video")
    for number, slot in enumerate(slots):
        src = slot.media.url if slot.media else COLOR_SRC + _CARD_COLORS[number % len(_CARD_COLORS)]
        m = _manner(context, slot) | ({"transition": {"style": "crossfade", "d": cross}} if number else {})
        put(context.draft, main, {"st": 0, "d": slot.length_ms, "src": src, "in": 0, "m": m})
    lay_out(context.draft)
    main[-1]["d"] += total - context.total_ms
    lay_out(context.draft)


def _manner(context: EditContext, slot: _Slot) -> dict[str, object]:
    if slot.media is None:
        return {"name": "Title card", "volume": 0.0}
    m = {"name": title_of(slot.media), "volume": 1.0, "fit": _fit(context, slot.media)}
    return m | ({"zoom": _ZOOM} if slot.media.kind == "image" else {})


def _fit(context: EditContext, media: Media) -> str:
    shape = media.width / max(1, media.height) * context.draft["m"]["height"] / context.draft["m"]["width"]
    return "cover" if 1 / _NEARLY <= shape <= _NEARLY else "contain"


def _write(context: EditContext, slots: list[_Slot], rest: list[str]) -> None:
    """Write the cards' texts, and the other lines below the pictures."""
    main = context.main
    for slot, segment in zip(slots, main, strict=True):
        if slot.text:
            m = {"name": "Title", "text": slot.text, "position": "center", "fade_in": 300, "fade_out": 300}
            m["style"] = {"color": "white", "size": "large" if len(slot.text) <= _LONGEST_HEADLINE // 2 else "medium"}
            start, length = _clear_of_crossings(segment["st"], segment["d"])
            put(context.draft, track(context.draft, TEXT, "Title"), {"st": start, "d": length, "m": m})
    if any(slot.media for slot in slots) and (below := rest[:-1] or rest):
        manner = {"position": "bottom-center", "style": {"color": "white", "size": "small"}}
        start = main[1]["st"] + main[1]["m"]["transition"]["d"]
        caption(context, below, start, main[-1]["st"] - start, manner)


def _accompany(context: EditContext, media: list[Media], asks: list[Ask]) -> None:
    """Lay music below and fade out, without a word: the one sentence about the video tells it."""
    place(context.draft, [one for one in media if one.kind == "audio"])
    said = len(context.said)
    wanted = next((ask for ask in asks if ask.kind == "music"), Ask("music", {}))
    if not any(ask.kind == "remove" for ask in asks):
        add_music(context, wanted, default_style="upbeat")
    del context.said[said:]
    context.main[-1]["m"]["fade_out"] = _CROSS_MS
    lay_out(context.draft)


def _clear_of_crossings(start: int, length: int) -> tuple[int, int]:
    """Let words come after the crossfade into their card, and go before the one out of it."""
    margin = min(_CROSS_MS, length // 5) if start else 0
    return start + margin, length - margin - min(_CROSS_MS, length // 5)


def _say(context: EditContext, slots: list[_Slot], total: int) -> None:
    pictures = sum(slot.media is not None for slot in slots)
    cards = len(slots) - pictures
    context.say(
        f'Made a {seconds(total)}s video: "{slots[0].text}", {cards} title cards, {pictures} pictures, crossfades and music.',
        f"已生成{seconds(total)}秒视频:“{slots[0].text}”,{cards}张标题卡、{pictures}个画面、转场和音乐。",
    )

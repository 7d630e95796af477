"""Carries out the edits of one prompt, in the order in which they make sense, whatever order they were said in. Pure.

Time is cut before titles are set, so that "add a title and trim the first 2 seconds" leaves the title where it was meant.
Called by `edit`; each edit is a function on the context.
"""

import re
from collections.abc import Callable, Sequence

from sandbox.edits import cuts, flow, look, sound, titles
from sandbox.edits.context import EditContext, detail
from sandbox.edits.phrases import FINISHED, SHAPE
from sandbox.edits.reading import Ask
from sandbox.edits.timeline import lay_out

Edit = Callable[[EditContext, Ask], None]


def _remove(context: EditContext, ask: Ask) -> None:
    what = detail(ask, "what").lower()
    if any(word in what for word in ("music", "bgm", "track", "音乐", "配乐")):
        sound.remove_music(context)
    elif any(word in what for word in ("title", "text", "caption", "subtitle", "标题", "字幕", "文字")):
        titles.remove_words(context, captions_only=any(word in what for word in ("caption", "subtitle", "字幕")))
    elif "filter" in what or "滤镜" in what:
        look.remove_looks(context)
    else:
        flow.remove_effects(context, fades="fade" in what)


def _place(context: EditContext, _: Ask) -> None:
    names = ", ".join(segment["m"]["name"] for segment in context.main)
    context.say(f"Put the media on the timeline unchanged: {names}.", f"已将素材原样放到时间线上:{names}。")


def _append(context: EditContext, _: Ask) -> None:
    name = context.main[-1]["m"]["name"]
    context.say(f"Added {name} to the end of the timeline.", f"已将{name}添加到时间线末尾。")


#: Every edit, in the order of doing.
STEPS: dict[str, Edit] = {
    "place": _place,
    "append": _append,
    "join": cuts.join,
    "remove": _remove,
    "trim": cuts.trim,
    "trim_first": cuts.trim_first,
    "trim_last": cuts.trim_last,
    "cut_range": cuts.cut_range,
    "keep": cuts.keep,
    "keep_first": cuts.keep_first,
    "keep_last": cuts.keep_last,
    "pauses": cuts.cut_pauses,
    "speed": flow.change_speed,
    "cut_to": cuts.cut_to,
    "aspect": look.change_aspect,
    "look": look.change_look,
    "transitions": flow.add_transitions,
    "fade": flow.fade,
    "title": titles.add_title,
    "mute": sound.mute,
    "music": sound.add_music,
    "volume": sound.change_volume,
    "music_fade": sound.fade_music_out,
}
#: Done in the order in which they were said, before all that comes after them in STEPS.
_CUTS = {"trim", "trim_first", "trim_last", "cut_range", "keep", "keep_first", "keep_last", "pauses"}
_SINGULAR = {"aspect", "music", "transitions", "join", "trim", "pauses", "place", "append", "generate", "mute"}
_ORDER = {kind: list(STEPS).index("trim") if kind in _CUTS else place for place, kind in enumerate(STEPS)}


def carry_out(context: EditContext, asks: Sequence[Ask]) -> None:
    """Do the edits. Cuts are done in the order in which they were said."""
    known = [ask for ask in asks if ask.kind in STEPS]
    for ask in sorted(known, key=lambda ask: _ORDER[ask.kind]):
        STEPS[ask.kind](context, ask)
    lay_out(context.draft)


def spelled_out(asks: Sequence[Ask]) -> list[Ask]:
    """Put in place of "make a finished video" what it means: one video, with transitions and music unless denied."""
    kinds = {ask.kind for ask in asks}
    meant: list[Ask] = []
    for ask in asks:
        if ask.kind == "finish" or (ask.kind == "polish" and kinds <= {"polish", "aside"}):
            meant += [*_shape(ask), *_finished(ask, asks)]
        elif ask.kind == "generate":
            meant += [*_shape(ask), ask]
        elif ask.kind != "polish":
            meant.append(ask)
    return _once(meant)


def _shape(ask: Ask) -> list[Ask]:
    found = SHAPE.search(ask.words)
    return [Ask("aspect", {"ratio": found[0]}, found[0])] if found else []


def _finished(ask: Ask, asks: Sequence[Ask]) -> list[Ask]:
    if _shape(ask) and not FINISHED.search(ask.words):
        return []  # "turn it into a vertical video" asks for the shape alone
    denied = {detail(other, "what").lower().rstrip("s") for other in asks if other.kind == "remove"}
    wanted = [Ask("join", {})]
    wanted += [] if denied & {"transition", "转场", "过渡"} else [Ask("transitions", {})]
    wanted += [] if denied & {"music", "bgm", "soundtrack", "音乐", "背景音乐", "配乐"} else [Ask("music", {})]
    length = detail(ask, "length") or next(iter(re.findall(r"‹\d+›", ask.words)), "")
    return [*wanted, *([Ask("cut_to", {"length": length})] if length else [])]


def _once(asks: list[Ask]) -> list[Ask]:
    """Of edits that make no sense twice keep the one that says more; a shape that is named twice is one shape."""
    kept: list[Ask] = []
    for ask in asks:
        twin = next((other for other in kept if other.kind == ask.kind and ask.kind in _SINGULAR), None)
        if twin is None:
            kept.append(ask)
        elif len(ask.details) > len(twin.details):
            kept[kept.index(twin)] = ask
    return kept

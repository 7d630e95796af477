"""Edits of how it flows: transitions, fades of the whole, speed. Pure."""

from copy import deepcopy
from itertools import pairwise

from sandbox.edits.context import EditContext, detail, seconds
from sandbox.edits.reading import Ask
from sandbox.edits.timeline import AUDIO, MUSIC_SRC, TEXT, VIDEO, Segment, lay_out, leading, part, segments

_TRANSITION_MS, _QUICK_MS = 500, 100
_ALL_TRANSITIONS_MS = 6000
_FADE_MS = 1000
#: Scenes shorter than this are not made segments of their own.
_SHORTEST_SCENE_MS = 800
_FASTER, _SLOWER = 1.5, 0.75
_SLOW_MOTION = 0.5
_SLOWEST, _FASTEST = 0.25, 8.0
_CHINESE_TIMES = {"一": 1.0, "二": 2.0, "两": 2.0, "三": 3.0, "四": 4.0, "半": 0.5}

_STYLES = {
    "crossfade": ("cross", "叠化", "溶解", "淡化"),
    "dissolve": ("dissolve",),
    "wipe": ("wipe", "擦除"),
    "slide": ("slide", "滑动"),
    "zoom": ("zoom",),
    "fade-black": ("black", "黑场"),
}
_STYLES_ZH = {"wipe": "擦除", "slide": "滑动", "zoom": "缩放", "fade-black": "黑场"}


def add_transitions(context: EditContext, ask: Ask) -> None:
    """Cross over at each cut. One segment alone is first split at its scene changes, or else in its middle."""
    main = segments(context.draft, VIDEO)
    if len(main) == 1:
        _split(context)
    cuts = leading(context.draft)[1:] if main else []
    style, length = style_of(detail(ask, "style")), context.ms(ask, "length", _usual_length_ms(len(cuts)))
    for segment in cuts:
        segment["m"]["transition"] = {"style": style, "d": length}
    lay_out(context.draft)
    count = sum("transition" in segment["m"] for segment in context.main)
    if count:
        said, named = f"{count} {style} transition{'s' if count > 1 else ''}", _STYLES_ZH.get(style, "叠化")
        context.say(f"Added {said} ({seconds(length)}s).", f"已添加{count}处{named}转场({seconds(length)}秒)。")
    else:
        context.say("There is no cut to put a transition on.", "没有可以添加转场的剪辑点。")


def _usual_length_ms(count: int) -> int:
    """Many cuts get quick transitions: they must not eat the video up, nor hold too many frames at once."""
    return min(_TRANSITION_MS, max(_QUICK_MS, _ALL_TRANSITIONS_MS // max(1, count)))


def remove_effects(context: EditContext, *, fades: bool) -> None:
    """Take the fades of the whole, or the transitions, out."""
    for segment in context.main:
        for name in ("fade_in", "fade_out") if fades else ("transition",):
            segment["m"].pop(name, None)
    lay_out(context.draft)
    what, what_zh = ("fades", "淡入淡出") if fades else ("transitions", "转场")
    context.say(f"Removed the {what}.", f"已移除{what_zh}。")


def style_of(words: str) -> str:
    """Name the transition that these words mean; a crossfade where they say nothing."""
    words = words.lower()
    return next((style for style, names in _STYLES.items() if any(name in words for name in names)), "crossfade")


def _split(context: EditContext) -> None:
    """A lone still has nothing to cross over to; a lone film has its scenes, or its middle."""
    main = leading(context.draft)
    only = main[0]
    source = context.media.get(only["src"])
    if source is None or source.kind == "image":
        return
    speed = only["m"].get("speed", 1.0)
    cuts = [0]
    for at in ((scene - only["in"]) / speed for scene in source.scenes_ms):
        if at - cuts[-1] >= _SHORTEST_SCENE_MS and only["d"] - at >= _SHORTEST_SCENE_MS:
            cuts.append(round(at))
    inner = cuts[1:] or [only["d"] // 2]
    edges = [0, *inner, only["d"]]
    main[:] = [_without_fades(part(only, a, b), a > 0, b < only["d"]) for a, b in pairwise(edges)]


def _without_fades(segment: Segment, starts_inside: bool, ends_inside: bool) -> Segment:
    kept = deepcopy(segment)
    if starts_inside:
        kept["m"].pop("fade_in", None)
    if ends_inside:
        kept["m"].pop("fade_out", None)
    return kept


def fade(context: EditContext, ask: Ask) -> None:
    """Fade the whole in from black, out to black, or both."""
    way, length = detail(ask, "way").lower(), context.ms(ask, "length", _FADE_MS)
    length = min(length, context.total_ms // 2)
    fades_out = any(word in way for word in ("out", "to black", "出"))
    fades_in = any(word in way for word in ("in", "from black", "入")) and not (
        "ending" in ask.details and not fades_out
    )
    if fades_in:
        context.main[0]["m"]["fade_in"] = length
        context.say(f"Added a {seconds(length)}s fade-in.", f"已添加{seconds(length)}秒淡入。")
    if fades_out:
        context.main[-1]["m"]["fade_out"] = length
        context.say(f"Added a {seconds(length)}s fade-out.", f"已添加{seconds(length)}秒淡出。")


def change_speed(context: EditContext, ask: Ask) -> None:
    """Play the whole faster or slower, with its titles in step; music keeps its pace."""
    times = _within_bounds(context, _times(ask))
    for segment in context.main:
        segment["m"]["speed"] = round(segment["m"].get("speed", 1.0) * times, 3)
        segment["d"] = round(segment["d"] / times)
    for segment in segments(context.draft, TEXT) + _placed_sounds(context):
        segment["st"], segment["d"] = round(segment["st"] / times), round(segment["d"] / times)
    lay_out(context.draft)
    word, word_zh = ("faster", "加速") if times > 1 else ("slower", "减速")
    context.say(f"Made it {word}: {times:g}x speed, now {seconds(context.total_ms)}s.", f"已{word_zh}到{times:g}倍速。")


def _within_bounds(context: EditContext, times: float) -> float:
    """What is fast already takes less: the length must fit the speed, or a part would be left out."""
    speeds: list[float] = [segment["m"].get("speed", 1.0) for segment in context.main]
    return min(_FASTEST / max(speeds), max(_SLOWEST / min(speeds), times))


def _placed_sounds(context: EditContext) -> list[Segment]:
    """List the user's sounds that lie below pictures."""
    if not segments(context.draft, VIDEO):
        return []
    return [s for s in segments(context.draft, AUDIO) if not s["m"].get("loop") and not s["src"].startswith(MUSIC_SRC)]


def _times(ask: Ask) -> float:
    """Read how many times as fast it shall be, between 0.25 and 8."""
    way = detail(ask, "way").lower()
    is_slower = any(word in way for word in ("slow", "half", "halve", "慢", "减速"))
    return min(_FASTEST, max(_SLOWEST, _wished(ask, way, is_slower)))


def _wished(ask: Ask, way: str, is_slower: bool) -> float:
    if words := detail(ask, "times"):
        times = _CHINESE_TIMES.get(words) or float(words)
        return 1 / times if is_slower and times > 1 else times or 1.0
    if words := detail(ask, "by"):
        return 1 + (-1 if is_slower else 1) * min(int(words), 90 if is_slower else 700) / 100
    if words := detail(ask, "at"):
        return int(words) / 100 or 1.0
    if "twice" in way or "double" in way:
        return 0.5 if is_slower else 2.0
    if not is_slower:
        return _FASTER
    return (
        _SLOW_MOTION if any(word in way for word in ("motion", "mo", "half", "halve", "慢动作", "慢镜头")) else _SLOWER
    )

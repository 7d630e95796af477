"""Edits that take time out: the ends, a stretch, the pauses, all beyond a length; and joining. Pure.

All of them say which stretches of the timeline go, and `_remove` takes those out of picture, sound and titles alike.
"""

import re
from collections.abc import Iterable

from sandbox.edits.context import EditContext, clock, detail, seconds
from sandbox.edits.reading import Ask
from sandbox.edits.timeline import TEXT, Segment, lay_out, part, segments

Span = tuple[int, int]

#: What is left of a pause on both its sides, so that no word is clipped.
_BREATH_MS = 50
_SHORTEST_PAUSE_MS = 300
#: What a plain "trim" takes off each end where there is no silence.
_TRIM_MS = 500
_TRIM_SHARE = 0.05
_LEAST_LEFT_MS = 100


def trim_first(context: EditContext, ask: Ask) -> None:
    """Take the first seconds off."""
    length = context.ms(ask, "length", 0)
    if _remove(context, [(0, length)]):
        context.say(f"Trimmed the first {seconds(length)}s.", f"已剪掉开头{seconds(length)}秒。")


def trim_last(context: EditContext, ask: Ask) -> None:
    """Take the last seconds off."""
    length, total = context.ms(ask, "length", 0), context.total_ms
    if _remove(context, [(total - length, total)]):
        context.say(f"Trimmed the last {seconds(length)}s.", f"已剪掉结尾{seconds(length)}秒。")


def keep_first(context: EditContext, ask: Ask) -> None:
    """Keep the first seconds alone."""
    _keep(context, (0, context.ms(ask, "length", 0)))


def keep_last(context: EditContext, ask: Ask) -> None:
    """Keep the last seconds alone."""
    _keep(context, (context.total_ms - context.ms(ask, "length", 0), context.total_ms))


def keep(context: EditContext, ask: Ask) -> None:
    """Keep one stretch alone."""
    _keep(context, span_of(context, detail(ask, "span")))


def cut_range(context: EditContext, ask: Ask) -> None:
    """Take one stretch out; "from 60 to 30 seconds" is a length to come down to."""
    start, end = span_of(context, detail(ask, "span"))
    if end < start:
        _shorten(context, end)
    elif _remove(context, [(start, end)]):
        context.say(f"Cut out {clock(start)}-{clock(end)}.", f"已剪掉{clock(start)}到{clock(end)}的部分。")


def cut_to(context: EditContext, ask: Ask) -> None:
    """Come down to a length."""
    _shorten(context, context.ms(ask, "length", 0))


def cut_pauses(context: EditContext, _: Ask) -> None:
    """Take the silent stretches out."""
    found = [span for segment in context.main for span in _pauses(context, segment)]
    if not found:
        context.say("I found no pauses to cut.", "没有找到可以剪掉的停顿。")
        return
    before = context.total_ms
    if _remove(context, found):
        gone = seconds(before - context.total_ms)
        context.say(f"Cut {len(found)} silent pauses ({gone}s removed).", f"已剪掉{len(found)}处停顿(共{gone}秒)。")


def trim(context: EditContext, _: Ask) -> None:
    """Tidy both ends: the silence there goes, or half a second where there is none."""
    if not context.main:
        return
    total = context.total_ms
    pauses = [span for segment in context.main for span in _pauses(context, segment)]
    small = min(_TRIM_MS, int(total * _TRIM_SHARE))
    head = next((end for start, end in pauses if start <= _BREATH_MS), small)
    tail = next((start for start, end in reversed(pauses) if end >= total - _BREATH_MS), total - small)
    if _remove(context, [(0, head), (tail, total)]):
        context.say(
            f"Trimmed {seconds(head)}s off the start and {seconds(total - tail)}s off the end.",
            f"已修剪开头{seconds(head)}秒和结尾{seconds(total - tail)}秒。",
        )


def join(context: EditContext, _: Ask) -> None:
    """Say that the clips are one video: they were put on one track as they came."""
    count = len(context.main)
    if count > 1:
        context.say(f"Joined {count} clips into one video.", f"已将{count}个片段合并为一个视频。")


def span_of(context: EditContext, words: str) -> Span:
    """Read ``‹0› to ‹1›`` or ``5-10``."""
    first, second = re.findall(r"‹\d+›|\d+(?:\.\d+)?", words)[:2]
    return context.told.ms(first), context.told.ms(second)


def _shorten(context: EditContext, length: int) -> None:
    total = context.total_ms
    if total <= length:
        context.say(
            f"The video is {seconds(total)}s, already within {seconds(length)}s.",
            f"视频为{seconds(total)}秒,无需再剪。",
        )
    elif _remove(context, [(length, total)]):
        context.say(
            f"Cut the video down to {seconds(length)}s (from {seconds(total)}s).", f"已将视频剪到{seconds(length)}秒。"
        )


def _keep(context: EditContext, span: Span) -> None:
    start, end = span
    if _remove(context, [(0, start), (end, context.total_ms)]):
        context.say(f"Kept {clock(start)}-{clock(end)} alone.", f"只保留了{clock(start)}到{clock(end)}的部分。")


def _pauses(context: EditContext, segment: Segment) -> list[Span]:
    """List a segment's silent stretches on the timeline, a breath kept next to each word."""
    source, speed = context.media.get(segment["src"]), segment["m"].get("speed", 1.0)
    if source is None or not source.has_audio:
        return []
    first, last = segment["in"], segment["in"] + segment["d"] * speed
    inside = ((max(first, a), min(last, b), a, b) for a, b in source.silences_ms if a < last and b > first)
    spans = [
        (a if whole_a <= first else a + _BREATH_MS, b if whole_b >= last else b - _BREATH_MS)
        for a, b, whole_a, whole_b in inside
    ]
    at = segment["st"]
    return [
        (round(at + (a - first) / speed), round(at + (b - first) / speed))
        for a, b in spans
        if b - a >= _SHORTEST_PAUSE_MS
    ]


def _remove(context: EditContext, spans: Iterable[Span]) -> bool:
    """Take stretches out of the timeline; tells whether there was anything to take, and something is left."""
    gone = _merged((max(0, a), min(b, context.total_ms)) for a, b in spans)
    main = context.main
    left = [piece for segment in main for piece in _outside(segment, gone)]
    if sum(piece["d"] for piece in left) < _LEAST_LEFT_MS:
        context.say(
            "That cut would leave nothing, so I left the timeline as it is.", "这样剪就没有内容了,所以没有改动。"
        )
        return False
    if not gone:
        context.say("There is nothing at that place to cut.", "该位置没有可以剪掉的内容。")
        return False
    fade_in, fade_out = main[0]["m"].get("fade_in"), main[-1]["m"].get("fade_out")
    main[:] = left
    _fade_ends(main, fade_in, fade_out)
    _ripple(segments(context.draft, TEXT), gone)
    lay_out(context.draft)
    return True


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for a, b in sorted(span for span in spans if span[1] > span[0]):
        if merged and a <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(b, merged[-1][1]))
        else:
            merged.append((a, b))
    return merged


def _fade_ends(main: list[Segment], fade_in: int | None, fade_out: int | None) -> None:
    """The fades of the whole belong to its first and last segment, whichever these are now."""
    for segment in main:
        segment["m"].pop("fade_in", None)
        segment["m"].pop("fade_out", None)
    if fade_in:
        main[0]["m"]["fade_in"] = fade_in
    if fade_out:
        main[-1]["m"]["fade_out"] = fade_out


def _outside(segment: Segment, gone: list[Span]) -> list[Segment]:
    start, end = segment["st"], segment["st"] + segment["d"]
    edges = [start, *(edge for a, b in gone if a < end and b > start for edge in (max(a, start), min(b, end))), end]
    kept = [(edges[k], edges[k + 1]) for k in range(0, len(edges), 2)]
    return [part(segment, a - start, b - start) for a, b in kept if b > a]


def _ripple(texts: list[Segment], gone: list[Span]) -> None:
    """Move titles to where their moment is now."""
    for text in texts:
        start, end = (_moved(at, gone) for at in (text["st"], text["st"] + text["d"]))
        text["st"], text["d"] = start, end - start


def _moved(at: int, gone: list[Span]) -> int:
    return at - sum(min(at, b) - a for a, b in gone if a < at)

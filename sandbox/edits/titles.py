"""Edits that put words on the picture: titles and captions. Pure."""

import re
from typing import Any

from sandbox.edits.context import EditContext, detail, seconds
from sandbox.edits.cuts import span_of
from sandbox.edits.reading import Ask
from sandbox.edits.timeline import TEXT, Segment, put, track

_TITLE_MS = 3000
_SHORTEST_MS = 500
_FADE_IN_MS = 1000
_LONG_TEXT = 42
_SENTENCE = re.compile(r"(?:[^.!?。！？\n]|\.(?=\w))+[.!?。！？]*[\"”」』]?")

_REPLACING = re.compile(r"\b(?:change|replace|update)\b|改|换", re.IGNORECASE)
_COLORS_ZH = {
    "白": "white",
    "黄": "yellow",
    "红": "red",
    "蓝": "blue",
    "绿": "green",
    "黑": "black",
    "橙": "orange",
    "粉": "pink",
    "金": "gold",
    "紫": "purple",
    "灰": "gray",
}
_DOWN = (("top", ("top", "upper", "上", "顶")), ("bottom", ("bottom", "lower", "下", "底")))
_ACROSS = (("left", ("left", "左")), ("right", ("right", "右")))


def add_title(context: EditContext, ask: Ask) -> None:
    """Put a title, or captions, on the picture. Several texts in one ask follow one another."""
    texts, what = texts_of(context, ask), detail(ask, "what").lower()
    if any(word in what for word in ("caption", "subtitle", "字幕")):
        _add_captions(context, ask, [sentence for text in texts for sentence in sentences(text)])
        return
    if _REPLACING.search(ask.words):
        _take_off(context, "Title")
    start, length = _when(context, ask)
    for number, text in enumerate(texts):
        _say_title(
            context,
            _add(context, "Title", text, (start + number * length, length), _manner(context, ask, text, "center")),
        )


def sentences(text: str) -> list[str]:
    """Cut a text into its sentences, in any of both languages."""
    return [found.strip() for found in _SENTENCE.findall(text) if found.strip()]


def remove_words(context: EditContext, *, captions_only: bool) -> None:
    """Take titles and captions, or the captions alone, off the picture."""
    gone = _take_off(context, "Captions")
    if not captions_only:
        gone |= _take_off(context, "Title")
    if gone:
        context.say("Removed the text.", "已移除文字。")
    else:
        context.say("There is no text to remove.", "没有文字可以移除。")


def _take_off(context: EditContext, name: str) -> bool:
    """Drop a track of words; tells whether there was one."""
    kept = [one for one in context.draft["t"] if one["tt"] != TEXT or one["m"]["name"] != name]
    gone = len(kept) < len(context.draft["t"])
    context.draft["t"] = kept
    return gone


def caption(context: EditContext, texts: list[str], start: int, length: int, manner: dict[str, Any]) -> None:
    """Spread texts over a stretch of the timeline, longer ones for longer."""
    weights = [max(10, len(text)) for text in texts]
    at, done = start, 0
    for text, weight in zip(texts, weights, strict=True):
        done += weight
        end = start + length * done // sum(weights)
        _add(context, "Captions", text, (at, end - at), manner)
        at = end


def _add_captions(context: EditContext, ask: Ask, texts: list[str]) -> None:
    is_timed = any(detail(ask, name) for name in ("span", "begin", "length", "ending", "opening"))
    start, length = _when(context, ask) if is_timed else (0, context.total_ms)
    manner = _manner(context, ask, "", "bottom-center") | {"style": {"color": _color(ask), "size": "small"}}
    caption(context, texts, start, length, manner)
    count, quoted = len(texts), f'"{texts[0]}"' if texts else ""
    more, more_zh = (f" and {count - 1} more", f"等{count}条") if count > 1 else ("", "")
    context.say(
        f"Captions added: {quoted}{more} ({seconds(length)}s).",
        f"已添加字幕:{quoted}{more_zh}(共{seconds(length)}秒)。",
    )


def texts_of(context: EditContext, ask: Ask) -> list[str]:
    """List the texts that a title or a caption was asked to show."""
    if words := detail(ask, "words"):
        return [context.told.original(words).strip(" \"'“”.")] if "\n" not in words else [context.told.original(words)]
    return [context.told.texts[int(number)] for number in re.findall(r"«(\d+)»", detail(ask, "texts"))]


def _when(context: EditContext, ask: Ask) -> tuple[int, int]:
    """Read where a title starts and how long it stays, kept within the timeline."""
    total = context.total_ms
    if detail(ask, "throughout"):
        return 0, total
    if span := detail(ask, "span"):
        start, end = sorted(span_of(context, span))
        return _within(start, end - start, total)
    length = min(context.ms(ask, "length", _TITLE_MS), total)
    start = total - length if detail(ask, "ending") else context.ms(ask, "begin", 0)
    return _within(start, length, total)


def _within(start: int, length: int, total: int) -> tuple[int, int]:
    start = max(0, min(start, total - _SHORTEST_MS))
    return start, min(length, total - start)


def _manner(context: EditContext, ask: Ask, text: str, default_position: str) -> dict[str, Any]:
    size = (
        "small" if re.search(r"small|tiny|小", detail(ask, "size")) else "medium" if len(text) > _LONG_TEXT else "large"
    )
    manner: dict[str, Any] = {
        "position": _position(detail(ask, "position"), default_position),
        "style": {"color": _color(ask), "size": size},
    }
    if fading := detail(ask, "fading"):
        manner["fade_in"] = context.told.ms(fading[: fading.index("›") + 1]) if "›" in fading else _FADE_IN_MS
    return manner


def _color(ask: Ask) -> str:
    words = detail(ask, "color").lower()
    return _COLORS_ZH.get(words[:1], words or "white")


def _position(words: str, default: str) -> str:
    """Read ``upper left`` or ``左上角`` as ``top-left``."""
    if not words:
        return default
    down = next((name for name, known in _DOWN if any(word in words.lower() for word in known)), "")
    across = next((name for name, known in _ACROSS if any(word in words.lower() for word in known)), "center")
    return f"{down}-{across}" if down else across


def _add(context: EditContext, name: str, text: str, when: tuple[int, int], manner: dict[str, Any]) -> Segment:
    m = {"name": name, "text": text, **manner}
    return put(context.draft, track(context.draft, TEXT, name), {"st": when[0], "d": when[1], "m": m})


def _say_title(context: EditContext, title: Segment) -> None:
    m, start, end = title["m"], seconds(title["st"]), seconds(title["st"] + title["d"])
    where = f"{m['style']['color']}, {m['position']}, {start}-{end}s"
    context.say(f'Title added: "{m["text"]}" ({where}).', f"已添加标题:“{m['text']}”({start}-{end}秒)。")

"""Edits of how the picture looks: filters, aspect ratio and crop. Pure."""

import re

from sandbox.edits.context import EditContext, detail
from sandbox.edits.reading import Ask
from sandbox.edits.timeline import VIDEO, segments

_LOOKS = {
    "black_white": ("black-white", "black and white", "黑白"),
    "warm": ("warm", "warmer", "暖色"),
    "cool": ("cool", "cooler", "冷色"),
    "bright": ("bright", "brighter", "更亮"),
}
_SHORT_SIDE_PX = 1080
_NAMED_RATIOS = {
    "9:16": ("vertical", "portrait", "tik", "reel", "short", "stor", "竖"),
    "16:9": ("landscape", "horizontal", "widescreen", "youtube", "横"),
    "1:1": ("square", "方"),
}


def change_look(context: EditContext, ask: Ask) -> None:
    """Put a filter on the whole picture, once."""
    name = next(key for key in _LOOKS if key in ask.details)
    look, english, chinese = _LOOKS[name]
    for segment in segments(context.draft, VIDEO):
        looks = [other for other in segment["m"].get("look", []) if other != look]
        segment["m"]["look"] = [*looks, look]
    context.say(f"Made the picture {english}.", f"画面已调为{chinese}。")


def remove_looks(context: EditContext) -> None:
    """Take all filters off."""
    for segment in segments(context.draft, VIDEO):
        segment["m"].pop("look", None)
    context.say("Removed the filters.", "已移除滤镜。")


def change_aspect(context: EditContext, ask: Ask) -> None:
    """Give the video another shape: its pictures fill it, cropped, or with bars where that was asked for."""
    ratio = ratio_of(detail(ask, "ratio"))
    fit = "contain" if detail(ask, "fit") else "cover"
    across, down = (int(side) for side in ratio.split(":"))
    short = min(across, down)
    context.draft["m"] |= {"width": _SHORT_SIDE_PX * across // short, "height": _SHORT_SIDE_PX * down // short}
    for segment in segments(context.draft, VIDEO):
        segment["m"]["fit"] = fit
    how, how_zh = ("cropped to fill", "裁剪填满") if fit == "cover" else ("with bars", "保留黑边")
    context.say(f"Changed the aspect ratio to {ratio} ({how}).", f"画面比例已改为{ratio}({how_zh})。")


def ratio_of(words: str) -> str:
    """Read ``9 x 16``, ``vertical`` or ``竖屏`` as ``9:16``."""
    words = words.lower()
    if words[0].isdecimal():
        return ":".join(re.findall(r"\d+", words))
    return next(ratio for ratio, names in _NAMED_RATIOS.items() if any(name in words for name in names))

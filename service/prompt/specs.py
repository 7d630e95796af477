"""Extracts resolution, format, quality and aspect ratio from a prompt's clauses.

In a request for the file every such word counts. In an edit it counts only where it says what the video shall become
(`turn it into a webm`), not what it is (`sharpen my 720p footage`) nor what it shows (`add a 4k badge`).
"""

import math
import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from core.model.plan import ASPECT_RATIOS
from service.prompt.clauses import Clause
from service.prompt.intent import Intent
from service.prompt.lexer import Lexeme
from service.prompt.lexicon import WordClass, words_in

_NAMING = frozenset({Intent.EXPORT, Intent.SPEC})
_IN_EDIT = frozenset({WordClass.ASPECT, WordClass.RESOLUTION, WordClass.FORMAT})
_SPECIFIC = _IN_EDIT | {WordClass.QUALITY}
_T = TypeVar("_T")
_RATIO_OF_WORD = {
    **dict.fromkeys(("vertical", "portrait", "竖屏", "竖版", "9x16"), "9:16"),
    **dict.fromkeys(("horizontal", "landscape", "widescreen", "横屏", "横版", "宽屏", "16x9"), "16:9"),
    **dict.fromkeys(("square", "方形", "正方形", "方屏"), "1:1"),
    **{ratio: ratio for ratio in ASPECT_RATIOS},
}
_LINES_OF_WORD = {
    **dict.fromkeys(("full hd", "fhd", "全高清"), 1080),
    **dict.fromkeys(("uhd", "ultra hd", "超清", "4k", "5k"), 2160),
    "2k": 1440,
    "8k": 4320,
}
_QUALITY_SIGNS = (("low", ("low", "draft", "低", "标清")), ("medium", ("medium", "standard", "normal", "中", "标准")))
_BECOMES = words_in("in at to as into it be go make 成 为 到 用 以 改成 改为 换成 转成 转为 变成 调成")
_IS_ALREADY = words_in(
    """
    my the this these our from your of is are was were it's it’s currently current originally original source 的 我的 这是 是
    当前 目前 现在"""
)
_TURNS = words_in("to into 成 为 到 转 换成 转成 转为 改成 改为 变成 转换")
_INPUTS = words_in("my our your from currently current originally original source 我的 当前 目前 现在 从")
#: What they take is put into the film, or is in it: `add a 480p clip at the end`, `remove a vertical clip`.
_HANDLES = words_in(
    """
    add insert overlay append prepend use place put include attach superimpose remove delete replace trim cut merge combine
    join blur import 加 加入 插入 添加 叠加 放 删除 替换 合并"""
)
#: A ratio behind these is a time or a score: `remove everything after 16:9`, `在9:16处`.
_TIMED = words_in(
    """
    after before until till since between around minute timestamp time clock score scored result ended won lost draw 在 分 第"""
)
_NEAR = 3
_TIMED_BY = words_in("am pm a.m p.m o'clock 处 分 秒 时 点 的时候 之后 之前 以后 以前 后 前")
#: `改成9:16之后导出`
_SHAPED = words_in("成 为 改成 改为 换成 转成 转为 变成 调成 做成")
_RANGE = words_in("to until till and a à bis 到 至 和")
#: `keep it at 16:9`, and not `add a title at 9:16`
_FRAMES_IT = words_in("make keep crop resize reframe set frame leave be is 改 保持 做成")
_ARTICLES = frozenset({"a", "an", "个"})
#: e.g. 2560x1080 and 21:9
_SAME_SHAPE = 0.03
_FRAME_RATE = re.compile(r"(?<=[pk])\d{2,3}(?:fps)?$")
_DIGITS = re.compile(r"\d+")
_FRAMES = words_in("format mode orientation version crop layout aspect 模式 格式 版 视频 画面")


class Specs(msgspec.Struct, frozen=True):
    """What a prompt names, the first of each kind; `resolution` as lines of the shorter side: ``1080``."""

    resolution: int | None = None
    format: str | None = None
    quality: str | None = None
    aspect_ratio: str | None = None
    #: The aspect ratio that stands in an edit, so that the message names it by itself.
    aspect_in_edit: str | None = None


def extract_specs(clauses: Sequence[Clause], intents: Sequence[Intent]) -> Specs:
    """Collect what the clauses name; a request for the file goes before an edit."""
    asked: list[Lexeme] = []
    inside: list[Lexeme] = []
    for clause, intent in zip(clauses, intents, strict=True):
        if intent in _NAMING:
            asked += _less_what_is(clause.content)
        elif intent is Intent.EDIT:
            inside += _targets(clause.content)
    if not asked and not inside:
        return Specs()
    lexemes = [*asked, *inside]
    ratio_in_edit = _last_ratio(inside)
    return Specs(
        resolution=_first(_lines(lexeme) for lexeme in lexemes if lexeme.word_class is WordClass.RESOLUTION),
        format=_first(
            "jpg" if lexeme.text == "jpeg" else lexeme.text
            for lexeme in lexemes
            if lexeme.word_class is WordClass.FORMAT
        ),
        quality=_first(_quality(lexeme.text) for lexeme in lexemes if lexeme.word_class is WordClass.QUALITY),
        aspect_ratio=ratio_in_edit or _last_ratio(lexemes),
        aspect_in_edit=ratio_in_edit,
    )


def _first(values: Iterable[_T | None]) -> _T | None:
    return next((value for value in values if value is not None), None)


def _last_ratio(lexemes: Sequence[Lexeme]) -> str | None:
    ratios = [_ratio(lexeme) for lexeme in lexemes]
    return next((ratio for ratio in reversed(ratios) if ratio), None)


def _ratio(lexeme: Lexeme) -> str | None:
    if lexeme.word_class is WordClass.RESOLUTION and "x" in lexeme.text:
        return _ratio_of_size(*_size(lexeme.text))
    return _RATIO_OF_WORD.get(lexeme.text) if lexeme.word_class is WordClass.ASPECT else None


def _ratio_of_size(width: int, height: int) -> str | None:
    """Read ``1080x1350`` as 4:5; a size as wide as most screens says the resolution alone, an odd wide one too."""
    nearest = min(ASPECT_RATIOS, key=lambda ratio: _distance(ratio, width, height))
    is_told = height > width or _distance(nearest, width, height) < _SAME_SHAPE
    return nearest if is_told and nearest != "16:9" else None


def _distance(ratio: str, width: int, height: int) -> float:
    across, _, down = ratio.partition(":")
    return abs(math.log(max(width, 1) * int(down) / (max(height, 1) * int(across))))


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


def _lines(lexeme: Lexeme) -> int | None:
    """Read ``1080p60``, ``1920x1080``, ``4k60`` as the lines of the shorter side."""
    text = _FRAME_RATE.sub("", lexeme.text.replace(" ", ""))
    if text in _LINES_OF_WORD or lexeme.text in _LINES_OF_WORD:
        return _LINES_OF_WORD.get(text) or _LINES_OF_WORD[lexeme.text]
    if "x" in text:
        return min(_size(text))
    match = _DIGITS.match(text)
    return int(match.group()) if match else None


def _quality(text: str) -> str:
    found = (name for name, signs in _QUALITY_SIGNS if any(sign in text for sign in signs))
    return next(found, "high")


def _less_what_is(content: Sequence[Lexeme]) -> list[Lexeme]:
    """Pick the words that name a property, without the ``mov`` of ``convert my mov`` and of ``convert mov to mp4``."""
    named = [at for at, lexeme in enumerate(content) if lexeme.word_class in _SPECIFIC]
    turned = {content[at].word_class: at for at in named if at and content[at - 1].text in _TURNS}
    named = [at for at in named if _word_before(content, at) not in _INPUTS]
    return [content[at] for at in named if at >= turned.get(content[at].word_class, 0)]


def _targets(content: Sequence[Lexeme]) -> list[Lexeme]:
    """Pick the words of an edit that name what the video shall become."""
    return [lexeme for at, lexeme in enumerate(content) if lexeme.word_class in _IN_EDIT and _is_target(content, at)]


def _is_target(content: Sequence[Lexeme], at: int) -> bool:
    before = _word_before(content, at)
    following = content[at + 1] if at + 1 < len(content) else None
    if before in _IS_ALREADY or before in _HANDLES or _is_time(content, at) or _is_refused(content, at):
        return False
    if content[at].word_class is WordClass.ASPECT and not content[at].text.isascii():
        return True
    if content[at].text[0].isdigit() and content[at].word_class is WordClass.ASPECT:
        return True
    names_video = following is not None and (
        following.word_class in {WordClass.OBJECT, WordClass.FORMAT} or following.text in _FRAMES
    )
    ends = following is None or following.word_class is not WordClass.CONTENT
    return names_video or (ends and (before in _BECOMES or (at > 0 and content[at - 1].word_class is WordClass.OBJECT)))


def _is_refused(content: Sequence[Lexeme], at: int) -> bool:
    """Tell `don't crop to vertical`."""
    near = [lexeme.word_class for lexeme in content[max(at - _NEAR, 0) : at]]
    return content[at].word_class is WordClass.ASPECT and WordClass.NEGATION in near


def _is_time(content: Sequence[Lexeme], at: int) -> bool:
    """Tell the 9:16 of `cut the scene at 9:16` from that of `crop it to 9:16`."""
    if not content[at].text[0].isdigit() or content[at].word_class is not WordClass.ASPECT:
        return False
    before, words = _word_before(content, at), [lexeme.text for lexeme in content]
    following, next_but_one = [*words[at + 1 :], "", ""][:2]
    ranges = following in _RANGE and next_but_one[:1].isdecimal()
    if before in _SHAPED:
        return False
    if before in _TIMED or following in _TIMED_BY or (ranges and content[at + 2].word_class is not WordClass.ASPECT):
        return True
    return before == "at" and _FRAMES_IT.isdisjoint(words[:at])


def _word_before(content: Sequence[Lexeme], at: int) -> str:
    """Take the word before, but for an article and one more property: ``it`` in ``make it a vertical gif``."""
    for index in range(at - 1, max(at - 4, -1), -1):
        if content[index].text not in _ARTICLES and content[index].word_class not in {
            WordClass.RESOLUTION,
            WordClass.ASPECT,
        }:
            return content[index].text.split()[-1]
    return ""

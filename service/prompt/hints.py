"""Advice on a prompt that was accepted: sentences for the caller, in plain words. Nothing here changes the plan."""

import re
from collections.abc import Iterable, Iterator

from core.media.formats import MEDIUM_OF
from core.profiles import Profile
from service.prompt.lexer import cut_lazily
from service.prompt.lexicon import WordClass, words_in

#: A message of these words alone says that something shall be better, and not what.
_VAGUE = words_in(
    """
    make it look better nicer good great cool awesome amazing nice more professional pro cinematic viral
    edit create generate produce improve enhance fix polish beautify optimize optimise upgrade do something
    your magic best work on clean up please my our the this that these those a an some video videos clip
    clips footage raw file files thing for me us can could you i want would like to with and or so very
    really much bit little way interesting fun engaging pop shine perfect beautiful stunning quality high of
    is be just text images image thanks hi hello 让 使 帮 我 我的 请 把 将 的 这 这个 一下 视频 素材 片子 更
    好 看 好看 美 化 美化 优 优化 剪 辑 剪辑 编 编辑 处 理 处理 一 点 些 制 作 制作 改 进 改进 提 升 提升 专
    业 高 级 酷 炫 做 个 吧 得 变 帮我"""
)
#: In signs; whoever writes more than this says something.
_LONGEST_VAGUE = 500
_LENGTH = re.compile(
    r"\b(?<!\d[.,])(\d{1,4}(?:[.,]\d{1,2})?)[ -]?(seconds?|secs?|s|minutes?|mins?|hours?|hrs?)[ -]"
    r"(?:[a-z]{1,20} ){0,3}(?:recording|footage|clip|vlog|lecture|interview|podcast|webinar|raw)\b",
    re.IGNORECASE,
)
_SECONDS_OF_UNIT = {"s": 1, "m": 60, "h": 3600}


def prompt_hints(message: str | None, profile: Profile, media_formats: Iterable[str | None]) -> Iterator[str]:
    """Collect what would do better next time for this message and media of these formats."""
    if message is not None and _is_vague(message):
        yield f'A concrete request does better than a vague one: try "{profile.typical_ask}".'
    yield from _format_hints(profile, media_formats)
    if message is not None and _names_long_clip(message, profile.short_clip_s):
        yield f"Clips under {_duration(profile.short_clip_s)} go fastest; cut a longer one into parts if time matters."


def _is_vague(message: str) -> bool:
    if len(message) > _LONGEST_VAGUE or _has_plain_word(message):
        return False
    words = (lexeme.text for lexeme in cut_lazily(message) if lexeme.word_class is not WordClass.TAG)
    return all(word in _VAGUE or not any(sign.isalnum() for sign in word) for word in _single(words))


def _has_plain_word(message: str) -> bool:
    """Find, without cutting it, an English word that is not vague: nearly every message has one. One in a tag does not count."""
    words = () if "[[" in message else message.lower().split()
    return any(word not in _VAGUE and word.isascii() and word.isalpha() for word in words)


def _single(phrases: Iterable[str]) -> Iterator[str]:
    for phrase in phrases:
        yield from phrase.split()


def _format_hints(profile: Profile, media_formats: Iterable[str | None]) -> Iterator[str]:
    """Name each format once that is taken, but not among the best of its medium."""
    others = [name for name in dict.fromkeys(media_formats) if name and name not in profile.best_formats]
    if not others:
        return
    media = {MEDIUM_OF[best] for best in profile.best_formats}
    best = ", ".join(name.upper() for name in profile.best_formats)
    for name in others:
        if MEDIUM_OF[name] in media:
            yield f"{name.upper()} files are taken, but {best} work most smoothly."


def _names_long_clip(message: str, short_clip_s: int) -> bool:
    lengths_s = (
        float(count.replace(",", ".")) * _SECONDS_OF_UNIT[unit[0].lower()] for count, unit in _LENGTH.findall(message)
    )
    return any(length_s > short_clip_s for length_s in lengths_s)


def _duration(length_s: int) -> str:
    return f"{length_s // 60} minutes" if length_s > 60 else f"{length_s} seconds"  # noqa: PLR2004 - seconds of a minute

"""Finds what reads as a request for the file, and is text of the film: `from my text: Fresh bread. Download now.`

It stays in the message. Nothing is lost where it was a request all the same: a job exports anyway.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from service.prompt.clauses import PROPERTIES, Clause
from service.prompt.lexer import Lexeme
from service.prompt.lexicon import WordClass, words_in

_TEXT_LABELS = words_in(
    """
    text texts script copy words slogan headline tagline narration voiceover over caption captions cta lines subtitle subtitles
    story description message lyrics poem dialogue title titles heading says say reads 歌词 标题 配音 解说 字幕 文案 文字 台词 脚本 旁白 标语 口号 内容"""
)
#: With these it is clear that the file is meant: `send me the video`, `then export`.
_CLEAR = words_in("me us export exporting render rendering 导出 汇出 渲染 我 发给我 给我")
_FILE = words_in("video videos vid vids clip clips file files movie film footage mp4 视频 影片 文件 成片 片子 短片")
#: A list has no more between its first and its last step.
_LONGEST_LIST = 4


def film_text(clauses: Sequence[Clause], requests: Iterable[int]) -> set[int]:
    """Find those of the requests, named by their places, that are text of the film: calls to action in a text that the
    prompt gives, and the `export` of `with the steps upload, edit, export`.
    """
    begin = where_text_begins(clauses)
    return {at for at in requests if (at > begin and _calls_to_action(clauses[at].content)) or _is_step(clauses, at)}


def where_text_begins(clauses: Sequence[Clause]) -> int:
    """Find the first clause that gives the film's text; the end where none does."""
    return next((at for at, clause in enumerate(clauses) if _gives_text(clause)), len(clauses))


def _calls_to_action(words: Sequence[Lexeme]) -> bool:
    if any(lexeme.word_class in PROPERTIES | {WordClass.PLACE} or lexeme.text in _CLEAR for lexeme in words):
        return False
    return any(lexeme.text == "your" for lexeme in words) or not any(lexeme.text in _FILE for lexeme in words)


def _gives_text(clause: Clause) -> bool:
    return any(sign.text == ":" and label.text in _TEXT_LABELS for label, sign in pairwise(clause.lexemes))


def _is_step(clauses: Sequence[Clause], at: int) -> bool:
    """A step is one word, and the steps begin with an upload that somebody else makes."""
    begin = max(0, at - _LONGEST_LIST)
    return len(clauses[at].content) == 1 and any(
        len(clause.content) > 1 and clause.content[-1].word_class is WordClass.UPLOAD and _has_unknown(clause)
        for clause in clauses[begin:at]
    )


def _has_unknown(clause: Clause) -> bool:
    return any(lexeme.word_class is WordClass.CONTENT for lexeme in clause.content)

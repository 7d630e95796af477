"""Finds what reads as a request for the file, and is text of the film: `from my text: Fresh bread. Download now.`

It stays in the message. Nothing is lost where it was a request all the same: a job exports anyway.
"""

import re
from collections.abc import Sequence
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
#: `an app where you can upload photos, edit them and export`, `用户可以上传照片，编辑并导出`
_TELLS_OF_USERS = re.compile(
    r"\b(?:lets (?:you|users|people)|(?<!^)(?<!as )you can|(?<!so )(?<!that )(?:users|customers) can|"
    r"(?:app|tool|software|platform|service|site|website|product) (?:can|where (?:you|users|people|they)))\b"
    r"(?= \w)(?! (?:be|see|hear|read|tell|follow|watch|understand))|"
    r"(?<!让 )(?:用 ?户|客 ?户|顾 ?客)(?: ?们)? ?(?:可以|能)(?! ?[看听读])|"
    r"(?:软 ?件|应 ?用|app|工 ?具|平 ?台|网 ?站|产 ?品) ?(?:可以|能|支 ?持|的? ?功 ?能)"
)
_LONGEST_STEP = 3
#: `our service renders your clips and exports them`
_OF_OTHERS = words_in("exports renders downloads")
_WHAT_THEY_EXPORT = frozenset({WordClass.OBJECT, WordClass.FUNCTION, WordClass.ACCOUNT})
_OF_FILE = PROPERTIES | {WordClass.PLACE}
_FOR_ME = words_in("me us please now 我 发给我 给我 请")
#: A list has no more between its first and its last step.
_LONGEST_LIST = 4


def film_text(clauses: Sequence[Clause], requests: Sequence[int]) -> set[int]:
    """Find those of the requests, named by their places, that are text of the film: calls to action in a text that the
    prompt gives, and the `export` of `with the steps upload, edit, export` and of `where you upload, edit and export`.
    """
    begin = where_text_begins(clauses)
    told = {at for at in requests if _is_step(clauses, at) or _is_told(clauses, at)}
    return told | {at for at in requests if at > begin and _calls_to_action(clauses[at].content)}


def where_text_begins(clauses: Sequence[Clause]) -> int:
    """Find the first clause that gives the film's text; the end where none does."""
    return next((at for at, clause in enumerate(clauses) if _gives_text(clause)), len(clauses))


def _calls_to_action(words: Sequence[Lexeme]) -> bool:
    if any(lexeme.word_class in _OF_FILE or lexeme.text in _CLEAR for lexeme in words):
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


def _is_told(clauses: Sequence[Clause], at: int) -> bool:
    """Tell what the users of an app do from what this service shall do, which says more: `send it to me`, `export in 720p`."""
    content, before = clauses[at].content, clauses[max(0, at - _LONGEST_LIST) : at]
    if content[0].text in _OF_OTHERS and len(content) > 1 and content[1].word_class in _WHAT_THEY_EXPORT:
        return any(map(_has_unknown, before))
    if len(content) > _LONGEST_STEP or not _OF_FILE.isdisjoint([lexeme.word_class for lexeme in content]):
        return False
    return _FOR_ME.isdisjoint([lexeme.text for lexeme in content]) and any(map(_tells_of_users, before))


def _tells_of_users(clause: Clause) -> bool:
    words = " ".join([lexeme.text for lexeme in clause.lexemes])
    return _TELLS_OF_USERS.search(words) is not None and _has_unknown(clause)


def _has_unknown(clause: Clause) -> bool:
    return any(lexeme.word_class is WordClass.CONTENT for lexeme in clause.content)

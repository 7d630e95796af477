"""Splits a clause that is both an edit and a request for the file, and finds the edit that a request hides.

`trim 5 seconds before exporting it as mp4` has no comma, yet comes out as two clauses.
`export the first 10 seconds` asks for an edit: it comes out with words of its own.
"""

import re
from collections.abc import Iterable, Sequence

import msgspec

from core.media.formats import format_of_name
from service.prompt.approval import asks_for_no_edit
from service.prompt.clauses import NO_CONTENT, PROPERTIES, UNKNOWN, Clause, clause_of
from service.prompt.lexer import Lexeme
from service.prompt.lexicon import FIRST_PERSON, WordClass, words_in

_LEAD_IN = frozenset({WordClass.POLITE, WordClass.FUNCTION, WordClass.ACCOUNT})
_BEFORE_VERB = _LEAD_IN | NO_CONTENT
_BEFORE_EXPORT = _LEAD_IN | {WordClass.ASK}
_BETWEEN = NO_CONTENT | {WordClass.FUNCTION, WordClass.ACCOUNT, WordClass.ASK}
_LEADS_ON = frozenset({WordClass.PREPOSITION, WordClass.NEGATION, WordClass.WHEN})
_VIDEO = frozenset({WordClass.OBJECT, WordClass.FORMAT, WordClass.RESOLUTION})
_OBJECTS = PROPERTIES | {WordClass.OBJECT, WordClass.PLACE, WordClass.PREPOSITION, WordClass.WHOLE}
#: After these a word is a name or a likeness, no request: "an export", "the word download", "like a render".
_NO_VERB_AFTER = words_in(
    """
    a an the my our your this that its each every of like called named titled word words says say saying reading reads
    text button label titles title caption captions subtitle something 叫 写 写着 字 的 把 将"""
)
_LETTERING = words_in("says say saying reading reads written titled called named text word words caption title like")
_FAR_AIMS = words_in("to onto for via by through using 到 至 给")
#: `a man exports it`
_TOLD = words_in("exports downloads renders")
_FETCHES = words_in("download 下载")
_HANDS = words_in("send email")
_TO_ME = words_in("me us")
#: What an export button is made of: here `export` is a noun's first half.
_DRAWN = words_in("button icon badge label logo animation text banner screen bar sign sticker 按 图 字 动")
#: After these comes how it shall be: `export it muted`.
#: with these an edit begins of its own: `export in 720p trim the intro`
_EDITS = words_in(
    """
    trim cut add remove delete mute crop make speed slow rotate flip merge join split put replace blur zoom fade insert shorten
    stabilize stabilise turn 剪 加 去 删 换 调 裁 合"""
)
_WHOLE_VIDEO = frozenset({"it", "this", "that", "everything"})
_BESIDE_IT = words_in(
    """
    versions copies variants variations formats subtitles subtitle captions srt vtt transcript thumbnail thumbnails cover
    screenshot screenshots stills poster"""
)
_BESIDE_IT_IN_CHINESE = re.compile(
    r"(?:视频)?的?(?:一[个份张段])?(?:字幕|封面|截图|缩略图|海报)(?:文件|图片)?(?:$|和|及|、|成|为|到)|(?:[两二三四几多]|[2-9])个版本"
)
#: `a video that shows how to export`, `an ad for a site where you can download files`
_HOW = re.compile(
    r"(?:(?:^| )(?:how(?: to)?|(?:how|where) (?:you|i|we|they|users|people)(?: can)?|"
    r"(?:tool|app|site|website|service|software|platform|program|button|link|way) (?:to|for))|"
    r"如 ?何|怎 ?么|怎 ?样|支 ?持|演 ?示|教(?: ?(?:大 ?家|你|您|用 ?户|人))?)(?: ?(?:去|来|才能|可以|能))?$"
)
_FEW = 5
#: when the film is wanted: `export before 5pm`, `export in 10 minutes`
_DUE = re.compile(
    r"(?:before|by|at|on|until|till|after) (?:\d{1,2}(?:[:.]\d{2})? ?(?:am|pm|o'clock)|noon|midnight|"
    r"(?:next )?(?:mon|tues|wednes|thurs|fri|satur|sun)day)|(?:in|within) \d{1,3} ?(?:minutes?|mins?|hours?|hrs?|days?)"
)
#: of the film: `export after 10 seconds`
_MOMENT = re.compile(
    r"(?:the )?(?:\d{1,2}[:：]\d{2}(?:[:：]\d{2})?(?!\d| ?[ap]m)|\d{1,4} ?(?:s|secs?|seconds?|m|mins?|minutes?)\b)"
)
_ALL = words_in("everything all")
#: `export all of it after the captions are added`
_HAPPENS = words_in("is are was were has have i we you when once if")
_BEFORE_NOUN = words_in("the a my our your this")
_BY = words_in("before after until till")
#: behind 时: `导出时长`, `导出时间`
_NO_TIME = words_in("长 间 段 刻 光 代")
_EXCEPT = words_in("except excluding minus apart")
_NUMERALS = frozenset("一二两三四五六七八九十百几半面段部")
_CONDITIONS = words_in("if unless 如果")
_MANNERS = words_in("first draft fast faster soon today tonight please 快 快点 赶紧 赶快")
_TELLERS = (["i"], ["we"], ["they"], ["you"], ["我"], ["我 们"], ["我们"])
_IS = words_in("is are was were has have had will can means makes")
_VERBS = frozenset({"export", "re-export", "reexport", "导出", "导出来"})
_CONVERTS = words_in("convert transcode encode 转换 转成 转为 转码")
_SAVES = words_in("save output deliver 保存 另存为 输出")
_REQUESTING = _VERBS | _FETCHES | _HANDS


def split_requests(clause: Clause) -> list[Clause]:
    """Divide one clause into one to three, unless it asks instead of wanting; every lexeme is in exactly one of them."""
    lexemes = clause.lexemes
    if clause.asks or not _has_content(lexemes):
        return [clause]
    lead = _after_lead_in(lexemes)
    if lexemes[lead].text in _REQUESTING and _is_request(lexemes, lead):
        return _hidden_edit(lexemes, lead)
    if _names_files_alone(lexemes, lead):
        return [clause_of(_as_named(lexemes, at) for at in range(len(lexemes)))]
    if not any(lexeme.word_class is WordClass.EXPORT for lexeme in lexemes):
        return [clause]
    if lexemes[lead].word_class is WordClass.NEGATION and _holds_back(lexemes, lead):
        return [_as_request(lexemes)]
    if lexemes[lead].word_class is WordClass.WHEN:
        return _request_before(lexemes, lead)
    cut = _request_behind(lexemes)
    if cut is None:
        return [clause]
    if _is_label(lexemes, cut):
        return [_as_request(lexemes) if lexemes[cut].word_class is WordClass.NEGATION else clause]
    return [clause_of(lexemes[:cut]), clause_of(lexemes[cut:])]


def _is_label(lexemes: Sequence[Lexeme], cut: int) -> bool:
    """Tell the `tutorial:` of `tutorial: export your photos`, by which what follows is content, unless it is forbidden."""
    at = max((at for at in range(cut) if lexemes[at].text == ":"), default=0)
    if at == 0 or lexemes[at - 1].word_class not in UNKNOWN:
        return False
    others = {lexemes[0].word_class, *(lexeme.word_class for lexeme in lexemes[at : cut + 1])}  # `Hi Bob: please …`
    return WordClass.POLITE not in others and UNKNOWN.isdisjoint([lexeme.word_class for lexeme in lexemes[at:cut]])


def _has_content(lexemes: Iterable[Lexeme]) -> bool:
    return not UNKNOWN.isdisjoint([lexeme.word_class for lexeme in lexemes])


def _after_lead_in(lexemes: Sequence[Lexeme]) -> int:
    lead = 0
    while lead < len(lexemes) - 1 and lexemes[lead].word_class in _BEFORE_VERB:
        lead += 1
    return lead


def _first_unknown(lexemes: Sequence[Lexeme]) -> int:
    return next(index for index, lexeme in enumerate(lexemes) if lexeme.word_class in UNKNOWN)


def _known_tail(lexemes: Sequence[Lexeme]) -> int:
    """Where the run of known words begins that ends the clause."""
    at = len(lexemes)
    while at and lexemes[at - 1].word_class not in UNKNOWN:
        at -= 1
    return at


def _request_before(lexemes: tuple[Lexeme, ...], lead: int) -> list[Clause]:
    """``before exporting trim it``: the edit begins with the first unknown word."""
    cut = _first_unknown(lexemes)
    if any(lexemes[at].word_class is WordClass.EXPORT and not _is_noun(lexemes, at) for at in range(lead, cut)):
        return [clause_of(lexemes[:cut]), clause_of(lexemes[cut:])]
    return [clause_of(lexemes)]


def _holds_back(lexemes: Sequence[Lexeme], lead: int) -> bool:
    """Tell `don't export until I have seen it` from `don't export the intro`."""
    parts = [lexeme.word_class for lexeme in lexemes[lead : _first_unknown(lexemes)]]
    return WordClass.EXPORT in parts and WordClass.WHEN in parts[parts.index(WordClass.EXPORT) :]


def _request_behind(lexemes: Sequence[Lexeme]) -> int | None:
    """Where a request begins that ends an edit: ``… before exporting``, ``… export as mp4``."""
    begin = _known_tail(lexemes)
    if any(lexeme.text in _LETTERING for lexeme in lexemes[:begin]):
        return None
    for at in range(max(begin, 1), len(lexemes)):
        if lexemes[at].word_class is WordClass.EXPORT:
            return None if lexemes[at].text in _TOLD else _verb_or_connector(lexemes, begin, at)
    return None


def _verb_or_connector(lexemes: Sequence[Lexeme], begin: int, at: int) -> int | None:
    if _HOW.search(" ".join(lexeme.text for lexeme in lexemes[max(at - _FEW, 0) : at])):
        return None
    opener = at
    while opener > begin and lexemes[opener - 1].word_class in _BEFORE_EXPORT:
        if lexemes[opener - 1].text in _NO_VERB_AFTER:
            return None
        opener -= 1
    before = lexemes[opener - 1]
    if opener > begin and before.word_class in {WordClass.WHEN, WordClass.NEGATION, WordClass.DONE}:
        return opener - 1
    if before.text in _NO_VERB_AFTER or not any(lexeme.word_class in _OBJECTS for lexeme in lexemes[at + 1 :]):
        return None
    return opener - 1 if opener > begin and before.text in {"to", "for"} else opener


def _is_request(lexemes: Sequence[Lexeme], lead: int) -> bool:
    """``export …`` by itself is one; ``download …`` and ``send me …`` are if they go on from the whole video."""
    unknown, verb = _first_unknown(lexemes), lexemes[lead].text
    if unknown <= lead:
        return False
    if verb in _VERBS:
        return not _is_noun(lexemes, lead) and lexemes[unknown].text not in _DRAWN and not _tells(lexemes, lead)
    fetches = verb in _FETCHES or (verb in _HANDS and lexemes[lead + 1].text in _TO_ME)
    names_video = any(lexeme.word_class in _VIDEO for lexeme in lexemes[lead:unknown])
    goes_on = lexemes[_introduction(lexemes, lead, unknown)].word_class in _LEADS_ON
    return fetches and names_video and goes_on


def _tells(lexemes: Sequence[Lexeme], lead: int) -> bool:
    """Tell `We export coffee` and `Export is easy`, which the film shall say, from a request."""
    before = [lexeme.text for lexeme in lexemes[:lead] if lexeme.word_class not in NO_CONTENT]
    return before in _TELLERS or lexemes[lead + 1].text in _IS


def _is_noun(lexemes: Sequence[Lexeme], at: int) -> bool:
    """Tell `the export has no sound` from a request."""
    return at > 0 and lexemes[at - 1].text in _NO_VERB_AFTER


def _hidden_edit(lexemes: tuple[Lexeme, ...], lead: int) -> list[Clause]:
    """Divide ``export …`` with content: the request, and what would have to be edited for it, if anything."""
    unknown = _first_unknown(lexemes)
    if while_exporting := _time_of_export(lexemes, unknown):
        cut = unknown + while_exporting
        return [_as_request(lexemes[:cut]), clause_of(lexemes[cut:])]
    if any(lexeme.text in _CONDITIONS for lexeme in lexemes[lead:unknown]):
        return [_as_request(lexemes)]  # on what it hangs nobody here can tell: the film is there, or is not used
    intro = _introduction(lexemes, lead, unknown)
    word = lexemes[intro]
    is_file_name = word.word_class is WordClass.PREPOSITION and lexemes[unknown].word_class is not WordClass.CONTENT
    if word.text in _FAR_AIMS or is_file_name or _is_address(lexemes) or _names_place(lexemes, unknown):
        return [_as_request(lexemes)]
    waits = word.word_class is WordClass.WHEN and not _bounds_part(lexemes, intro)
    cut = unknown if waits else _with_its_noun(lexemes, max(intro, lead + 1))
    end = max(_property_tail(lexemes), unknown + 1)
    if waits and _waits_for_caller(lexemes, intro):
        return [_as_request([*lexemes[:intro], _as(lexemes[intro], WordClass.LATER), *lexemes[intro + 1 :]])]
    due = _is_due(lexemes[intro:end]) or (waits and _names_event(lexemes[intro:], lexemes[unknown - 1]))
    if due or asks_for_no_edit(lexemes[cut:end]) or _is_manner(lexemes[cut:end]):
        return [_as_request([*lexemes[:cut], *map(_as_function, lexemes[cut:end]), *lexemes[end:]])]
    again = _request_behind(lexemes[cut:end])
    end = end if again is None else cut + again
    edit = clause_of(lexemes[cut:end], instead="" if waits else _instead(lexemes, cut))
    return [clause_of(lexemes[:cut]), edit, *([clause_of(lexemes[end:])] if end < len(lexemes) else [])]


def _time_of_export(lexemes: Sequence[Lexeme], at: int) -> int:
    """Count the signs of the 前 in ``导出前加字幕``, not in ``导出前10秒``, of ``导出时``, not of ``导出时长30秒``."""
    word, following, *_ = *(lexeme.text[0] for lexeme in lexemes[at : at + 2]), "", ""
    if word == "时" and following == "候":
        return 2 if at + 2 < len(lexemes) else 0
    of_film = following in _NO_TIME if word == "时" else following.isdecimal() or following in _NUMERALS
    return int(word in {"前", "时"} and following != "" and not of_film)


def _bounds_part(lexemes: Sequence[Lexeme], at: int) -> bool:
    """Tell `export until 0:30`, `export everything before the fight` from `export before 5pm`."""
    takes_all = lexemes[at - 1].text in _ALL and _HAPPENS.isdisjoint([lexeme.text for lexeme in lexemes[at:]])
    return takes_all or _MOMENT.match(" ".join(lexeme.text for lexeme in lexemes[at + 1 : at + 4])) is not None


def _as_request(lexemes: Iterable[Lexeme]) -> Clause:
    return clause_of(_without_content(lexeme) for lexeme in lexemes)


def _names_place(lexemes: Sequence[Lexeme], unknown: int) -> bool:
    """Tell `for my YouTube channel`: what is unknown is one run behind a place."""
    known_again = next(
        (at for at in range(unknown, len(lexemes)) if lexemes[at].word_class not in UNKNOWN), len(lexemes)
    )
    return lexemes[unknown - 1].word_class is WordClass.PLACE and not _has_content(lexemes[known_again:])


def _with_its_noun(lexemes: Sequence[Lexeme], cut: int) -> int:
    """Take `clip 2` together, and leave the 的 of `导出视频的前10秒` behind."""
    if lexemes[cut].text == "的" and cut + 1 < len(lexemes):
        return cut + 1
    counted = lexemes[cut].text.isdecimal() and lexemes[cut - 1].word_class is WordClass.OBJECT
    return cut - 1 if counted else cut


def _names_files_alone(lexemes: Sequence[Lexeme], lead: int) -> bool:
    """Tell `convert clip.mov to mp4` and `save as trip.mp4`; a link may be what shall be fetched."""
    named = [at for at, lexeme in enumerate(lexemes) if lexeme.word_class in UNKNOWN]
    if any(lexemes[at].word_class is not WordClass.FILE_NAME or "://" in lexemes[at].text for at in named):
        return False
    converts = lexemes[lead].text in _CONVERTS
    return converts or (lexemes[lead].text in _SAVES and all(_is_aim(lexemes, at) for at in named))


def _is_aim(lexemes: Sequence[Lexeme], at: int) -> bool:
    return at > 0 and (lexemes[at - 1].word_class is WordClass.PREPOSITION or lexemes[at - 1].text == "另存为")


def _as_named(lexemes: Sequence[Lexeme], at: int) -> Lexeme:
    """Make a format of the name behind `to` or `as`, and the video of any other."""
    if lexemes[at].word_class is not WordClass.FILE_NAME:
        return lexemes[at]
    if _is_aim(lexemes, at):
        return _without_content(lexemes[at])
    return msgspec.structs.replace(lexemes[at], word_class=WordClass.OBJECT)


def _without_content(lexeme: Lexeme) -> Lexeme:
    """Make nothing of a far aim, and of ``as holiday.mov`` its format."""
    ending = format_of_name(lexeme.text) if lexeme.word_class is WordClass.FILE_NAME else None
    if ending:
        return msgspec.structs.replace(lexeme, word_class=WordClass.FORMAT, text=ending)
    return _as_function(lexeme) if lexeme.word_class in UNKNOWN else lexeme


def _as_function(lexeme: Lexeme) -> Lexeme:
    return _as(lexeme, WordClass.FUNCTION)


def _as(lexeme: Lexeme, part: WordClass) -> Lexeme:
    return msgspec.structs.replace(lexeme, word_class=part)


def _waits_for_caller(lexemes: Sequence[Lexeme], when: int) -> bool:
    """Tell `export after I approve`."""
    return lexemes[when + 1].text in FIRST_PERSON


def _is_manner(lexemes: Sequence[Lexeme]) -> bool:
    """Tell `export it quickly` from `export the family`."""
    return all(lexeme.text in _MANNERS or (lexeme.text.endswith("ly") and lexeme.text != "only") for lexeme in lexemes)


def _is_due(lexemes: Sequence[Lexeme]) -> bool:
    """Tell `export before 5pm`, which is no edit, from `export 10 minutes`."""
    return _DUE.fullmatch(" ".join(lexeme.text for lexeme in lexemes)) is not None


def _names_event(lexemes: Sequence[Lexeme], article: Lexeme) -> bool:
    """Tell `export it before the meeting` from `export it after the intro is cut` and `after cutting the intro`."""
    words = [lexeme.text for lexeme in lexemes]
    if words[0] not in _BY or article.text not in _BEFORE_NOUN:
        return False
    return _HAPPENS.isdisjoint(words) and not any(word.endswith("ed") for word in words)


def _is_address(lexemes: Sequence[Lexeme]) -> bool:
    return any(lexeme.text == "@" for lexeme in lexemes)


def _introduction(lexemes: Sequence[Lexeme], lead: int, unknown: int) -> int:
    """Find the word that leads to the unknown ones: ``with``, ``for``, an article, the verb itself."""
    at = unknown - 1
    while at > lead and lexemes[at].word_class in _BETWEEN:
        at -= 1
    return at if lexemes[at].word_class in _LEADS_ON else at + 1


def _property_tail(lexemes: Sequence[Lexeme]) -> int:
    """Where ``as mp4 in 720p`` begins at the end of a clause."""
    begin = _known_tail(lexemes)
    leads = (at for at in range(begin, len(lexemes)) if lexemes[at].word_class is WordClass.PREPOSITION)
    first = next(leads, len(lexemes))
    return first if any(lexeme.word_class in PROPERTIES for lexeme in lexemes[first:]) else len(lexemes)


def _adds_to(wanted: Sequence[Lexeme]) -> bool:
    """Tell `export two versions`, `export the subtitles too`, to which the rest need not be cut away."""
    words = [lexeme.text for lexeme in wanted]
    leads = [at for at, lexeme in enumerate(wanted) if lexeme.word_class is WordClass.PREPOSITION]
    return "only" not in words and not _BESIDE_IT.isdisjoint(words[: min(leads, default=len(words))])


def _is_manner_of_film(lexemes: Sequence[Lexeme], cut: int) -> bool:
    """Tell `export muted` from `export selected clips`."""
    names_more = cut + 1 < len(lexemes) and lexemes[cut + 1].word_class in UNKNOWN | {WordClass.OBJECT}
    return lexemes[cut - 1].text in _VERBS and lexemes[cut].text.endswith("ed") and not names_more


def _instead(lexemes: Sequence[Lexeme], cut: int) -> str:
    word, chinese = lexemes[cut], not lexemes[cut - 1].text.isascii() or not lexemes[cut].text.isascii()
    if word.word_class in {WordClass.PREPOSITION, WordClass.NEGATION}:
        return "制作视频，" if chinese else "make the video "
    if word.text in {"a", "an", "一个", "一段", "带"}:
        return "制作" if chinese else "make "
    if chinese and _BESIDE_IT_IN_CHINESE.match("".join(lexeme.text for lexeme in lexemes[cut:])):
        return "制作"
    if not chinese and _adds_to(lexemes[cut:]):
        return "make "
    if word.word_class is WordClass.WHEN:
        return "keep only everything " if lexemes[cut - 1].text in _ALL else "keep only "
    if word.text in _EXCEPT:
        return "keep everything "
    if lexemes[cut - 1].text in _WHOLE_VIDEO or _is_manner_of_film(lexemes, cut):
        return "make the video "
    if word.text in _EDITS:
        return ""
    if word.text == "only":
        return "keep "
    return "只保留" if chinese else "keep only "

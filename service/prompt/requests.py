"""Divides a clause that is both an edit and a request for the file, and finds the edit that a request hides.

`trim 5 seconds before exporting it as mp4` has no comma, yet comes out as two clauses.
`export the first 10 seconds` asks for an edit: it comes out with words of its own.
"""

from collections.abc import Iterable, Sequence

from core.formats import format_of_name
from service.prompt.clauses import NO_CONTENT, PROPERTIES, UNKNOWN, Clause
from service.prompt.lexer import Token
from service.prompt.lexicon import Part, words_in

_LEAD_IN = frozenset({Part.POLITE, Part.GLUE, Part.ACCOUNT})
_OBJECTS = PROPERTIES | {Part.THING, Part.PLACE, Part.IN, Part.WHOLE}
#: After these a word is a name or a likeness, no request: "an export", "the word download", "like a render".
_NO_VERB_AFTER = words_in(
    """
    a an the my our your this that its each every of like called named titled word words says say saying reading reads
    text button label titles title caption captions subtitle something 叫 写 写着 字 的"""
)
_LETTERING = words_in("says say saying reading reads written titled called named text word words caption title like")
_FAR_AIMS = words_in("to onto for via by through using 到 至 给")
_FETCHES = words_in("download 下载")
_HANDS = words_in("send email")
_TO_ME = words_in("me us")
#: What an export button is made of: here `export` is a noun's first half.
_DRAWN = words_in("button icon badge label logo animation text banner screen bar sign sticker 按 图 字 动")
_VERBS = frozenset({"export", "re-export", "reexport", "导出", "导出来"})


def divided(clause: Clause) -> list[Clause]:
    """Divide one clause into one to three, unless it asks instead of wanting; every token is in exactly one of them."""
    tokens = clause.tokens
    if clause.asks or not _has_content(tokens):
        return [clause]
    lead = _after_lead_in(tokens)
    if _is_request(tokens, lead):
        return _hidden_edit(tokens, lead)
    if not any(token.part is Part.EXPORT for token in tokens):
        return [clause]
    if tokens[lead].part is Part.WHEN:
        return _request_before(tokens, lead)
    cut = _request_behind(tokens)
    return [clause] if cut is None else [Clause(tokens[:cut]), Clause(tokens[cut:])]


def _has_content(tokens: Iterable[Token]) -> bool:
    return any(token.part in UNKNOWN for token in tokens)


def _after_lead_in(tokens: Sequence[Token]) -> int:
    lead = 0
    while lead < len(tokens) - 1 and tokens[lead].part in _LEAD_IN | NO_CONTENT:
        lead += 1
    return lead


def _first_unknown(tokens: Sequence[Token]) -> int:
    return next(index for index, token in enumerate(tokens) if token.part in UNKNOWN)


def _known_tail(tokens: Sequence[Token]) -> int:
    """Where the run of known words begins that ends the clause."""
    at = len(tokens)
    while at and tokens[at - 1].part not in UNKNOWN:
        at -= 1
    return at


def _request_before(tokens: tuple[Token, ...], lead: int) -> list[Clause]:
    """``before exporting trim it``: the edit begins with the first unknown word."""
    cut = _first_unknown(tokens)
    if any(tokens[at].part is Part.EXPORT and not _is_noun(tokens, at) for at in range(lead, cut)):
        return [Clause(tokens[:cut]), Clause(tokens[cut:])]
    return [Clause(tokens)]


def _request_behind(tokens: Sequence[Token]) -> int | None:
    """Where a request begins that ends an edit: ``… before exporting``, ``… export as mp4``."""
    begin = _known_tail(tokens)
    if any(token.text in _LETTERING for token in tokens[:begin]):
        return None
    for at in range(max(begin, 1), len(tokens)):
        if tokens[at].part is Part.EXPORT:
            return _verb_or_connector(tokens, begin, at)
    return None


def _verb_or_connector(tokens: Sequence[Token], begin: int, at: int) -> int | None:
    opener = at
    while opener > begin and tokens[opener - 1].part in {Part.GLUE, Part.ACCOUNT, Part.POLITE, Part.ASK}:
        if tokens[opener - 1].text in _NO_VERB_AFTER:
            return None
        opener -= 1
    before = tokens[opener - 1]
    if opener > begin and before.part in {Part.WHEN, Part.NOT, Part.DONE}:
        return opener - 1
    if before.text in _NO_VERB_AFTER or not any(token.part in _OBJECTS for token in tokens[at + 1 :]):
        return None
    return opener - 1 if opener > begin and before.text in {"to", "for"} else opener


def _is_request(tokens: Sequence[Token], lead: int) -> bool:
    """``export …`` by itself is one; ``download …`` and ``send me …`` are if they go on from the whole video."""
    unknown, verb = _first_unknown(tokens), tokens[lead].text
    if unknown <= lead:
        return False
    if verb in _VERBS:
        return not _is_noun(tokens, lead) and tokens[unknown].text not in _DRAWN
    fetches = verb in _FETCHES or (verb in _HANDS and tokens[lead + 1].text in _TO_ME)
    names_video = any(token.part in {Part.THING, Part.FORMAT, Part.RESOLUTION} for token in tokens[lead:unknown])
    goes_on = tokens[_introduction(tokens, lead, unknown)].part in {Part.IN, Part.NOT, Part.WHEN}
    return fetches and names_video and goes_on


def _is_noun(tokens: Sequence[Token], at: int) -> bool:
    """Tell `the export has no sound` from a request."""
    return at > 0 and tokens[at - 1].text in _NO_VERB_AFTER


def _hidden_edit(tokens: tuple[Token, ...], lead: int) -> list[Clause]:
    """Divide ``export …`` with content: the request, and what would have to be edited for it, if anything."""
    unknown = _first_unknown(tokens)
    intro = _introduction(tokens, lead, unknown)
    word = tokens[intro]
    is_file_name = word.part is Part.IN and tokens[unknown].part is not Part.OTHER
    if word.text in _FAR_AIMS or is_file_name or _is_address(tokens):
        return [Clause(tuple(_without_content(token) for token in tokens))]
    cut = unknown if word.part is Part.WHEN else max(intro, lead + 1)
    end = max(_property_tail(tokens), unknown + 1)
    again = _request_behind(tokens[cut:end])
    end = end if again is None else cut + again
    edit = Clause(tokens[cut:end], instead=_instead(tokens, cut))
    return [Clause(tokens[:cut]), edit, *([Clause(tokens[end:])] if end < len(tokens) else [])]


def _without_content(token: Token) -> Token:
    """Make nothing of a far aim, and of ``as holiday.mov`` its format."""
    ending = format_of_name(token.text) if token.part is Part.NAME else None
    if ending:
        return token._replace(part=Part.FORMAT, text=ending)
    return token._replace(part=Part.GLUE) if token.part in UNKNOWN else token


def _is_address(tokens: Sequence[Token]) -> bool:
    return any(token.text == "@" for token in tokens)


def _introduction(tokens: Sequence[Token], lead: int, unknown: int) -> int:
    """Find the word that leads to the unknown ones: ``with``, ``for``, an article, the verb itself."""
    at = unknown - 1
    while at > lead and tokens[at].part in {Part.GLUE, Part.ACCOUNT} | NO_CONTENT:
        at -= 1
    return at if tokens[at].part in {Part.IN, Part.NOT, Part.WHEN} else at + 1


def _property_tail(tokens: Sequence[Token]) -> int:
    """Where ``as mp4 in 720p`` begins at the end of a clause."""
    begin = _known_tail(tokens)
    leads = (at for at in range(begin, len(tokens)) if tokens[at].part is Part.IN)
    first = next(leads, len(tokens))
    return first if any(token.part in PROPERTIES for token in tokens[first:]) else len(tokens)


def _instead(tokens: Sequence[Token], cut: int) -> str:
    word, chinese = tokens[cut], not tokens[cut - 1].text.isascii() or not tokens[cut].text.isascii()
    if word.part in {Part.IN, Part.NOT}:
        return "制作视频，" if chinese else "make the video "
    if tokens[cut - 1].part is Part.WHEN:
        return ""
    if word.text in {"a", "an", "一个", "一段", "带"}:
        return "制作" if chinese else "make "
    return "只保留" if chinese else "keep only "

"""Finds questions about an action: they are answered, and what they ask about is not done.

`would exporting this use up credits?` holds the words of a request for a file, and is none. A question "to you" that
is a wish in polite words (`could you export this?`) is a request; what a film shall ask (`what is photosynthesis?`) is
content. Called before clauses are divided.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

from core.traditional_chinese import simplified
from service.prompt.clauses import UNKNOWN, Asks, Clause
from service.prompt.lexicon import WordClass, words_in

#: What may stand before a question: a greeting, a reason for it, words that lead to it. The signs behind each of them are taken
#: one way (`}+`): whatever follows begins with a word, and all the ways to share them out took fifty times as long.
_LEAD = (
    r"(?:\W{0,3}(?:hi|hello|hey|ok|okay|so|well|and|but|also|oh|wait|btw|by the way|please|pls|plz|sorry|hmm?|um|now|then|or|"
    r"(?:(?:i|we)(?:['’]?ve| have)(?: got)? )?(?:just |a |one |another |quick |small ){0,3}"
    r"(?:questions?|q|asking|wondering|curious|checking)|"
    r"(?:i|we)(?:['’]?m| am| was|['’]re| were)? (?:just )?(?:wonder(?:ing)?|curious|asking)(?: about)?|"
    r"(?:do you |does anyone |you )?know|any idea|may i ask|can i ask|"
    r"(?:i|we)(?:['’]d| would)? (?:like|want|need|love) to (?:know|ask|check|find out)|"
    r"(?:(?:can|could|would|will) you (?:please |kindly )?)?(?:tell|let) (?:me|us)(?: know)?|"
    r"(?:(?:can|could|would|will) you (?:please |kindly )?)?(?:check|say|explain|show (?:me|us)|look up)|"
    r"(?:if|when|before|after|once|suppose|assuming) [^,:;]{1,80}[,:]|before i (?:start|begin|pay|order)\w{0,3})"
    r"(?:\W{1,3}+|(?=[\u3400-\u9fff]))){0,6}\W{0,3}"
)
_VERBED = r"(?:export|download|render|upload|add|cut|trim|edit|mak|creat|remov|generat|us|do|chang|convert|sav)ing"
_SUBJECT = (
    rf"(?:i|we|it|this|that|these|those|they|there|the|my|our|your|an?|one|each|every|all|any|both|credits?|balance|"
    rf"exports?|downloads?|renders?|{_VERBED})\b"
)
_FORMS = (
    r"how to (?:export|download|render)(?: (?:it|this|that|(?:the|my|a) (?:video|clip|film|file)|videos?))?\W{0,3}$",
    r"how (?:many|much|long|far|big|large|soon|expensive)\b",
    r"how (?:do|can|could|should|would|will|does|is|are|did) (?:i|we|it|this|that|the|my|an?|one|you)\b",
    r"(?:what|which)(?:['’]?s)?\b(?! (?:a|an)\b)|what an? [^,;.?!]{1,40}\bcosts?\b",
    r"(?:when|why|where) (?:is|are|was|were|do|does|did|will|would|can|could|should|has|have|isn['’]?t|can['’]?t)\b",
    r"(?:(?<=know )|(?<=tell me )|(?<=check )|(?<=wonder )|(?<=wondering ))(?:whether|if)\b(?! you (?:could|can|would|will|might|may)\b)",
    (
        rf"(?:is|are|was|were|does|did|has|will|would|should|might|must|am|isn['’]?t|doesn['’]?t|won['’]?t|can['’]?t|"
        rf"hasn['’]?t|can|could|may) {_SUBJECT}"
    ),
    r"(?:do|have|had) (?:i|we|they)\b",
    (
        r"(?:do|does|did|will|would) (?!it|an?\b|the|this|that|some|my|your|not)(?:\w{2,20} ){1,2}"
        r"(?:cost|take|use|need|expire|charge|include|count|have)\b"
    ),
    r"(?:did|do|have|are) you (?:already |ever |still |also )?(?:export|render|download|done|finish)\w{0,3}\b",
    (
        r"(?:did|do|have|will|would|are) you (?:already |ever |still |also )?"
        r"(?:charge|take|bill|deduct|support|keep|store|need|use|have)\w{0,3}\b"
    ),
)
_QUESTION = re.compile(rf"{_LEAD}(?:{'|'.join(_FORMS)})", re.IGNORECASE)
#: `could I have the video in 720p?`, `would it be possible to get a webm?`: a wish, whatever its form.
_WISH = re.compile(
    rf"{_LEAD}(?:(?:can|could|may|might) (?:i|we) (?:please |just |also |maybe )?(?:have|get|see|ask|request|please)\b|"
    r"(?:can|could) we\b|would it be (?:possible|ok|okay)\b|is there any (?:chance|way) you\b)",
    re.IGNORECASE,
)
#: `can this be trimmed and exported?`, `能不能剪短一点然后导出？`: an edit that is wished for in polite words.
_EDIT_WISHED = re.compile(
    rf"{_LEAD}(?:can|could|may) (?:this|it|that|these|they|(?:the|my) \w{{1,20}}) be\b|"
    r"\W{0,3}(?:(?:你好|您好|请问|那|我)\W{0,3}){0,3}(?:能|可以|可不可以|可否)",
    re.IGNORECASE,
)
_CAPABILITY = re.compile(rf"{_LEAD}(?:can|could|may|should|how (?:do|can|could|should|would)) i\b", re.IGNORECASE)
_COST = re.compile(
    r"\b(?:cost\w{0,3}|credits?|prices?|pricing|pay(?:ing|ment)?|charged?|fees?|free|bill(?:ed)?|expensive|money|"
    r"balance)\b|收费|花钱|费用|多少钱|付费|免费|要钱|扣费|扣分|花费|价格",
    re.IGNORECASE,
)
#: The credits that a film shows.
_FILM_CREDITS = re.compile(
    r"\b(?:end|opening|closing|rolling|final|movie|film|photo) credits?\b|\bcredits? (?:at|roll|over|scene|sequence|screen|for "
    r"(?:the|my|our) (?:crew|cast|actors|team))",
    re.IGNORECASE,
)
_PROGRESS = re.compile(
    r"\b(?:ready|done|finished|completed?)\b|\bwatermarks?\b|\b(?:resolutions?|formats?)\b|"
    r"\b(?:render|export|download|upload)\w{0,3}\b|\bhow long (?:will|does|would|do) (?:it|this|that|the \w{1,20}) take\b",
    re.IGNORECASE,
)
_CAPABILITY_IN_CHINESE = re.compile(r"\W{0,3}(?:请问)?我?该?(?:怎么|怎样|如何).{1,12}[？?]")
#: `If not, export it`: hangs on the answer, which the caller has yet to hear.
_IF_SO = re.compile(
    r"\W{0,3}(?:and )?(?:if (?:so|not|yes|no|it|that|they|free)\b|如果|要是|免费的话|不要的话)", re.IGNORECASE
)
_ASKS_IN_CHINESE = re.compile(
    r"[吗么嘛](?:\W|$)|多少|多久|多长时间|几分钟|怎么|如何|为什么|是否|能不能|可不可以|要不要|够不够|会不会|是不是|什么时候|"
    r"哪些|什么格式|呢\W{0,3}$|(?:免费|收费|要钱)\W{0,3}$"
)
_WISH_IN_CHINESE = re.compile(r"帮|给我|请(?!问)|麻烦|把|替我|发我")
#: `做一个讲如何导出视频的教程`: what the film shall tell.
_TEACHES_IN_CHINESE = re.compile(
    r"(?:讲|讲解|介绍|说明|教|解释|演示|展示|关于|内容是|主题是|(?:视频|短片|动画|影片|教程)[:：])(?:大家|观众|用户|一下|的是){0,2}(?:如何|怎么|怎样|为什么)|"
    r"(?:如何|怎么|怎样).{1,20}的(?:教程|视频|短片|动画|影片|指南)"
)
#: Said before a question, and no wish by itself: `I have a 30s trailer in mind.`
_STATEMENT = re.compile(
    r"\W{0,3}(?:(?:so|well|ok|hi|hello|hey|basically)\W{1,3}){0,2}"
    r"(?:(?:i|we)(?:['’]?(?:ve|m|re)| (?:have|had|am|are|just|only|recorded|shot|filmed|made|got|uploaded|plan|think))\b|"
    r"(?:my|our|the|this|it|there|these|those)(?:['’]?s| .{0,60}?\b(?:is|are|has|have|was|were))\b)|"
    r"\W{0,3}(?:我有|我们有|我拍|我的|这是|这个.{0,20}(?:是|有))",
    re.IGNORECASE,
)
_PLAN = re.compile(
    rf"\W{{0,3}}(?:i|we)(?:['’]?d| would)? ?(?:want|need|like|love|plan)\b|\W{{0,3}}{_VERBED}\b|\W{{0,3}}(?:如果|要是|假如|我想)",
    re.IGNORECASE,
)
#: A sentence that begins so asks to its end: `请问剪掉停顿再导出要多少积分`.
_INQUIRY = re.compile(r"\W{0,3}(?:(?:你好|您好)\W{0,3})?(?:请问|想问|问一下|我想知道|想知道)")
_INFINITIVE = re.compile(r"\b(?:to|if i|for)\b", re.IGNORECASE)
_NEW_REQUEST = re.compile(
    r"\W{0,3}(?:and |then |so |but |also ){0,2}(?:please|pls|(?:can|could|would|will) you\b|then\b|if (?:so|yes|not)\b)|"
    r"\W{0,3}(?:请|帮|然后)",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[!?;。！？；…\r\n]|\.(?=\s|$)")
#: Stands for each sign of what is quoted or linked.
_HIDDEN = "\0"
_OPAQUE = frozenset({WordClass.QUOTATION, WordClass.FILE_NAME, WordClass.TAG})
_LETTERS = re.compile("[a-z]+")
#: each of `_FORMS` begins with one of these, perhaps behind an apostrophe cut off
_ASKING_WORDS = words_in(
    """
    how what whats which whichs when why where whether if is isn isnt are was were am do does doesn doesnt did has hasn hasnt
    have had will would won wont can cant could may might must should"""
)
#: No question has more; it bounds the work.
_MOST_CLAUSES = 20
_FIRM_PARTS = frozenset({WordClass.CREDIT, WordClass.EXPORT})


class _Sentence(msgspec.Struct, frozen=True):
    """`first`, `last`: which clauses it has (last exclusive); `asks`: whether a question mark ends it."""

    first: int
    last: int
    asks: bool


def with_questions(prompt: str, clauses: Sequence[Clause]) -> list[Clause]:
    """Mark what each clause asks; one without a question in it comes back as it is."""
    masked = _masked(prompt, clauses)
    if masked.isascii() and _ASKING_WORDS.isdisjoint(_LETTERS.findall(masked.lower())):
        return list(clauses)
    asked: list[Asks | None] = [None] * len(clauses)
    for sentence in _sentences(prompt, clauses):
        before = asked[sentence.first - 1] if sentence.first else None
        for at, asks in _hanging_on(before, sentence, masked, clauses) or _asked_in(sentence, masked, clauses):
            asked[at] = asks
    if not any(asked):
        return list(clauses)
    asked = _with_statements(asked, masked, clauses)
    return [msgspec.structs.replace(clause, asks=asks) for clause, asks in zip(clauses, asked, strict=True)]


def _masked(prompt: str, clauses: Sequence[Clause]) -> str:
    """Hide what is opaque, and the signs that would count as words: nobody asks inside of a title."""
    plain = simplified(prompt.replace("’", "'"))
    opaque = [lexeme for clause in clauses for lexeme in clause.lexemes if lexeme.word_class in _OPAQUE]
    if not opaque:
        return plain
    signs = list(plain)
    for lexeme in opaque:
        signs[lexeme.start : lexeme.end] = _HIDDEN * (lexeme.end - lexeme.start)
    return "".join(signs)


def _sentences(prompt: str, clauses: Sequence[Clause]) -> Iterator[_Sentence]:
    first = 0
    for at, clause in enumerate(clauses):
        following = clauses[at + 1].start if at + 1 < len(clauses) else len(prompt)
        between = prompt[clause.end : following]
        if at + 1 == len(clauses) or _SENTENCE_END.search(between):
            yield _Sentence(first, at + 1, asks=any(sign in between for sign in "?？"))
            first = at + 1


def _hanging_on(
    before: Asks | None, sentence: _Sentence, masked: str, clauses: Sequence[Clause]
) -> list[tuple[int, Asks]]:
    """Take a wish that hangs on what it costs with the question before it: nobody pays before the answer."""
    if before != "credits" or not _IF_SO.match(masked, clauses[sentence.first].start):
        return []
    return [(at, before) for at in range(sentence.first, sentence.last)]


def _asked_in(sentence: _Sentence, masked: str, clauses: Sequence[Clause]) -> Iterator[tuple[int, Asks]]:
    """Find the clauses of a sentence that ask, from the first question about the service."""
    if _wishes_an_edit(sentence, masked, clauses):
        return
    first = sentence.first
    while first < sentence.last:
        last = _end_of_question(first, sentence, masked, clauses) if _is_question(masked, clauses[first]) else first
        asks = _asks(masked, clauses[first:last]) if last > first else None
        if asks:
            plans = _plans(sentence, first, masked, clauses)
            yield from ((at, asks) for at in range(sentence.first if plans else first, last))
            return
        first = max(last, first + 1)


def _wishes_an_edit(sentence: _Sentence, masked: str, clauses: Sequence[Clause]) -> bool:
    """Tell a wish for an edit from a question of what it costs, or of whether an export can be had."""
    own = clauses[sentence.first : sentence.last]
    if not _EDIT_WISHED.match(masked, own[0].start) or _COST.search(masked, own[0].start, own[-1].end):
        return False
    parts = [{lexeme.word_class for lexeme in clause.content} for clause in own]
    if any(WordClass.CREDIT in part for part in parts):
        return False
    return any(part & UNKNOWN and WordClass.EXPORT not in part for part in parts)


def _is_question(masked: str, clause: Clause) -> bool:
    """Tell by how a clause begins; in Chinese by any of its words."""
    if _QUESTION.match(masked, clause.start):
        return True
    own = masked[clause.start : clause.end + 1]
    return not own.isascii() and bool(_ASKS_IN_CHINESE.search(own)) and not _WISH_IN_CHINESE.search(own)


def _end_of_question(first: int, sentence: _Sentence, masked: str, clauses: Sequence[Clause]) -> int:
    """Where a question ends: with its sentence, where a request begins, or at a comma where nothing holds it on."""
    last = min(sentence.last, first + _MOST_CLAUSES)
    for at in range(first + 1, last):
        before = masked[clauses[first].start : clauses[at].start]
        holds = sentence.asks or _INFINITIVE.search(before) or not _QUESTION.match(before)
        if _NEW_REQUEST.match(masked, clauses[at].start) or not holds:
            return at
    return last


def _asks(masked: str, clauses: Sequence[Clause]) -> Asks | None:
    """Say what a question is about: the service, or else nothing that is answered here."""
    words = masked[clauses[0].start : clauses[-1].end]
    parts = {lexeme.word_class for clause in clauses for lexeme in clause.lexemes}
    asks_cost = (WordClass.CREDIT in parts or _COST.search(words) is not None) and not _FILM_CREDITS.search(words)
    if not asks_cost and (_WISH.match(words) or _WISH_IN_CHINESE.search(words) or _TEACHES_IN_CHINESE.search(words)):
        return None
    firm = bool(parts & _FIRM_PARTS) and not (WordClass.EXPORT not in parts and _FILM_CREDITS.search(words))
    if asks_cost:
        return "credits" if firm else "perhaps_credits"
    if firm or (WordClass.STATE in parts and not parts & UNKNOWN):
        return "state"
    start, asks_how = clauses[0].start, _CAPABILITY.match(words)
    asks_how = asks_how or _CAPABILITY_IN_CHINESE.match(masked, start)
    return "perhaps_state" if asks_how or _PROGRESS.search(words) else None


def _plans(sentence: _Sentence, first: int, masked: str, clauses: Sequence[Clause]) -> bool:
    """Tell `I want a 30s trailer, how much is that?` from `trim it, how much is that?`."""
    start = clauses[sentence.first].start
    if first == sentence.first or _INQUIRY.match(masked, start):
        return True
    return sentence.asks and bool(_PLAN.match(masked, start) or _STATEMENT.match(masked, start))


def _with_statements(asked: Sequence[Asks | None], masked: str, clauses: Sequence[Clause]) -> list[Asks | None]:
    """Mark what is told beside a question and asks for nothing."""
    told = [_STATEMENT.match(masked[clause.start : clause.end]) is not None for clause in clauses]
    return [asks or ("nothing" if tells else None) for asks, tells in zip(asked, told, strict=True)]

"""Finds what asks for no edit: an approval (`looks great`), that all shall stay (`no changes`), or a look at it first.

Beside a request for the file it would be a message that is charged, answered with words, and ends the job as
`nothing_changed`. Called for one clause at a time; what stands beside it decides what it counts for.
"""

import re
from collections.abc import Sequence

from service.prompt.lexer import Lexeme

_ALL = (
    r"(?:it|this|that|these|those|they|them|everything|all(?: of (?:it|them|this))?|"
    r"(?:the|this|that|my|your) (?:whole |entire |new |rough |final )?(?:video|clip|film|movie|edit|cut|result|version|timeline|draft|preview|rest)s?)"
)
_VERY = r"(?:(?:so|very|really|pretty|just|absolutely|totally|quite|already|all|perfectly|that|much)\s)"
_GOOD = (
    r"(?:good|great|perfect|fine|nice|awesome|amazing|excellent|fantastic|cool|lovely|beautiful|wonderful|brilliant|superb|"
    r"gorgeous|stunning|incredible|ok|okay|alright|all right|right|correct|enough|better|well done|good to go)"
)
_WELL = (
    rf"(?:{_ALL}\s)?(?:looks?|is|are|sounds?|seems?|works?)\s{_VERY}{{0,2}}{_GOOD}",
    rf"(?:it's|that's|they're|this's)\s{_VERY}{{0,2}}(?:{_GOOD}|it|all|everything)",
    rf"{_VERY}{{0,2}}{_GOOD}(?:\s(?:enough|work|job|stuff|one))?",
    rf"{_ALL}\sworks?(?:\sfor us)?",
    r"(?:that's|this is|it's)\s(?:exactly\s)?what (?:i|we) (?:want|wanted|need|needed|meant|had in mind)",
    rf"(?:(?:i|we)\s{_VERY}{{0,2}})?(?:love|like|approve|accept)(?:\sof)?\s{_ALL}",
    rf"(?:i'm|we're|i am|we are)\s{_VERY}{{0,2}}(?:happy|satisfied|pleased|fine|ok|done|finished|good|all set)(?:\swith\s{_ALL})?",
    r"(?:i'm|we're|i am|we are)\s(?:done|finished)\s(?:editing|here)",
    r"nothing (?:else|more)(?:\sto (?:do|change|add|fix))?",
    r"(?:please\s)?try (?:it |that )?(?:again|once more)",
    r"lgtm|approved|sure|yes|yeah|done|wow|go",
)
_CHANGES = r"(?:changes?|changing|edits?|editing|modifications?|modify|modifying|alterations?|alter|altering|adjustments?|tweaks?|touch|touching)"
_SAME = (
    (
        rf"(?:(?:there (?:are|is)|i (?:want|need)|with)\s)?(?:no|without)(?:\s(?:any|more|further|other|additional|making))*\s{_CHANGES}"
        rf"(?:\s(?:are |is )?(?:needed|required|necessary))?"
    ),
    (
        rf"(?:don't|dont|do not|never|not|without|no need to|you don't (?:need|have) to)\s(?:(?:need|have) to\s)?"
        rf"(?:(?:make|making|do|doing)\s)?(?:(?:any|further|more)\s)*{_CHANGES}(?:\s(?:a thing|anything(?: else)?|{_ALL}))?"
    ),
    (
        rf"(?:leave|keep)\s{_ALL}(?:\s(?:exactly|just))?\s(?:as is|as-is|as it is|as they are|as it was|unchanged|the same|untouched|alone|"
        rf"the way it is|like (?:this|that))"
    ),
    r"with (?:(?:the|its|original|full|stereo) ){0,3}(?:sound|audio)(?: on| included)?",
    r"unchanged|unedited|untouched|as is|as-is|(?:exactly |just )?(?:as it is|as they are|like this|like that)",
)
#: `don't export yet, let me see it first`
_LOOK = (
    (
        rf"(?:(?:let me|let us|so i can|(?:i|we)(?:'d like to|'ll| want to| wanna| need to| will| would like to| have to))\s)?"
        rf"(?:first\s)?(?:see|look at|look|check|review|watch|preview|(?:take|have) a look(?: at)?)"
        rf"(?:\s(?:{_ALL}|how (?:it|that|this) looks|the preview))?(?:\s(?:first|myself|beforehand))?"
    ),
    rf"show (?:me|us)(?:\s(?:{_ALL}|the preview))?(?:\sfirst)?",
)
_AROUND = r"(?:and|but|so|ok|okay|oh|well|yes|yeah|yep|wow|now|please|just|thanks|thank you|nothing|also|i think|i guess|i believe|i'd say|actually|honestly)"
_AFTER = r"(?:to me|for me|now|already|as it is|as is|this way|like this|so far|at all|please|thanks|anymore|this time|again)"
_IN_ENGLISH = re.compile(
    rf"(?:{_AROUND}\s){{0,4}}(?:{'|'.join((*_WELL, *_SAME, *_LOOK))})(?:\s{_AFTER}){{0,3}}", re.IGNORECASE
)
_IN_CHINESE = re.compile(
    r"(?:这个|这样|这版|这一版|版本|片子|就用|用|视频|成片|效果|剪得|做得|看起来|感觉|我觉得|我很|我|都|已经|非常|很|挺|真|太|就|还|请|先){0,5}"
    r"(?:(?:好|不错|完美|满意|没问题|没有问题|可以|行|棒|赞|喜欢|漂亮|这样|这些|这个|ok){1,2}(?:这个|视频|它)?|"
    r"(?:不|不要|不用|不需要|无需|不必|别|不做|没有|不作|不想|不再)(?:再|做|进行|任何|要|什么|其他|其它){0,3}"
    r"(?:修改|改动|更改|改变|变动|改|变|动|剪辑|剪|编辑|调整|处理)(?:它|视频|任何|内容|什么|地方|一下|东西){0,2}|"
    r"(?:保持|维持)(?:原样|不变|现状)|原样|不变|(?:带|要有|有|保留)(?:声音|原声)(?:的视频)?|(?:让|给|我|想|要|先)*(?:看看|看一下|看一看|看|检查一下|检查|预览一下|预览)(?:效果|视频|一下)?)(?:了|的|啊|吧|呀|哦|极了|就行|就好|就可以){0,3}",
    re.IGNORECASE,
)
#: no such clause has more; it bounds the work
_MOST_LEXEMES = 14


def asks_for_no_edit(lexemes: Sequence[Lexeme]) -> bool:
    """Tell an approval, or a wish that nothing be changed or that it be seen first, from what wants an edit."""
    if not 0 < len(lexemes) <= _MOST_LEXEMES:
        return False
    words = " ".join(" ".join(lexeme.text.split()) for lexeme in lexemes).replace("’", "'")
    if words.isascii():
        return _IN_ENGLISH.fullmatch(words) is not None
    return _IN_CHINESE.fullmatch(words.replace(" ", "")) is not None

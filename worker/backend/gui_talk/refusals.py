"""Detects refusals: does the backend say that it edited nothing? Asked only about texts whose draft did not change."""

import re

from core.traditional_chinese import simplified
from worker.backend.gui_talk.clauses import hide_quoted
from worker.backend.gui_talk.questions import DONE

_NOTHING_DONE = re.compile(
    r"\b(?:I|we)\b.{0,20}\b(?:can(?:not|['’]t)(?! wait\b)|could(?: not|n['’]t)|unable to|not able to|did(?: not|n['’]t)|won['’]t|will not)\b|"
    r"\b(?:is|are)(?: not|n['’]t) (?:supported|possible|available)\b|"
    r"\b(?:left|kept|leaving|keeping)\b.{0,40}\b(?:as (?:it|they) (?:is|are|was|were)|as[- ]is|unchanged|untouched|everything)\b|"
    r"\bno (?:changes?|edits?)\b.{0,20}\b(?:made|needed|necessary|required|applied)\b|"
    r"\bnothing\b.{0,20}\b(?:changed|edited|to (?:change|edit))\b|"
    r"\bnot (?:been )?(?:changed|edited|modified)\b|"
    r"我.{0,6}(?:无法|不能|没法|未能|没能)|(?:暂不|不)支持|(?:没有|未|没)(?:做|作|进行)?(?:任何)?(?:改动|修改|更改|编辑|变化)|保持(?:原样|不变)",
    re.IGNORECASE,
)
#: what was edited stands beside it: "the rest is unchanged"
_BESIDE = re.compile(
    r"\b(?:else|rest|others?|remaining|only|except|until|unless)\b|其他|其它|其余|除了|只", re.IGNORECASE
)
_PART = re.compile(r"[.!?。！？\n;；]|\b(?:but|however|so|instead)\b|(?:但是?|不过|因此|所以|而是)", re.IGNORECASE)


def says_nothing_was_done(text: str) -> bool:
    """Tell "I can't remove the logo." from "I couldn't find the logo, so I blurred the corner."

    Whoever tells of any work beside it has not refused.
    """
    refused = False
    for part in _PART.split(simplified(hide_quoted(text))):
        if _NOTHING_DONE.search(part) and not _BESIDE.search(part):
            refused = True
        elif DONE.search(part):
            return False
    return refused

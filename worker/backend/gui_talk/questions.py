"""Detects questions: did the backend ask something instead of editing? Asked only about texts whose draft did not change."""

import re

from core.traditional_chinese import simplified
from worker.backend.gui_talk.clauses import hide_quoted

_ASKS = re.compile(
    r"\b(?:please|could you|can you|would you|kindly)\b.{0,30}"
    r"\b(?:tell|let me know|provide|specify|clarify|confirm|upload|share|describe|choose|pick|decide|give)\b|"
    r"\b(?:let me know|tell me) (?:which|what|where|when|how|whether|if|more|the)\b|"
    r"\bI (?:need|require) (?:more|some|to know|a bit more|further)\b|\bdo you (?:want|mean|have|prefer)\b|"
    r"请(?:您|先|再)?(?:告诉|告知|提供|说明|指定|确认|选择|上传|描述|补充)|"
    r"(?:哪|什么|多长|多久|多少|是否|怎样).{0,20}[？?]|吗[？?。]?$|(?:ます|です|ません|でしょう)か。?$|"
    r"(?:教えて|知らせて|お知らせ|ご指定|指定して|选択して|选んで|アップロードして)(?:ください|下さい)|"
    r"\bpor favor\b.{0,30}\b(?:indica|indique|dime|dígame|especifica|especifique|elige|elija|sube|suba|comparte|comparta|aclara|aclare)\b|"
    r"\b(?:dime|dígame|indícame) (?:qué|cuál|cuáles|dónde|cuándo|cómo|si)\b",
    re.IGNORECASE | re.MULTILINE,
)
#: Asked out of politeness, after work as well as without it.
_COURTESY = re.compile(
    r"\b(?:anything else|something else|any(?: other| further| more)? (?:changes|edits|adjustments)|what do you think|"
    r"how does (?:it|that) (?:look|sound)|"
    r"(?:like|want) (?:me )?to (?:do|make|add|adjust|change) (?:anything|any|more|further|other)|"
    r"if you(?:['’]d like| want| need) (?:any|more|further|other|to))\b|"
    r"还(?:需要|有).{0,12}(?:吗|什么)|其他.{0,10}吗|"
    r"\b(?:algo más|otra cosa|(?:alg[uú]n|otros?|más) (?:otro )?(?:cambios?|ajustes?)|(?:qué|cómo) te parece|te gusta)\b|"
    r"(?:他に|ほかに).{0,20}か|いかが(?:です|でしょう)か|(?:满意|喜欢|如何|怎么样)吗?[？?]",
    re.IGNORECASE,
)
#: Offered for a next time, where the same words say that something was done.
_OFFER = re.compile(
    r"\b(?:want|like|need|prefer) (?:me|us) to\b|\b(?:shall|should|can|may) (?:I|we)\b|(?:需要|要不要|是否需要|想让|要)我|"
    r"\b(?:quieres|quiere|te gustaría|desea|deseas) que\b|ましょうか",
    re.IGNORECASE,
)
#: by which a text tells of work
DONE = re.compile(
    r"\b(?:added|trimmed|removed|applied|created|generated|updated|changed|replaced|inserted|adjusted|edited|muted|merged"
    r"|cropped|resized|slowed|shortened|extended|moved|brightened|stabili[sz]ed|done|finished|completed|all set)\b"
    r"|\b(?:I['’]ve|I have|has been|have been|was|were) (?:cut|split|made|set)\b|(?:已|完成|好了|搞定)|ました|"
    r"\b(?:listo|hecho|he (?:\w{1,20}[ai]do|hecho|puesto)|añadí|agregué|recorté|eliminé|corté|cambié|apliqué)\b",
    re.IGNORECASE,
)
#: of all languages that a job's is told to be (`worker/jobs/language.py`)
_QUESTION_MARKS = ("?", "？", "؟")
_PART = re.compile(r"[^.!?。！？؟\n]*[.!?。！？؟\n]?")


def is_question(text: str) -> bool:
    """Tell "Which part should I cut?" from "Done. Anything else?"; quoted words do not count.

    Where a sentence before it says that something was done, an offer to do more is no question either.
    """
    done = False
    for part in (found[0].strip() for found in _PART.finditer(simplified(hide_quoted(text)))):
        if _is_asked(part) and not (done and _OFFER.search(part)):
            return True
        done = done or DONE.search(part) is not None
    return False


def _is_asked(part: str) -> bool:
    if not part or _COURTESY.search(part):
        return False
    return part.endswith(_QUESTION_MARKS) or _ASKS.search(part) is not None

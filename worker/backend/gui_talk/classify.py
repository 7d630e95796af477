"""Classifies clauses: which is GUI talk, and what it asks for.

A word alone decides nothing: "click" counts as an instruction ("click the Apply button"), not as content ("added a
click sound").
"""

import re

from core.traditional_chinese import simplified
from worker.backend.gui_talk import chinese, english, japanese, spanish
from worker.backend.gui_talk.rules import GuiAction, Rule

_REPORT = re.compile(
    r"(?<!\w)(?:i|we)\b(?!(?:['’]d| would)? (?:recommend|suggest|advise))|\b\d{1,2}:\d{2}\b|第\d+秒|"
    r"\b(?:added|removed|trimmed|placed|applied|inserted|replaced|moved|changed|created|cut|"
    r"sound|effect|graphic|animation|scene|shot|footage|has been|have been|was|were)\b|已|了|我|音效|动画|镜头|画面|"
    r"\b(?:he|hemos|se (?:ha|han)|(?:añad|agreg|recort|elimin|cort|quit|insert|aplic|cambi|cre)(?:í|é|ué|qué|ó|id[oa]s?|ad[oa]s?))\b",
    re.IGNORECASE,
)
#: a Japanese clause says at its end that something was done
_REPORT_IN_JAPANESE = re.compile(r"(?:ました|ております|です)\W{0,3}$")
_LATER = re.compile(r"\b(?:once|when|after|until|if|to)\b|即可|以便|来", re.IGNORECASE)
_LATIN, _HAN = re.compile(r"[a-z]", re.IGNORECASE), re.compile(r"[\u3400-\u9fff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_EXPORT = re.compile(r"\b(?:export|download|render|descarg)|导出|下载|エクスポート|书き出|ダウンロード", re.IGNORECASE)
_ACCOUNT = re.compile(
    r"\b(?:account|billing|subscription|facturación)|\b(?:tu|su) cuenta\b|账户|帐户|账单|订阅|积分|アカウント",
    re.IGNORECASE,
)
_PURPOSE = re.compile(
    r"\W{0,3}(?:(?:and|or|but|so) )?"
    r"(?:to|if|when|once|whenever|after|before|for|in case|in order to|as soon as)\b|"
    r"\W{0,3}(?:(?:simply|just|then|now|and) )?(?:select|choose|pick|highlight|mark) (?:the|your|an?|any|one|this|that)\b|"
    r"\W{0,3}(?:then |now |just ){0,2}go (?:ahead|on)\s?$|"
    r"\W{0,3}(?:y |o |pero )?(?:para|cuando|si|una vez|tras|después|antes)\b|"
    r".{0,3}(?:如果|若|当|要|想|如需|为了|.{0,12}(?:后|前|时)$)",
    re.IGNORECASE,
)
_SEQUEL = re.compile(
    r"\W{0,3}(?:(?:and|then|or|so) ){0,2}"
    r"(?:choose|select|pick|set|enter|type|download|save|share|wait|adjust|drag|drop|move|click|tap|hit|press|confirm|"
    r"start|export|use|follow|make|change|edit|view|see|enjoy|fine-tune|tweak|go|you\b|it['’]?ll\b|"
    r"(?:it|your|the|this|that) .{0,40}\b(?:will|should|can)\b)|"
    r"\W{0,3}(?:(?:y|luego|después|entonces) ){0,2}(?:elige|elija|selecciona|seleccione|escoge|escoja|guarda|guarde|espera|"
    r"espere|confirma|confirme|ajusta|ajuste|pulsa|pulse|descarga|descargue|exporta|exporte)\b|(?:并|然后|再|即可|就|选|下载|保存|您|你|微调|调整)",
    re.IGNORECASE,
)

#: what the next step of a list of instructions begins with
_NEXT_STEP = re.compile(
    r"\W{0,3}(?:(?:and|then|now|next),? )?(?:choose|select|pick|set|enter|type|wait|confirm|name)\b|(?:然后|再)?(?:选|输入|等待|确认|保存|下载)",
    re.IGNORECASE,
)


def asked_for(masked: str, words: str) -> GuiAction | None:
    """Say what a clause of GUI talk asks for; None when it is content. `words` is the clause with its quotes open."""
    if not masked.strip():
        return None
    for rule in _rules_for(masked):
        if rule.pattern.match(masked) and not (rule.weak and _reports(masked)):
            return _refined(rule.action, simplified(words))
    return None


def _rules_for(masked: str) -> tuple[Rule, ...]:
    """Take the tables of the languages whose script is in the clause; several may be."""
    latin = (*english.ENGLISH_RULES, *spanish.SPANISH_RULES) if _LATIN.search(masked) else ()
    if _KANA.search(masked):
        return (*latin, *japanese.JAPANESE_RULES)
    return (*latin, *(chinese.CHINESE_RULES if _HAN.search(masked) else ()))


def _reports(masked: str) -> bool:
    if _KANA.search(masked):
        return _REPORT_IN_JAPANESE.search(masked) is not None
    return _REPORT.search(_LATER.split(masked, maxsplit=1)[0]) is not None


def leads_to_next(masked: str) -> bool:
    """Tell "To save it" or "When you're ready": dropped with the instruction it leads to."""
    return _PURPOSE.match(masked) is not None


def follows_on(masked: str) -> bool:
    """Tell "and choose 1080p" or "your video will be saved": dropped with the instruction before it."""
    return _SEQUEL.match(masked) is not None


def goes_on_as_step(masked: str) -> bool:
    """Tell "Choose 1080p" in a line of its own: dropped with the step before it."""
    return _NEXT_STEP.match(masked) is not None and not _reports(masked)


def _refined(action: GuiAction, words: str) -> GuiAction:
    if action in ("api", "state") and _EXPORT.search(words):
        return "export"
    return "credits" if action in ("api", "state") and _ACCOUNT.search(words) else action

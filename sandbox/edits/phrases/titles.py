"""How titles and captions are asked for, quoted or not, and where, when and in which colour they stand."""

from sandbox.edits.phrases.words import LENGTH, RANGE, TIME, rule

_WHAT = (
    r"(?:title(?: card)?|captions?|subtitles?|text(?: overlay)?|heading|headline|label|overlay|lower[- ]third|watermark|"
    r"words|call[- ]to[- ]action|cta)s?"
)
_WHAT_ZH = r"(?:大标题|标题|字幕|文字|文本|题目|片头字|水印|片头)"
_ADD = r"(?:\b(?:add|put|insert|overlay|show|display|place|include|write|with|use|create|have|set|change|replace|update|burn\s+in)\s+)?"
_KIND = (
    r"(?:(?:a|an|the|some|this|my|these|second|third|another|new|big|large|small|bold|opening|closing|main|end|intro|white|yellow|red|blue|green|black|"
    r"orange|pink|gold)\s+)*"
)
_ADD_ZH = r"(?:(?:加上?|添加|插入|显示|写上?|放上?|打上|配上|加入|设置)(?:一个|一行|个|上)?)?"
_TEXTS = r"(?P<texts>«\d+»(?:(?:\s*(?:,|and|&|、|，|和))*\s*«\d+»){0,99})"
_TEXTS_B, _TEXTS_C = _TEXTS.replace("<texts>", "<texts_b>"), _TEXTS.replace("<texts>", "<texts_c>")

_POSITION = (
    r"(?:(?:at|in|on|to)\s+)?(?:the\s+)?\b((?:top|bottom|upper|lower)(?:[- ](?:left|right|center|centre|middle))?|"
    r"(?:cent(?:er|re)(?:ed)?|middle))\b(?:\s+corner)?(?:\s+of\s+the\s+(?:screen|frame|video|picture))?|"
    r"(?:在|于)?(?:画面|屏幕|视频)?(?:的)?((?:左|右)[上下]角?|[上下](?:方|面|部)|顶部|顶端|底部|底端|中间|中央|居中|正中)"
)
_COLOR = (
    r"\b(?:in\s+)?(white|yellow|red|blue|green|black|orange|pink|gold|purple|cyan|gr[ae]y)\b(?!\s+and\s+white)|"
    r"([白黄红蓝绿黑橙粉金紫灰])色"
)
#: A title's own fade-in, which must not be taken for the whole video's.
_FADING = rf"(?:(?:(?!\band\b)[^«.;!?\n]){{0,60}}?(?:\bwith\s+(?:an?\s+)?|[(,]\s*)(?P<fading>(?:{TIME}\s*)?fad(?:e|es|ing)[- ]in\b)\)?)?"
_DETAILS = {
    "span": rf"(?:from|between|从|第)?\s*({RANGE})(?:\s+seconds)?",
    "begin": rf"(?:(?:starting\s+|beginning\s+)?(?:at|after|from)|在第?|从第?|第)\s*({TIME})",
    "length": rf"\b(?:for|lasting|during)\s+(?:the\s+first\s+|about\s+)?({TIME})|(?:持续|显示|时长|长|停留)({TIME})|{LENGTH}",
    "position": _POSITION,
    "color": _COLOR,
    "size": r"\b(big|large|huge|small|tiny|medium)\b|(大号|小号|大字|小字)",
    "ending": r"\b(?:at|near|for)\s+the\s+(?:very\s+)?end\b|\b(?:for|in|during)\s+the\s+last\b(?=\s+‹)|在?(?:结尾|末尾|片尾|最后)(?:处)?",
    "opening": r"\b(?:at|near|for|in)\s+the\s+(?:very\s+)?(?:start|beginning|opening)\b|在?(?:开头|片头|开始)(?:处)?",
    "throughout": r"\b(?:throughout|(?:for|during|over)\s+the\s+(?:whole|entire)\s+\w+|all the time)\b|全程|整个视频|一直",
}
_STOP = (
    r"(?!\s+(?:and\s+(?:add|then|cut|trim|put|make|fade|apply|use|mute|speed)|at\s+the\s+(?:top|bottom|start|beginning|end|cent)|"
    r"in\s+(?:white|yellow|red|blue|green|black|the)|for\s+‹))"
)

QUOTED = [
    rule(
        "title",
        rf"{_ADD}{_KIND}\b(?P<what>{_WHAT})\b[^«.;!?\n]{{0,60}}?{_TEXTS}{_FADING}",
        rf"{_ADD}{_TEXTS_B}\s*(?:as|for)\s+{_KIND}(?P<what_b>{_WHAT})\b",
        rf"\b(?:titled|write|saying|says?|display|show|overlay|burn\s+in|put|add)\s+(?:the\s+(?:words|text|title)\s+)?{_TEXTS_C}",
        **_DETAILS,
    ),
    rule(
        "title",
        rf"{_ADD_ZH}(?:一个|一行|个)?(?P<what>{_WHAT_ZH})[^,，。；«]{{0,12}}?{_TEXTS}",
        rf"(?:(?:把|将|用|加上?|添加|显示|写上?)\s*)?{_TEXTS_B}\s*(?:作为|做为|当作|做|当|为|的|这个|字样的?)?\s*(?P<what_b>{_WHAT_ZH})",
        rf"(?:显示|写上|写着|打上)\s*{_TEXTS_C}",
        **_DETAILS,
    ),
]

UNQUOTED = [
    rule(
        "title",
        rf"{_ADD}{_KIND}\b(?P<what>captions?|subtitles?)\s*(?:from\s+(?:this|the\s+following|my)\s+text|saying|that\s+say|reading)?"
        r"\s*[:：]\s*(?P<words>[^\n]+)",
        rf"{_ADD_ZH}(?P<what_b>字幕)\s*(?:为|是|内容)?[:：]\s*(?P<words_b>[^\n]+)",
    ),
    rule(
        "title",
        rf"{_ADD}{_KIND}\b(?P<what>{_WHAT})\s*(?::|saying|that\s+(?:says|reads)|which\s+says|reading|called|named)\s*:?\s*"
        rf"(?P<words>(?:{_STOP}[^,.;!?\n‹«]){{1,}})",
        rf"{_ADD_ZH}(?P<what_b>大标题|标题|文字|题目)\s*(?:[:：]|写着|叫做?|为|是)\s*(?P<words_b>[^,，。；;、\n‹]+)",
        **_DETAILS,
    ),
]

REMOVALS = [
    rule(
        "remove",
        r"\b(?:remove|delete|no|without|drop|take\s+(?:out|away)|get\s+rid\s+of|turn\s+off|clear)\s+(?:(?:the|all|any|background|"
        r"my|color|colour)\s+)*(?P<what>music|bgm|soundtrack|transitions?|titles?|text|captions?|subtitles?|filters?|fades?)\b",
        r"(?:去掉|去除|删除|删掉|移除|取消|不要|关闭)(?:所有|全部)?(?:的)?(?P<what_b>背景音乐|音乐|配乐|转场|过渡|标题|字幕|文字|滤镜)(?:效果)?",
    )
]

"""How filters and another shape of the picture are asked for."""

from sandbox.edits.phrases.words import RATIO, rule

_MAKE = (
    r"(?:\b(?:make|turn|convert|change|add|apply|use|give|set|with|in|to|into|it|the|a|an|all|whole|video|clip|footage|picture|"
    r"image|colou?rs?|look|more|slightly|bit|little|go)\s+)*"
)
_AFTER = r"(?:\s+(?:filter|look|effect|style|tones?|colou?rs?|grade|grading|tint|feel|up|light|video)\b)*"
_MAKE_ZH = r"(?:把|将|做|变|改|调|转|加|使用|用|添加|画面|视频|整体|一个|成|为|得|上)*"
_FIT = r"\b(without\s+cropping|letter-?box(?:ed|ing)?|(?:with\s+)?(?:black\s+)?bars|padd(?:ed|ing)|fit(?:ted)?)\b|(不裁剪|加黑边|留黑边)"
_SHAPES = r"(?:vertical|portrait|square|landscape|horizontal|widescreen)\b"
_AS = r"(?:\s+(?:aspect(?:\s+ratio)?|ratio|format|vertical|portrait|square|landscape|video|orientation|crop|version|widescreen|mode|layout)\b)*"

LOOKS = [
    rule(
        "look",
        rf"{_MAKE}\b(?P<black_white>black[- ]?(?:and|&|n)[- ]?white|b\s?&\s?w|b/w|gr[ae]y-?scale|monochrome|desaturated?)(?!\w){_AFTER}",
        rf"{_MAKE}\b(?P<warm>warm(?:er|th)?|golden(?:[- ]hour)?)\b{_AFTER}",
        rf"{_MAKE}\b(?P<cool>cooler|colder|cool\s+(?:tones?|colou?rs?|look|tint|filter))\b{_AFTER}",
        rf"{_MAKE}\b(?P<bright>brighter|brighten|increase\s+(?:the\s+)?brightness)\b(?:\s+(?:it|the|video|clip|footage|up|picture)\b)*",
    ),
    rule(
        "look",
        rf"{_MAKE_ZH}(?:(?P<black_white>黑白|灰度)|(?P<warm>暖色调?|更?温暖|更?暖)|(?P<cool>冷色调?|更?冷)|(?P<bright>更亮|提亮|调亮|亮一点))"
        r"(?:一点|一些|的)*(?:色调|滤镜|效果|风格|画面)?",
    ),
]

SHAPES = [
    rule(
        "aspect",
        r"(?:\b(?:crop|convert|change|reformat|resize|reframe|make|turn|set|switch|put|format|cut|use)\s+)?(?:\b(?:it|the|my|this|video|clip|"
        r"aspect|ratio|canvas|frame|format|size|to|into|in|a|an|as|be|with|for|output|of|at|should)\s+)*(?:aspect\s+ratio\s*:?\s*)?"
        rf"(?P<ratio>{RATIO}){_AS}",
        r"\b(?:crop|convert|change|reformat|resize|reframe|make|turn|set|switch|format)\s+(?:\b(?:it|the|my|this|video|clip|footage|"
        rf"orientation|format|to|into|in|a|an|as|be)\s+)*(?P<ratio_b>{_SHAPES}){_AS}",
        rf"\b(?:(?:in|as|a|for)\s+)*(?P<ratio_c>{_SHAPES})\s+(?:video|format|orientation|crop|version|mode|layout)\b",
        r"\bfor\s+(?P<ratio_d>tik\s?tok|(?:instagram\s+|ig\s+)?reels?|(?:youtube\s+)?shorts|instagram\s+stor(?:y|ies)|youtube)\b",
        r"(?:把|将|裁剪|裁切|改|转换|转|调整|变|做|设置|设|画面|视频|宽高比|比例|剪|成|为|到|是|的|[:：])*\s*"
        rf"(?P<ratio_e>{RATIO}|竖屏|竖版|竖向|横屏|横版|横向|正方形|方形)(?:的)?(?:比例|画幅|视频|格式|画面|版本)?",
        fit=_FIT,
    )
]

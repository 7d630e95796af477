"""How transitions, fades and another speed are asked for."""

from sandbox.edits.phrases.words import LENGTH, THE, TIME, rule

_ENDING = r"\b(?:at|near|for)\s+the\s+(?:very\s+)?end\b|在?(?:结尾|末尾|片尾|最后)(?:处)?"
_OPENING = r"\b(?:at|near|for|in)\s+the\s+(?:very\s+)?(?:start|beginning|opening)\b|在?(?:开头|片头|开始)(?:处)?"
_IT = rf"(?:{THE}(?:video|clip|footage|it|everything|whole\s+thing)\s+)?"
_CROSSING = r"(?:cross-?\s?fad(?:e|es|ing)|cross-?dissolves?|dissolves?|wipes?)"
_NICE = rf"(?:(?:a|an|the|some|smooth|nice|clean|simple|subtle|soft|quick|cool|good|seamless|basic|{TIME}|-)\s*)*"
_BETWEEN = rf"(?:\s+(?:in\s+)?(?:between|for|to|at)\s+{THE}(?:(?:clips?|scenes?|cuts?|segments?|parts?|shots?|videos?|them|each|every)\b\s*)+)?"

#: "Speed up the first 5 seconds" is not the whole, and not understood.
_ONLY = r"\s+(?:the|my|its)\s+(?:first|last|beginning|start|end|intro|middle|part|section)\b"

FADES = [
    rule(
        "music_fade",
        r"\bfad(?:e|es|ing)[- ]?out\s+(?:of\s+)?the\s+(?:background\s+)?music\b|\bfade\s+the\s+(?:background\s+)?music\s+out\b",
        r"\b(?:and\s+|with\s+)?(?:the\s+)?music\s+(?:to\s+)?fad(?:e|es|ing)\s+out\b",
        r"(?:背景)?音乐(?:逐渐)?淡出",
        length=LENGTH,
        ending=_ENDING,
    ),
    rule(
        "fade",
        r"(?:\b(?:add|apply|with|use|have|make)\s+)?(?:(?:a|an|the|some|video|it|smooth|slow|quick|gentle|nice)\s+)*"
        r"\b(?P<way>fad(?:e|es|ing)[- ]?in\s*(?:and|&|/|,|\+)\s*(?:a\s+)?(?:fad(?:e|es|ing)[- ]?)?out|fad(?:e|es|ing)[- ]?(?:in|out)s?\b|"
        r"fad(?:e|es|ing)\s+(?:to|from)\s+black(?!\s+(?:transition|between)))(?:\s+(?:effect|to\s+black|from\s+black))*",
        r"(?:添加|加上?|加入|设置)?(?:一个)?(?P<way_b>淡入和?、?淡出|淡入|淡出)(?:效果)?",
        length=LENGTH,
        ending=_ENDING,
        opening=_OPENING,
    ),
]

TRANSITIONS = [
    rule(
        "transitions",
        rf"(?:\b(?:add|apply|insert|put|use|include|with|have)\s+)?{_NICE}"
        rf"(?:(?P<style>{_CROSSING}|slides?|zooms?|fade\s+(?:to|through)\s+black|fades?|fading)\s*)?\btransitions?\b(?:\s+effects?)?{_BETWEEN}",
        rf"(?:\b(?:add|apply|insert|put|use|include|with|have)\s+)?{_NICE}\b(?P<style_b>{_CROSSING})\b{_BETWEEN}",
        r"(?:在)?(?:(?:各|每|所有)?(?:个|段)?(?:片段|镜头|场景|视频|画面)(?:之间|间))?(?:添加|加上?|加入|使用|用|插入)?(?:一些|平滑|自然|流畅)?(?:的)?"
        r"(?P<style_c>交叉溶解|叠化|交叉淡化|溶解|擦除|滑动|黑场)?(?:的)?(?:转场|过渡)(?:效果|动画)?",
        r"(?P<style_d>交叉溶解|叠化|交叉淡化)(?:效果)?",
        length=LENGTH,
    )
]

SPEED = [
    rule(
        "speed",
        rf"\b(?:speed|play|run|make|slow|turn)\s*(?:{_IT}(?:down|up)?\s*)(?:(?:by|to|at)\s+)?(?:a\s+factor\s+of\s+)?(?P<times>\d+(?:\.\d+)?)"
        r"\s*(?:x|×|times)(?![\w:])(?:\s+(?P<way>faster|slower|as\s+fast|slow(?:\s+motion)?|(?:the\s+|normal\s+)?speed))*",
        r"\b(?:at\s+)?(?P<times_b>\d+(?:\.\d+)?)\s*(?:x|×|times)\s*(?P<way_b>faster|slower|speed|as\s+fast|slow\s+motion)\b",
        r"\b(?P<by>\d+)\s*%\s*(?P<way_c>faster|slower)\b",
        r"\b(?:play|run)?\s*(?:it\s+)?(?:at|to)\s+(?P<at>\d+)\s*%\s+(?:of\s+(?:the\s+)?(?:original\s+|normal\s+)?)?speed\b",
        rf"(?:\b(?:play|make|run)\s+{_IT})?\b(?:at\s+)?(?P<way_d>(?:twice|double|half)\s+(?:as\s+(?:fast|slow)|(?:the\s+)?(?:original\s+|normal\s+)?speed)|"
        rf"halve\s+the\s+speed)\b",
        rf"\b(?:make\s+{_IT})?(?P<way_e>speed\s+{_IT}up(?!{_ONLY})|slow\s+{_IT}down(?!{_ONLY})|slow[- ]mo(?:tion)?|faster|slower|accelerate|time-?\s?lapse)\b"
        r"(?:\s+(?:the|my|this|it|video|clip|footage|whole|a\s+(?:bit|little)|slightly)\b)*(?:\s*(?:by|to)?\s*(?P<times_c>\d+(?:\.\d+)?)\s*"
        r"(?:x\b|×|times)|\s*by\s*(?P<by_b>\d+)\s*%)?",
    ),
    rule(
        "speed",
        r"(?:把|将)?(?:视频|画面|整体)?(?:的)?(?:播放)?(?:速度)?(?P<way>加速|加快|快放|提速|慢放|减速|放慢|慢动作|变慢|变快|调整?|设置?|以)?(?:到|为|成|至)?"
        r"(?P<times>\d+(?:\.\d+)?|[一二两三四半])\s*(?:倍速?|x速)(?:播放|速度)?",
        r"(?:把|将)?(?:视频|画面|整体)?(?:的)?(?:播放)?(?:速度)?(?P<way_b>加速|加快|快放|提速|慢放|减速|放慢|慢动作|慢镜头|变慢|变快)(?:播放|速度)?(?:一点|一些|视频)*",
    ),
]

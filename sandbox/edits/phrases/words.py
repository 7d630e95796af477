"""Words that many wordings share, as pieces of patterns. ``‹k›`` stands for a time, ``«k»`` for a quoted text.

In a rule's patterns ``(…)*`` and ``(…)+`` mean *a few*, and ``\\d+`` is a number of a few digits: a run may be tried
from each of its places, so that without a bound it would take quadratic time. Free text, which is taken to its end
once, is written ``(…){1,}``. In a run each step can be read in one way alone: blanks stand on one side of a comma's
pattern, not on both.
"""

import re

from sandbox.edits.reading import Rule

TIME = r"‹\d+›"
#: A place on the timeline: a time, or a bare number of seconds.
AT = r"(?:‹\d+›|\d+(?:\.\d+)?)"
RANGE = rf"{AT}\s*(?:to|and|until|till|through|[-–—~]|到|至)\s*(?:second\s+)?第?{AT}"
CUT = (
    r"(?:cut|trim|remove|delete|drop|chop|crop|clip|strip|shave|tighten|take|lose|skip|erase|get rid of)"
    r"(?: (?:off|out|away))?"
)
CUT_ZH = r"(?:剪掉|剪去|剪除|剪切|去掉|去除|删掉|删除|删去|裁掉|裁剪|裁去|切掉|切除|移除|修剪|砍掉|消除|剪|裁|删|去)(?:一下)?"
THE = r"(?:(?:all|of|the|my|this|that|these|those|our|any|every|whole|entire|a|an|some|uploaded|raw|new|it'?s)\s+)*"
MEDIA = (
    r"(?:(?:video|raw)\s+)?"
    r"(?:clips?|videos?|footage|files?|media|recordings?|images?|photos?|pictures?|materials?|it|them|everything|this)\b"
)
MEDIA_ZH = r"(?:片段|视频|素材|文件|媒体|录像|图片|照片|画面|剪辑)+"
RATIO = r"(?<!\d)(?:16\s*[:x×]\s*9|9\s*[:x×]\s*16|1\s*[:x×]\s*1|4\s*[:x×]\s*[35]|3\s*[:x×]\s*4|5\s*[:x×]\s*4|21\s*[:x×]\s*9)(?!\d)"
FINISHED_WORDS = (
    r"(?:finished|polished|complete|final|professional|proper|highlights?|publishable|完整|成品|精美|专业|精彩)"
)
LENGTH = rf"(?:(?:for|lasting|long|over|of|with|in)\s+)?(?:持续|显示|时长|长)?(?:a\s+|about\s+)?(?P<v>{TIME})"

#: Words that tell a picture's shape, also inside "make a vertical video".
SHAPE = re.compile(
    rf"{RATIO}|\b(?:vertical|portrait|square|landscape|horizontal|widescreen)\b|竖屏|竖版|横屏|横版|正方形|方形",
    re.IGNORECASE,
)
FINISHED = re.compile(FINISHED_WORDS, re.IGNORECASE)

#: more than any sense has: "to the end of my video" brings six words
_A_FEW = {")*": "){0,12}", ")+": "){1,12}", r"\d+": r"\d{1,9}"}


def rule(kind: str, *heads: str, **details: str) -> Rule:
    """Make a rule from a head's wordings, tried from left to right, and the patterns of its details."""
    return Rule(kind, _compiled("|".join(heads)), {name: _compiled(pattern) for name, pattern in details.items()})


def _compiled(pattern: str) -> re.Pattern[str]:
    for endless, bounded in _A_FEW.items():
        pattern = pattern.replace(endless, bounded)
    return re.compile(pattern, re.IGNORECASE)

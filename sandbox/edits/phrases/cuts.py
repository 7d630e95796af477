"""How taking time out is asked for. More particular wordings first: "cut the pauses" before "cut"."""

from sandbox.edits.phrases.words import CUT, CUT_ZH, MEDIA, MEDIA_ZH, RANGE, THE, TIME, rule

_SILENT = (
    r"(?:(?:silent|long|awkward|dead|empty|quiet|boring|unnecessary)\s+)*(?:pauses?|silences?|gaps|dead\s+(?:air|space)|"
    r"(?:silent|quiet|empty)\s+(?:parts?|stretch(?:es)?|sections?|moments?|bits?|segments?|spots?))\b"
)
_SILENT_ZH = r"(?:静音|停顿|空白|沉默|无声|静默|安静)(?:的)?(?:部分|片段|段落|地方|处)?"
_OF_IT = rf"(?:\s+(?:of|from|off)\s+{THE}{MEDIA})?"
_HEAD_ZH, _TAIL_ZH = r"(?:开头|最前面?|前面|前|头|起始)(?:的)?", r"(?:最后|结尾|末尾|尾部|后面|后|尾)(?:的)?"
_STRETCH_ZH = r"(?:之间)?(?:的)?(?:部分|片段|内容|画面)?"
_NO_MORE = r"(?:\s+and\s+(?:drop|remove|delete|cut)\s+the\s+rest)?"
_GOAL = r"(?:(?:intro|introduction|opening|video|clip|thing|footage|it|recording|length|talk|beginning|down|result|total|duration)\s+)*"
_ROUGHLY = r"(?:(?:only|under|at\s+most|about|exactly|around|just|less\s+than|no\s+more\s+than|max(?:imum)?|a\s+maximum\s+of|the\s+first)\s+)*"
_IN_ALL = r"(?:\s*(?:-\s*)?(?:long|or\s+less|max(?:imum)?|in\s+(?:length|total)|total))*"


CUTS = [
    rule(
        "pauses",
        rf"\b{CUT}\s+{THE}{_SILENT}(?:\s+(?:between|in|from|out\s+of)\s+(?:the\s+)?(?:words|sentences|speech|video|clip|recording|"
        r"footage|talk))?",
        r"\bjump[- ]cuts?\b|\b(?:silence|pause)s?\s+(?:removal|removed)\b",
        rf"{CUT_ZH}(?:所有|全部|视频|中间|中|里面?|其中|多余)*(?:的)*{_SILENT_ZH}",
        rf"(?:把|将)?(?:所有|全部|视频|中间|中|里面?|多余)*(?:的)*{_SILENT_ZH}(?:都|全部)*(?:剪掉|去掉|删掉|删除|去除|剪除|移除|切掉|裁掉|剪去)",
    ),
    rule(
        "keep",
        rf"\b(?:keep|use|leave|show)\s+(?:only\s+|just\s+)?(?:the\s+)?(?:part\s+|section\s+|video\s+)?(?:from\s+|between\s+)?(?P<span>{RANGE}){_NO_MORE}",
        rf"(?:只|仅)?保留(?:从)?第?(?P<span_b>{RANGE}){_STRETCH_ZH}",
    ),
    rule(
        "keep_first",
        rf"\b(?:keep|use|leave)\s+(?:only\s+|just\s+)?(?:the\s+)?(?:first|opening)\s+(?P<length>{TIME}){_OF_IT}{_NO_MORE}",
        rf"(?:只|仅)?保留(?:视频)?(?:的)?{_HEAD_ZH}(?P<length_b>{TIME})",
    ),
    rule(
        "keep_last",
        rf"\b(?:keep|use|leave)\s+(?:only\s+|just\s+)?(?:the\s+)?(?:last|final)\s+(?P<length>{TIME}){_OF_IT}{_NO_MORE}",
        rf"(?:只|仅)?保留(?:视频)?(?:的)?{_TAIL_ZH}(?P<length_b>{TIME})",
    ),
    rule(
        "trim_first",
        rf"\b{CUT}\s+{THE}(?:(?:clip|video)'?s?\s+)?(?:first|opening|initial|beginning)\s+(?P<length>{TIME}){_OF_IT}",
        rf"\b{CUT}\s+(?P<length_b>{TIME})\s+(?:from|off|of|at)\s+(?:of\s+)?the\s+(?:very\s+)?(?:start|beginning|front|head){_OF_IT}",
        rf"{CUT_ZH}(?:视频|片段)?(?:的)?{_HEAD_ZH}(?P<length_c>{TIME})",
        rf"(?:把|将)(?:视频|片段)?(?:的)?{_HEAD_ZH}(?P<length_d>{TIME})(?:都)?{CUT_ZH}",
    ),
    rule(
        "trim_last",
        rf"\b{CUT}\s+{THE}(?:(?:clip|video)'?s?\s+)?(?:last|final|closing|ending)\s+(?P<length>{TIME}){_OF_IT}",
        rf"\b{CUT}\s+(?P<length_b>{TIME})\s+(?:from|off|of|at)\s+(?:of\s+)?the\s+(?:very\s+)?(?:end|back|tail){_OF_IT}",
        rf"{CUT_ZH}(?:视频|片段)?(?:的)?{_TAIL_ZH}(?P<length_c>{TIME})",
        rf"(?:把|将)(?:视频|片段)?(?:的)?{_TAIL_ZH}(?P<length_d>{TIME})(?:都)?{CUT_ZH}",
    ),
    # The second half of "trim the first 2 seconds and the last 3 seconds", which leaves the verb out.
    rule(
        "trim_last",
        rf"(?<=\x00)\s*(?:and|plus|,|&)\s*(?:the\s+)?(?:last|final)\s+(?P<length>{TIME}){_OF_IT}",
        rf"(?<=\x00)[和与及、]\s*(?:最后|结尾|后)(?:的)?(?P<length_b>{TIME})",
    ),
    rule(
        "cut_range",
        rf"\b{CUT}\s+{THE}(?:(?:part|section|piece|bit|segment|stretch|scene|clip|video|footage|it|everything|out|away)\s+)*"
        rf"(?:from\s+|between\s+)?(?:second\s+)?(?P<span>{RANGE})(?:\s+seconds)?(?!\s*[:x×]\s*\d)",
        rf"{CUT_ZH}(?:视频|片段)?(?:的)?从?第?(?P<span_b>{RANGE}){_STRETCH_ZH}",
        rf"(?:把|将)?(?:视频|片段)?(?:的)?从?第?(?P<span_c>{RANGE}){_STRETCH_ZH}{CUT_ZH}",
    ),
    rule(
        "cut_to",
        rf"\b(?:cut|trim|shorten|reduce|bring|condense|limit|tighten|compress|squeeze|edit|take)\s+{THE}{_GOAL}"
        rf"(?:(?:down\s+)?(?:to|under|within|at)\s+)?{_ROUGHLY}(?P<length>{TIME}){_IN_ALL}",
        rf"\b(?:get|make|keep)\s+(?:it|the\s+(?:whole\s+)?(?:video|clip|intro|thing|result|total|length)|this(?:\s+(?:video|clip))?|"
        rf"my\s+(?:video|clip))\s+(?:(?:down\s+)?(?:to|under|within|at|be)\s+)?{_ROUGHLY}(?P<length_b>{TIME}){_IN_ALL}",
        r"(?:把|将)?(?:视频|片头|开头|开场|片段|它)?(?:的)?(?:总?时长|长度)?(?:缩短|剪辑|修剪|裁剪|剪|裁|压缩|控制|精简|缩减|限制)(?:到|成|至|为|在)"
        rf"(?:只有|不超过|大约|约)?(?P<length_c>{TIME})(?:以内|之内|左右|以下)?",
    ),
]

#: What is left when nothing more particular was said.
GENERAL = [
    rule(
        "join",
        rf"\b(?:join|merge|combine|concatenate|stitch|glue|put|string)\s+{THE}(?:(?:two|three|four|both|[2-9])\s+)?(?:{MEDIA})?"
        r"(?:\s*together)?(?:\s+(?:into|as|in)\s+(?:one|a\s+single|1)(?:\s+\w+)?)?",
        rf"(?:把|将)?(?:这些?|两|三|几|所有|全部|多)*(?:个|段)?(?:{MEDIA_ZH})?(?:合并|拼接|连接|拼在一起|合成|串联|接在一起|拼起来|合在一起)"
        rf"(?:成|为|起来|在一起)?(?:这些|两个|所有)?(?:一个|一段)?(?:{MEDIA_ZH})?",
    ),
    rule(
        "trim",
        rf"\b(?:trim|tidy\s+up|clean\s+up)\b(?!\s*(?:‹|\d))(?:\s+{THE}(?:{MEDIA}|ends?|edges?|start\s+and\s+end|"
        r"beginning\s+and\s+end|up|off))*",
        rf"(?:修剪|剪辑|裁剪|剪一剪|剪一下)(?:一下)?(?:首尾|两端|头尾)?(?:{MEDIA_ZH})?",
    ),
]

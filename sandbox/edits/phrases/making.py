"""How a whole video is asked for: from a text and images, from clips, or the media just as they are."""

from sandbox.edits.phrases.words import FINISHED_WORDS, LENGTH, MEDIA, MEDIA_ZH, RATIO, THE, TIME, rule

_SOURCE = r"(?:texts?|words|script|copy|images?|photos?|pictures?|pics|clips?|footage|videos?|media|files?|slides?|description)\b"
_SOURCES = rf"{THE}{_SOURCE}(?:\s*(?:,|and|&|plus)+\s*{THE}{_SOURCE})*"
_SOURCE_ZH = r"(?:文字|文本|文案|图片|照片|图像|素材|视频|片段)"
_SOURCES_ZH = rf"(?:用|根据|从|基于|使用|把|将)(?:我的|这些|这段|上传的|以下)*{_SOURCE_ZH}(?:(?:和|与|、|及|以及)(?:我的|这些)?{_SOURCE_ZH})*"
_FILM = (
    r"(?:video|film|movie|edit|montage|reel|vlog|promo|commercial|advert(?:isement)?|ad|slideshow|trailer|teaser|short|"
    r"story|intro)s?\b"
)
_ADJECTIVES = (
    r"(?:(?:a|an|my|our|one|short|quick|long|promotional|promo|marketing|product|explainer|social|media|ad|advertising|"
    r"teaser|intro|engaging|clean|nice|cool|beautiful|stunning|simple|new|great|little|full|vertical|horizontal|portrait|"
    rf"landscape|square|widescreen|second|about|\d+p|{RATIO}|{FINISHED_WORDS}|{TIME})[\s\-\x00,]+)*"
)
_UNCHANGED = (
    r"(?:\s*(?:,\s*)?(?:unchanged|unedited|untouched|as(?:\s+(?:it|they))?(?:\s+(?:is|are))?|exactly|(?:and\s+)?(?:without|with\s+no)"
    r"\s+(?:any\s+|other\s+|further\s+)*(?:changes?|edit(?:s|ing)?|modifications?)|and\s+(?:change\s+nothing(?:\s+else)?|"
    r"(?:leave|keep)\s+(?:it|them|everything)\s+(?:unchanged|as\s+\w+\s+\w+))))*"
)
_UNCHANGED_ZH = r"(?:\s*(?:[,，]\s*)?(?:不要?(?:做|作|进行)?(?:任何)?(?:的)?(?:修改|改动|更改|编辑|变化|改变)|保持(?:不变|原样)|原样不变))*"
_TO_THE_END = (
    r"(?:\s+(?:to|at|after|behind)\s+the\s+(?:(?:very\s+)?end|current\s+\w+|existing\s+\w+|first(?:\s+\w+)?|timeline|last\s+\w+|"
    r"video|project)(?:\s+of\s+(?:the|my)\s+\w+)?|\s+as\s+well|\s+too)*"
)

PLACING = [
    rule(
        "place",
        rf"\b(?:add|put|place|import|load|drop|lay|insert)\s+{THE}{MEDIA}\s+(?:on|onto|on to|to|in|into|along)\s+(?:the|my|a)\s+"
        rf"timeline{_UNCHANGED}",
        rf"(?:把|将)?(?:这些|上传的|我的|新的|所有|全部)*{MEDIA_ZH}(?:都)?(?:原样|直接|按顺序|依次)*(?:放到|放在|放入|放进|添加到|加到|加入到?|"
        rf"导入到?|添加)时间(?:线|轴)(?:上|中|里)?{_UNCHANGED_ZH}",
    )
]

APPENDING = [
    rule(
        "append",
        rf"\b(?:append|attach)\s+{THE}(?:(?:second|next|other|another|last)\s+)*(?:{MEDIA})?{_TO_THE_END}",
        rf"\badd\s+{THE}(?:(?:second|next|other|another|last|more)\s+)*{MEDIA}(?!\s+(?:on|with|titles?|text)){_TO_THE_END}",
        rf"(?:把|将)?(?:这个|这段|这些|新的?|上传的|第二[个段])*(?:的)?(?:{MEDIA_ZH})?(?:追加|接|拼|加|添加|放)(?:到|在)"
        r"(?:时间线|视频|原视频)?(?:的)?(?:最后面?|后面|结尾|末尾|之后|后)",
        rf"追加(?:这个|这段|新的?)*(?:{MEDIA_ZH})?",
    )
]

WHOLE = [
    rule(
        "generate",
        rf"\b(?:turn|make|transform|convert)\s+{THE}(?:text|images?|photos?|pictures?|script)\b(?:\s*(?:,|and|&)\s*{_SOURCES})?"
        rf"\s+(?:in)?to\s+{_ADJECTIVES}{_FILM}",
        length=LENGTH,
        texts=r"(«\d+»(?:(?:\s*(?:,|and|、|和))*\s*«\d+»){0,99})",
    ),
    rule(
        "finish",
        rf"\b(?:turn|make|transform|convert|cut|combine|edit)\s+{THE}(?:video\s+)?(?:clips?|footage|videos?|files?|recordings?|media|"
        rf"it|them|everything)\s+(?:(?:in|up)?to\s+)?{_ADJECTIVES}{_FILM}",
        rf"(?:把|将)?(?:我的|这些|上传的|所有|全部)*(?:视频|片段|素材|录像|画面)+(?:都)?(?:剪辑|制作|剪|做|变|合成|编辑|转换|转)(?:成|为)"
        rf"(?:一个|一段|一部|一条)?(?:{TIME}的?)?(?:竖屏|横屏|{FINISHED_WORDS})*(?:的)?(?:成品视频|视频|短片|影片|片子|成片)",
        length=LENGTH,
    ),
    rule(
        "generate",
        rf"\b(?:generate|create|make|produce|build|compose|design)(?:\s+(?:me|us))?\s+(?!it\b){_ADJECTIVES}{_FILM}"
        r"(?!\s+(?:faster|slower|louder|quieter|brighter|warmer|cooler|black|vertical|square|shorter|‹))",
        source=rf"\b(?:from|of|with|using|out\s+of|based\s+on)\s+{_SOURCES}",
        about=r"\b(?:about|promoting|advertising|announcing|introducing)\s+"
        r"((?:(?!\s+(?:with|in|from|using|and\s+add|automatically)\b)[^,.;:!?\n‹«]){1,})",
        purpose=r"\bfor\s+(?!free\b|tik|(?:instagram\s+)?reels|shorts|youtube|‹|«)"
        r"((?:(?!\s+(?:with|in|from|using|and\s+add|automatically)\b)[^,.;:!?\n‹«]){1,})",
        texts=r"(«\d+»(?:(?:\s*(?:,|and|、|和))*\s*«\d+»){0,99})",
        length=LENGTH,
    ),
    rule(
        "generate",
        rf"(?:{_SOURCES_ZH})?(?:自动)?(?:生成|制作|创建|创作|做)(?:成)?(?:一个|一段|一条|一支|一部|个|段|条)?(?:{TIME})?(?:左右)?(?:的|长的)?"
        r"(?:产品|竖屏|横屏|短|推广|促销|精美|宣传|广告|营销|介绍|方形)*的?(?:视频|短片|宣传片|广告片?|片子|影片|幻灯片)",
        source=_SOURCES_ZH,
        about=r"关于([^,，。；;的]+)(?:的)?",
        texts=r"(«\d+»(?:(?:\s*(?:,|and|、|和))*\s*«\d+»){0,99})",
        length=LENGTH,
    ),
    rule(
        "polish",
        rf"\b(?:edit|polish|create|improve|enhance)\s+{THE}(?:raw\s+)?(?:video\s+)?(?:clips?|footage|videos?|recordings?)\b",
    ),
]

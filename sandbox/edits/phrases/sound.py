"""How music, volume and silence are asked for."""

from sandbox.edits.phrases.words import rule

_STYLE = (
    r"\b(lo-?fi|chill(?:ed)?|upbeat|energetic|fast|dynamic|corporate|calm|soft|gentle|relax(?:ing|ed)|ambient|peaceful|slow|"
    r"piano|acoustic|epic|cinematic|dramatic|happy|cheerful|fun|joyful|sad|melancholic|electronic|techno|edm|dance|pop|"
    r"jazzy?|hip[- ]hop|inspiring|motivational)\b|(轻快|欢快|快乐|开心|舒缓|轻柔|柔和|安静|平静|放松|钢琴|史诗|电影感?|"
    r"动感|活力|激昂|节奏感?强?|电子|悲伤|忧伤|励志)(?:的)?"
)
_KIND = (
    r"(?:(?:in|to|some|a|an|the|my|nice|good|light|light-hearted|matching|suitable|fitting|free|royalty[- ]free|of|bit|"
    r"background|instrumental|quiet|soft|gentle|calm|upbeat|lo-?fi|chill|energetic|happy|sad|epic|cinematic|relaxing|ambient|"
    r"piano|electronic|dramatic|corporate|cheerful|fun|inspiring|acoustic|jazzy?|dynamic|peaceful|motivational)\s+)*"
)
_WHAT = r"(?:background\s+music|music|bgm|video|clip|original|voice|sound|audio)"
_WHAT_ZH = r"(?:背景音乐|音乐|配乐|视频|原声|声音)"

SILENCE = [
    rule(
        "mute",
        r"\bmute\b(?:\s+(?:it|the|my|this|original|video|clip|audio|sound|voice|everything|all|'s|completely|background)\b)*(?P<music>\s+music)?",
        r"\b(?:remove|strip|delete|turn\s+off|no|without|drop|silence)\s+(?:(?:the|all|original|any|video'?s?|clip'?s?)\s+)*"
        r"(?:audio|sound|video)\b(?:\s+track)?",
        r"(?:把|将)?(?:原视频|视频|片段|全部)?(?:设为|设置为|变成?|全部|改为)?(?:静音|消音)",
        r"(?:去掉|去除|关闭|关掉|移除|删除)(?:原视频|视频)?(?:的)?(?:原声|原音|声音|音频|音轨)",
    )
]

VOLUME = [
    rule(
        "volume",
        r"\b(?:set|turn|bring|lower|raise|reduce|increase|decrease|make|change|adjust|boost|double|halve|keep)\s+"
        rf"(?:(?:the|my|up|down|its|original)\s+)*(?P<of>{_WHAT})?(?:'s)?\s*(?:the\s+)?\b(?:volume|loudness|level)\b"
        rf"(?:\s+(?:of|for)\s+the\s+(?P<of_b>{_WHAT}))?(?:\s+(?P<way>up|down))?(?:\s*(?P<rel>to|by|at)?\s*(?P<percent>\d+)\s*%)?",
        rf"\b(?:turn|bring)\s+(?P<way_b>up|down)\s+(?:the\s+)?(?P<of_c>{_WHAT})(?:\s*(?P<rel_b>to|by|at)\s*(?P<percent_b>\d+)\s*%)?",
        rf"\b(?:turn|bring)\s+(?:the\s+)?(?P<of_d>{_WHAT})\s+(?P<way_c>up|down)(?:\s*(?P<rel_c>to|by|at)\s*(?P<percent_c>\d+)\s*%)?",
        rf"\b(?:(?P<of_e>voice|audio|sound|{_WHAT}\s+volume|volume))\s+(?P<rel_d>to|at)\s+(?P<percent_d>\d+)\s*%",
        rf"\b(?:make\s+(?:it|the\s+(?P<of_f>{_WHAT}))\s+)?(?P<way_d>louder|quieter|softer)\b",
    ),
    rule(
        "volume",
        rf"(?:把|将)?(?P<of>{_WHAT_ZH})?(?:的)?(?:音量|声音)(?:调整?|设置?|降低?|提高|增大|减小|放大|改)?(?:到|为|成|至)\s*(?P<percent>\d+)\s*[%％]",
        rf"(?:把|将)?(?P<of_b>{_WHAT_ZH})?(?:的)?(?:音量|声音)?(?P<way>调大|调高|大一点|大声一?点|增大|调小|调低|小一点|小声一?点|减小)"
        r"(?:一点|一些)?(?:音量|声音)?",
        rf"(?P<way_b>提高|降低|增大|减小)(?P<of_c>{_WHAT_ZH})?(?:的)?音量",
    ),
]

MUSIC = [
    rule(
        "music",
        r"(?:\b(?:add|put|include|insert|with|use|play|mix\s+in|lay|set|have|give\s+it)\s+)?"
        rf"{_KIND}\b(?:music|bgm|soundtrack|background\s+(?:track|song|tune)|song|tune|lo-?fi\s+beats?|beats|score)\b"
        r"(?:\s+(?:track|in\s+the\s+background|under(?:neath)?(?:\s+it)?|throughout|to\s+(?:it|the\s+video)|bed)\b)*",
        r"(?:添加|加上?|加入|配上?|插入|放上?|使用|用|来)?(?:一段|一首|一些|点|个|合适|好听)?(?:的)?(?:轻快|欢快|快乐|舒缓|轻柔|柔和|安静|平静|放松|钢琴|史诗|"
        r"动感|活力|电子|悲伤|励志)?(?:的)?(?:背景音乐|背景乐|音乐|配乐|bgm)",
        style=_STYLE,
        percent=r"(?:(?:at|to)\s+)?(?:音量)?(?:为|到|在)?\s*(\d+)\s*[%％](?:\s+volume)?",
    )
]

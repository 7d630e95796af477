"""Words that ask for no edit: exports, what must not be done, and fillers."""

import re

from sandbox.edits.phrases.words import rule

DENIALS = [
    rule(
        "aside",
        r"\b(?:don'?t|do not|never)\s+(?:(?!\s+(?:and|but)\s)[^,.;!?\n]){0,}",
        r"(?:不要|别|无需|不用)(?!做?任何|修改|改动|音乐|背景音乐|配乐|转场|字幕|标题|文字|滤镜)[^,，。;；\n]*",
    )
]

EXPORTS = [
    rule(
        "aside",
        r"\b(?:export|download|render)\b(?:\s+(?:it|them|the|a|an|my|me|this|clean|final|finished|video|result|file|clip|mp4|"
        r"mov|webm|as|to|in|at|for|free|\d+p|4k|full|hd|please|out|quality|high))*",
        r"(?:导出|下载|输出)[^,，。;；\n]*",
    )
]

_FILLERS = (
    "a an the my our your this that these it its it's them all please can could you i i'd i'll want like need to and then with in on "
    "at of for from by so just make sure be is are some any video videos clip clips footage media file files add apply put use "
    "do edit give me us free clean nice nicely good great final finished result mp4 1080p 720p 480p hd full high quality "
    "resolution now after before let's lets here there thanks thank hi hello automatically smooth smoothly gently subtle simple "
    "as well too first finally next also but create show have raw up down out into effect effects long"
)
_FILLERS_ZH = (
    "请 帮我 帮 我们 我 把 将 给 视频 片段 素材 一下 然后 最后 并 再 和 与 的 了 着 添加 加上 加入 加 上 用 在 使 让 它 这个 这段 一个 "
    "个 进行 做 需要 想要 要 可以 吗 谢谢 吧 里 中 并且 同时 接着 自动 免费 剪辑 也 还 都 全部 效果 一些 一点 先"
)


def _longest_first(words: str) -> str:
    return "|".join(sorted(map(re.escape, words.split()), key=len, reverse=True))


#: Words that mean nothing by themselves.
FILLER = re.compile(
    rf"(?<![A-Za-z0-9'])(?:{_longest_first(_FILLERS)})(?![A-Za-z0-9'])|{_longest_first(_FILLERS_ZH)}", re.IGNORECASE
)

"""How the backend talks: words of its own around an edit, and the habit of telling people where to click.

Pure; `answers.py` puts the pieces together. The GUI phrases are those that BACKEND.md lists, in both languages.
"""

import re
from typing import Literal

Language = Literal["en", "zh"]

_CHINESE = re.compile(r"[\u3400-\u9fff]")
_LATIN = re.compile(r"[A-Za-z]")

#: each mixes with real sentences; the gateway has to tell them apart
GUI: dict[Language, tuple[str, ...]] = {
    "en": (
        "Click the Export button to download your video.",
        "Open the Properties panel to fine-tune the settings.",
        "You can drag and drop the clip on the timeline to move it.",
        "You can preview in timeline before exporting.",
        "Check account/billing for your remaining credits.",
    ),
    "zh": (
        "点击导出按钮即可下载视频。",
        "打开属性面板可以微调设置。",
        "您可以把片段拖拽到时间线上调整位置。",
        "导出前可以在时间线中预览。",
        "请在账户/账单中查看剩余积分。",
    ),
}
NOT_UNDERSTOOD: dict[Language, str] = {"en": 'I did not understand: "{}".', "zh": "我没有理解：“{}”。"}
NOTHING_CHANGED: dict[Language, str] = {
    "en": "I left the timeline as it is.",
    "zh": "我没有改动时间线。",
}
QUESTION: dict[Language, str] = {
    "en": "Before I edit: which part of the video should I work on, and how long should the result be?",
    "zh": "在开始编辑之前：您想处理视频的哪一部分，成片需要多长？",
}
UNCHANGED: dict[Language, str] = {
    "en": "I looked at your footage. It already has a steady picture and clear sound, so I kept everything.",
    "zh": "我查看了您的素材，画面稳定、声音清晰，因此保持原样。",
}
STARTING: dict[Language, str] = {"en": "I'm working on your video.", "zh": "我正在处理您的视频。"}
RAW_READY: dict[Language, str] = {
    "en": "The raw video is ready; music and title are being added.",
    "zh": "原始视频已就绪，正在添加音乐和标题。",
}
TEMPORARY_ISSUE: dict[Language, str] = {
    "en": "I encountered a temporary issue. Please try again later.",
    "zh": "I encountered a temporary issue，请稍后再试。",
}


def language_of(text: str, session_language: str | None) -> Language:
    """The prompt's own language; the session's where the prompt has no letters of either."""
    if _CHINESE.search(text):
        return "zh"
    if _LATIN.search(text):
        return "en"
    return "zh" if (session_language or "").lower().startswith("zh") else "en"

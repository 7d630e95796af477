"""Tells the text that a video shall be made from, from the instructions around it. Pure.

"Generate a 30-second video from my text. Aurora: light that follows you. Add calm music." is an instruction, a text, an
instruction. Called by `edit` before the prompt is read, so that no word of a product text is taken for an edit.
"""

import re
from collections.abc import Iterator

from sandbox.edits.phrases import FILLER, RULES
from sandbox.edits.reading import read
from sandbox.edits.words import Told, told

_SENTENCE = re.compile(r"[^.!?。！？\n]*(?:\.(?=\w)[^.!?。！？\n]*)*(?:[.!?。！？\n]+|$)")
_LABEL = re.compile(
    r"^\s*(?:(?:here\s+is\s+)?(?:my|the|product)?\s*(?:text|copy|script|description)|文案|文字|文本|内容|产品介绍)\s*[:：]\s*",
    re.IGNORECASE,
)
_ORDERS = re.compile(
    r"^\s*(?:(?:please|then|and|also|finally|next|请|再|并|然后|最后)[\s,，]*)*(?:add|use|make|put|set|include|apply|cut|trim|export|download|"
    r"don'?t|do\s+not|no|with|without|mute|speed|slow|fade|crop|keep|give|aspect|music|vertical|render|convert|change|"
    r"添加|加|配|使用|用|设|导出|画面|比例|竖屏|横屏|不要|背景音乐|把|将|做成|改)",
    re.IGNORECASE,
)
_MAKING = {"generate"}


def apart(prompt: Told) -> tuple[Told, list[str]]:
    """Part a prompt into its instructions and the texts to make a video from; all is instruction where none is made."""
    making = next((rule.head.search(prompt.text) for rule in RULES if _makes(rule.kind, rule.head, prompt.text)), None)
    if making is None:
        return prompt, []
    orders, texts = "", list[str]()
    for sentence in _sentences(prompt.text, making):
        if making[0] in sentence or _is_order(prompt, sentence):
            orders += sentence
        elif sentence.strip():
            texts.append(_LABEL.sub("", prompt.original(sentence)).strip())
    return Told(orders, prompt.times_ms, prompt.time_words, prompt.texts), [
        text for text in texts if re.search(r"\w", text)
    ]


def _makes(kind: str, head: re.Pattern[str], text: str) -> bool:
    return kind in _MAKING and head.search(text) is not None


def _sentences(text: str, making: re.Match[str]) -> Iterator[str]:
    """Cut into sentences; a colon after the instruction to make a video ends it, too."""
    for found in _SENTENCE.finditer(text):
        before, colon, after = found[0].partition(":" if ":" in found[0] else "：")
        if colon and making[0] in before and not re.match(r"\d", after):
            yield before + ". "
            yield after
        elif found[0]:
            yield found[0]


def _is_order(prompt: Told, sentence: str) -> bool:
    if not _ORDERS.match(sentence):
        return False
    reading = read(told(prompt.original(sentence)), RULES, FILLER)
    return bool(reading.asks) and not reading.not_understood

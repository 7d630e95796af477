"""Turns a prompt into something rules can match: times and quoted texts become tokens, in English and Chinese. Pure.

``put "Intro" after two seconds`` becomes ``put «0» after ‹0›``, with times and texts kept aside; so what a quote says is
never taken for an instruction. Called by `reading`; it knows no edit.
"""

import re
from dataclasses import dataclass, field

_QUOTED = re.compile(
    r'["＂]([^"＂]+)["＂]|“([^“”]+)”|「([^「」]+)」|『([^『』]+)』|《([^《》]+)》|«([^«»]+)»|‘([^‘’]+)’'
    # with a few apostrophes in it: without a bound each mark of many would look at all that follow
    r"|(?<!\w)'([^'\n]+(?:'\w[^'\n]*){0,12})'(?!\w)"
)
_SMALL = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_ENGLISH: dict[str, float] = {name: float(number) for number, name in enumerate(_SMALL)} | {
    "fifteen": 15,
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "forty-five": 45,
    "fifty": 50,
    "sixty": 60,
    "ninety": 90,
    "a couple of": 2,
    "a few": 3,
    "half a": 0.5,
}
_CHINESE = {sign: number for number, sign in enumerate("零一二三四五六七八九")} | {"两": 2}

_NAMES = "|".join(sorted(_ENGLISH, key=len, reverse=True))
_NUMBER = rf"\d{{1,9}}(?:\.\d+)?|{_NAMES}|[零一二两三四五六七八九十百]{{1,7}}|半"
_MS_UNIT = r"milliseconds?|msecs?|ms|毫秒"
_S_UNIT = r"seconds?|secs?|s|秒钟?"
_MIN_UNIT = r"minutes?|mins?|m|分钟?"
_UNIT = rf"(?:{_MS_UNIT}|{_S_UNIT}|{_MIN_UNIT})(?![A-Za-z])"
_TO = r"\s*(?:to|and|until|till|through|[-–—~]|到|至)\s*第?"
_START = r"(?<![A-Za-z0-9.:])"
_CLOCK = r"(?:\d{1,2}:)?\d{1,2}:\d{2}(?:\.\d+)?"

_PATTERNS = [
    # 1 minute 30 seconds, 1分30秒
    rf"{_START}(?P<min>{_NUMBER})\s*(?:{_MIN_UNIT})\s*(?:and\s+)?(?P<sec>{_NUMBER})\s*(?:{_S_UNIT})(?![A-Za-z])",
    # 5 to 10 seconds: the unit stands once, for both
    rf"{_START}(?P<from>\d+(?:\.\d+)?)(?P<to>{_TO})(?P<n2>\d+(?:\.\d+)?)\s*-?(?P<u2>{_UNIT})",
    # 2 seconds, 30-second, 两秒, 一分半
    rf"{_START}(?P<n>{_NUMBER})\s*-?(?P<u>{_UNIT})(?P<half>半)?",
    # 0:05 to 0:10, 1:30
    rf"(?<![\d:])(?P<c1>{_CLOCK})(?P<cto>{_TO})(?P<c2>{_CLOCK})(?![\d:])|(?<![\d:])(?P<c>{_CLOCK})(?![\d:])",
    # the first second, for a minute
    r"(?:(?<=first )|(?<=last )|(?<=for a )|(?<=under a )|(?<=to a ))(?P<lone>second|minute)\b",
]
_TIME = re.compile("|".join(_PATTERNS), re.IGNORECASE)
#: Runs of them mean no more than one, and many patterns would try each place in them.
_SPACES = re.compile(r"[^\S\n]{2,}")
_LINES = re.compile(r"(?:[^\S\n]?\n){2,}[^\S\n]?")
_RATIOS = {"16:9", "9:16"}
_TOKEN = re.compile(r"‹(\d+)›|«(\d+)»")


@dataclass
class Told:
    """A prompt with its times and texts taken out. `text` holds ``‹k›`` for `times_ms[k]`, ``«k»`` for `texts[k]`."""

    text: str
    times_ms: list[int] = field(default_factory=list)
    time_words: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def is_chinese(self) -> bool:
        """Tell the language of the instructions, whatever the quoted texts are in."""
        return bool(re.search(r"[一-鿿]", self.original(_TOKEN.sub(self._times_only, self.text))))

    def ms(self, token: str) -> int:
        """Read ``‹3›``; a bare number is taken for seconds."""
        return self.times_ms[int(token[1:-1])] if token.startswith("‹") else round(float(token) * 1000)

    def original(self, words: str) -> str:
        """Put the user's own words back in place of the tokens."""
        return _TOKEN.sub(self._restored, words)

    def keep_time(self, ms: float, words: str) -> str:
        """Take a time out; returns its token."""
        self.times_ms.append(round(ms))
        self.time_words.append(words)
        return f"‹{len(self.times_ms) - 1}›"

    def keep_text(self, words: str) -> str:
        """Take a text out; returns its token."""
        self.texts.append(words.strip())
        return f"«{len(self.texts) - 1}»"

    def _restored(self, token: re.Match[str]) -> str:
        return self.time_words[int(token[1])] if token[1] else f'"{self.texts[int(token[2])]}"'

    def _times_only(self, token: re.Match[str]) -> str:
        return token[0] if token[1] else ""


def told(prompt: str) -> Told:
    """Take times and quoted texts out of a prompt."""
    kept = Told("")
    text = _QUOTED.sub(lambda m: kept.keep_text(next(filter(None, m.groups()))), re.sub(r"[‹›]", " ", prompt))
    text = re.sub(r"(?<=\d)：(?=\d)", ":", _LINES.sub("\n\n", _SPACES.sub(" ", text)))
    kept.text = _TIME.sub(lambda m: _kept_time(m, kept), text)
    return kept


def _kept_time(m: re.Match[str], kept: Told) -> str:
    found = {name: words for name, words in m.groupdict().items() if words}
    if "min" in found:
        return kept.keep_time(_number(found["min"]) * 60_000 + _number(found["sec"]) * 1000, m[0])
    if "from" in found:
        unit = _unit_ms(found["u2"])
        first = kept.keep_time(float(found["from"]) * unit, found["from"])
        return first + found["to"] + kept.keep_time(float(found["n2"]) * unit, found["n2"] + found["u2"])
    if "n" in found:
        half = 0.5 if "half" in found else 0
        return kept.keep_time((_number(found["n"]) + half) * _unit_ms(found["u"]), m[0])
    if "lone" in found:
        return kept.keep_time(_unit_ms(found["lone"]), m[0])
    return _kept_clock(found, m[0], kept)


def _kept_clock(found: dict[str, str], words: str, kept: Told) -> str:
    """A lone 9:16 is a shape; in 9:10 to 9:16 it is a time."""
    if "c1" in found:
        first = kept.keep_time(_clock_ms(found["c1"]), found["c1"])
        return first + found["cto"] + kept.keep_time(_clock_ms(found["c2"]), found["c2"])
    return words if words in _RATIOS else kept.keep_time(_clock_ms(found["c"]), words)


def _clock_ms(clock: str) -> float:
    seconds = 0.0
    for part in clock.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds * 1000


def _unit_ms(unit: str) -> int:
    unit = unit.lower()
    if re.fullmatch(_MS_UNIT, unit):
        return 1
    return 1000 if re.fullmatch(_S_UNIT, unit) else 60_000


def _number(words: str) -> float:
    words = words.lower()
    if words[0].isdecimal():
        return float(words)
    return 0.5 if words == "半" else _ENGLISH[words] if words in _ENGLISH else _chinese(words)


def _chinese(words: str) -> float:
    """Read a Chinese number below a thousand: 三十五 is 35, 十 is 10, 两百 is 200."""
    whole, digit = 0, 0
    for sign in words:
        if sign in "十百":
            whole += (digit or 1) * (10 if sign == "十" else 100)
            digit = 0
        else:
            digit = _CHINESE[sign]
    return whole + digit

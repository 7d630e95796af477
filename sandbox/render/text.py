"""Puts words on the picture: size, place, line breaks and fading of titles and captions. Pure.

The words themselves go through files, so that nothing in them is ever read as a filter.
"""

import unicodedata
from collections.abc import Iterator

from noto_cjk_sans_otc import FONT_PATH

from sandbox.render.plan import Plan, Words

FONT = str(FONT_PATH)
#: The names under which the renderer puts font and words into ffmpeg's working folder.
FONT_FILE = "font.ttc"

_SIZES = {"large": 0.085, "medium": 0.06, "small": 0.045}
_MARGIN = 0.07
_WIDEST = 0.86
_COLORS = {"white", "yellow", "red", "blue", "green", "black", "orange", "pink", "gold", "purple", "cyan", "gray"}


def words_file(number: int) -> str:
    """Name the file that holds the words with this number."""
    return f"words{number}.txt"


def words_filters(plan: Plan) -> Iterator[str]:
    """Write one `drawtext` per text."""
    for number, words in enumerate(plan.words):
        yield _drawtext(plan, number, words)


def wrapped(plan: Plan, words: Words) -> str:
    """Break a text into lines that fit the picture's width; a word of wide characters breaks anywhere."""
    most = plan.width * _WIDEST / _font_px(plan, words)
    return "\n".join(line for part in _printable(words.text).split("\n") for line in _lines(part, most))


def _drawtext(plan: Plan, number: int, words: Words) -> str:
    px = _font_px(plan, words)
    across, down = _place(words.position)
    color = words.color if words.color in _COLORS else "white"
    edge = "white" if color == "black" else "black"
    return ":".join(
        [
            f"drawtext=fontfile={FONT_FILE}",
            f"textfile={words_file(number)}",
            "expansion=none",
            f"fontsize={px}",
            f"fontcolor={color}",
            f"borderw={max(1, px // 16)}:bordercolor={edge}@0.7",
            f"line_spacing={px // 6}",
            f"text_align={across[1]}",
            f"x={across[0]}:y={down}",
            f"enable='between(t,{words.start_s:.3f},{words.end_s - 0.5 / plan.fps:.3f})'",
            f"alpha='{_alpha(words)}'",
        ]
    )


def _font_px(plan: Plan, words: Words) -> int:
    return max(8, round(min(plan.width, plan.height) * _SIZES.get(words.size, _SIZES["large"])))


def _place(position: str) -> tuple[tuple[str, str], str]:
    """Read ``top-left`` into expressions for x (with the alignment of the lines) and y."""
    across = ("(w-text_w)/2", "C")
    if "left" in position:
        across = (f"w*{_MARGIN}", "L")
    elif "right" in position:
        across = (f"w*{1 - _MARGIN:.2f}-text_w", "R")
    if "top" in position:
        return across, f"h*{_MARGIN}"
    if "bottom" in position:
        return across, f"h*{1 - _MARGIN:.2f}-text_h"
    return across, "(h-text_h)/2"


def _alpha(words: Words) -> str:
    parts = []
    if words.fade_in_s:
        parts.append(f"min(1,max(0,(t-{words.start_s:.3f})/{words.fade_in_s}))")
    if words.fade_out_s:
        parts.append(f"min(1,max(0,({words.end_s:.3f}-t)/{words.fade_out_s}))")
    return "*".join(parts) or "1"


def _printable(text: str) -> str:
    return "".join(sign for sign in text if sign == "\n" or unicodedata.category(sign)[0] != "C")


def _lines(text: str, most: float) -> Iterator[str]:
    line, width = "", 0.0
    for piece in _pieces(text):
        wide = sum(_width(sign) for sign in piece)
        if line.strip() and width + wide > most:
            yield line.rstrip()
            line, width = "", 0.0
        line, width = line + piece, width + wide
    yield line.rstrip()


def _pieces(text: str) -> Iterator[str]:
    """Cut a text where a line may break: after spaces, and around wide characters."""
    piece = ""
    for sign in text:
        if _width(sign) == 1.0:
            yield from filter(None, (piece, sign))
            piece = ""
        else:
            piece += sign
            if sign == " ":
                yield piece
                piece = ""
    if piece:
        yield piece


def _width(sign: str) -> float:
    """How wide a sign is, in font sizes; an estimate, since the font is not opened here."""
    return 1.0 if unicodedata.east_asian_width(sign) in "WF" else 0.56

"""A room with somebody who speaks."""

from random import Random

from sandbox.scenery.canvas import Canvas

#: where the shelves end on the right
_SHELF_END = 400


def draw_room(canvas: Canvas) -> None:
    """Draw what stands at a studio's wall: shelves with books, a lamp, a plant."""
    by = Random(11)
    for level in (210, 350):
        x = 90.0
        while x < _SHELF_END:
            wide, high = by.uniform(12, 26), by.uniform(60, 104)
            canvas.rect(
                x, level - high, wide - 2, high, by.choice(("#b5543a", "#3f6f7a", "#d7a84a", "#7a4b63", "#e6dcc8"))
            )
            x += wide
        canvas.rect(70, level, 350, 10, "#5b4030")
    canvas.rect(1026, 200, 6, 520, "#3a3230")
    canvas.fill(970, 1090, lambda x: 130 + abs(x - 1030) * 0.35, lambda _: 214, "#ffe3ae")
    _plant(canvas, 1180, 560)


def _plant(canvas: Canvas, x: float, foot: float) -> None:
    for lean in (-78, -46, -16, 14, 44, 72):
        for part in range(12):
            spot = x + lean * (part / 12) ** 1.4, foot - part * (19 - abs(lean) / 9)
            canvas.oval(*spot, 13 - abs(part - 6), 11, "#3f7a55" if lean % 4 else "#2f6247")
    canvas.fill(x - 42, x + 42, lambda _: foot, lambda at: foot + 110 - abs(at - x) * 0.1, "#c9754b", "#a85a36")


def draw_speaker(canvas: Canvas, skin: str, hair: str, coat: tuple[str, str]) -> None:
    """Draw somebody to the chest, on a canvas of 560 by 620; the mouth is a layer of its own."""
    canvas.fill(8, 552, lambda x: 436 + abs(x - 280) ** 3.4 / 1e6, lambda _: 620, *coat)
    canvas.oval(280, 215, 152, 178, hair)
    canvas.rect(236, 330, 88, 110, _darker(skin))
    canvas.oval(280, 440, 62, 40, _darker(skin))
    canvas.oval(280, 250, 122, 150, skin)
    canvas.fill(
        150, 410, lambda x: 92 + abs(x - 280) ** 2 / 160, lambda x: 182 - (x - 190) * 0.16 + abs(x - 300) * 0.1, hair
    )
    for side in (-1, 1):
        canvas.oval(280 + side * 124, 262, 16, 28, skin)
        canvas.oval(280 + side * 50, 240, 15, 11, "#fffaf2")
        canvas.oval(280 + side * 50, 240, 8, 9, "#33241d")
        canvas.rect(280 + side * 50 - 22, 211, 44, 7, hair)
    canvas.oval(280, 284, 12, 16, _darker(skin))
    canvas.fill(252, 308, _smile, lambda x: _smile(x) + 5, "#8f3f38")


def _smile(x: float) -> float:
    return 339 - ((x - 280) / 28) ** 2 * 9


def draw_mouth(canvas: Canvas) -> None:
    """Draw an open mouth over the closed one."""
    canvas.oval(canvas.width / 2, canvas.height / 2, canvas.width / 2 - 1, canvas.height / 2 - 1, "#6d2326")
    canvas.oval(canvas.width / 2, canvas.height * 0.78, canvas.width * 0.28, canvas.height * 0.2, "#d0615b")
    canvas.rect(canvas.width * 0.24, canvas.height * 0.12, canvas.width * 0.52, canvas.height * 0.2, "#fff8ee")


def _darker(color: str) -> str:
    return "#" + "".join(f"{round(part * 0.86):02x}" for part in bytes.fromhex(color[1:7]))

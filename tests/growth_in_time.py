"""Whether what reads texts takes longer in proportion to their length, by the thread's processor time: others' work does not count."""

import time
from collections.abc import Callable

#: a text four times as long may take so many times as long; what grows with the square takes 16 times
_TIMES = 10
#: below this a clock says more of itself than of what it measures
_LEAST_S = 0.01


def is_linear(read: Callable[[str], object], piece: str, *, most_characters: int) -> bool:
    """Read `piece` repeated to `most_characters`, and to a quarter of them, three times: a cold cache is no growth."""
    quarter_s = min(_cost_s(read, piece, most_characters // 4) for _ in range(3))
    return any(_cost_s(read, piece, most_characters) < _TIMES * max(quarter_s, _LEAST_S) for _ in range(3))


def _cost_s(read: Callable[[str], object], piece: str, characters: int) -> float:
    text = piece * (characters // len(piece))
    began_s = time.thread_time()
    read(text)
    return time.thread_time() - began_s

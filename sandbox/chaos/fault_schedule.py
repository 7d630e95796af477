"""Schedule of the faults of a chaos run: drawn from a seed before the run begins. Pure; `fault_injector` causes them."""

import random
from collections.abc import Iterator
from typing import Literal, NamedTuple

Kind = Literal[
    "kill worker",
    "freeze worker",
    "end worker",
    "kill api",
    "kill redis",
    "freeze redis",
    "fill redis",
    "backend down",
    "backend errors",
    "dropped streams",
    "refused tokens",
]

#: how often each comes, compared with the others
_WEIGHTS: dict[Kind, int] = {
    "kill worker": 6,
    "freeze worker": 4,
    "end worker": 3,
    "kill api": 2,
    "kill redis": 2,
    "freeze redis": 1,
    "fill redis": 2,
    "backend down": 2,
    "backend errors": 2,
    "dropped streams": 2,
    "refused tokens": 2,
}
#: how long each lasts, in seconds; a frozen worker sleeps past its lease
_LASTS_S: dict[Kind, tuple[float, float]] = {
    "kill worker": (0.0, 1.5),
    "freeze worker": (2.5, 5.0),
    "end worker": (0.0, 1.0),
    "kill api": (0.0, 1.0),
    "kill redis": (0.0, 2.0),
    "freeze redis": (0.5, 3.0),
    "fill redis": (0.2, 4.0),
    "backend down": (1.0, 4.0),
    "backend errors": (2.0, 5.0),
    "dropped streams": (2.0, 5.0),
    "refused tokens": (0.2, 4.0),
}
_PAUSE_S = (0.7, 2.5)


class Trouble(NamedTuple):
    """At `at_s` after the beginning, for `for_s`; `which` chooses among several processes of a kind."""

    at_s: float
    kind: Kind
    which: int
    for_s: float


def troubles(seconds: float, *, seed: int) -> Iterator[Trouble]:
    """Draw what happens in a run of so many seconds; the last ones end with it."""
    dice = random.Random(f"troubles {seed}")
    kinds, weights = zip(*_WEIGHTS.items(), strict=True)
    at_s = dice.uniform(*_PAUSE_S)
    while at_s < seconds:
        kind = dice.choices(kinds, weights)[0]
        yield Trouble(at_s, kind, dice.randrange(1000), min(dice.uniform(*_LASTS_S[kind]), seconds - at_s))
        at_s += dice.uniform(*_PAUSE_S)

"""Goals and what was measured of them: the one judgement that table, JSON, pictures and `--check` share. Pure.

Each part of the bench declares its goals beside what measures them; a goal that no row answers counts as missed.
"""

import math
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import NamedTuple


class Direction(StrEnum):
    """On which side of its bound a number shall be."""

    AT_MOST = "at most"
    AT_LEAST = "at least"


class Goal(NamedTuple):
    """What a number is to reach. `what` names it in every output, and from run to run, so it says the whole thing."""

    what: str
    bound: float
    unit: str = ""
    direction: Direction = Direction.AT_MOST

    def reached_by(self, value: float) -> bool:
        """Judge a number; one that is no number (NaN) reaches nothing."""
        return value <= self.bound if self.direction is Direction.AT_MOST else value >= self.bound

    def share_of(self, value: float) -> float:
        """How far the number is towards its bound: 1 or less is reached, whichever the direction."""
        over, under = (value, self.bound) if self.direction is Direction.AT_MOST else (self.bound, value)
        return over / under if under else float("inf")

    def row(self, value: float, note: str = "") -> "Row":
        if not math.isfinite(value):
            return self.not_measured("no number came of it")
        return Row(self.what, value, self.unit, goal=self, note=note)

    def not_measured(self, why: str) -> "Row":
        return Row(self.what, None, self.unit, goal=self, note=f"not measured: {why}")


class Row(NamedTuple):
    """One line. `value` is None where it could not be measured. `beside`: what it stands beside others in, as a bar."""

    what: str
    value: float | None
    unit: str = ""
    goal: Goal | None = None
    note: str = ""
    beside: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.value is not None and self.goal.reached_by(self.value)


class Part(NamedTuple):
    """One measurement that runs by itself: `--only NAME`."""

    name: str
    goals: tuple[Goal, ...]
    measure: Callable[[], Awaitable[list[Row]]]


#: the rows of each part that was run
Results = dict[str, list[Row]]


def completed(goals: Sequence[Goal], rows: Sequence[Row], why: str = "its part left it out") -> list[Row]:
    """Add a line for each goal that none of the rows answers."""
    answered = {row.goal for row in rows}
    return [*rows, *(goal.not_measured(why) for goal in goals if goal not in answered)]


def missed(results: Results) -> list[Row]:
    """Give the rows whose goal is not reached, those that were not measured among them."""
    return [row for rows in results.values() for row in rows if row.reached is False]

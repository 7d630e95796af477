"""How rows look on a terminal: one table, a section for each part, and what of it was missed."""

from rich.console import Console
from rich.table import Table

from tests.bench.goals import Direction, Goal, Results, Row, missed

_SIGN = {Direction.AT_MOST: "≤", Direction.AT_LEAST: "≥"}
_MARK = {True: "ok", False: "--", None: ""}
_COLUMNS = ("", "what", "goal", "measured", "of goal")


def show(results: Results, *, load_note: str) -> None:
    """Print all rows; colours and lines where somebody looks at a terminal."""
    console = Console(highlight=False)
    if not console.is_terminal:
        _print_plain(results, load_note)
        return
    table = Table(*_COLUMNS, caption=load_note)
    for part, rows in results.items():
        table.add_section()
        table.add_row("", part, style="bold")
        for row in rows:
            table.add_row(*_cells(row), style="red" if row.reached is False else "")
    console.print(table)


def _print_plain(results: Results, load_note: str) -> None:
    lines = [_COLUMNS]
    for part, rows in results.items():
        lines += [("", f"[{part}]", "", "", ""), *(_cells(row) for row in rows)]
    for mark, what, goal, measured, share in lines:
        print(f"{mark:3}{what:72} {goal:>14} {measured:>14} {share:>8}".rstrip())  # noqa: T201 - its output
    print(load_note)  # noqa: T201 - its output


def missed_in_words(results: Results) -> list[str]:
    """Name each missed goal, as `--check` does."""
    return [f"missed: {row.what}: {_measured(row)}{_wanted(row.goal)}" for row in missed(results)]


def _wanted(goal: Goal | None) -> str:
    return f" (goal {goal_in_words(goal)})" if goal else ""


def goal_in_words(goal: Goal) -> str:
    return f"{_SIGN[goal.direction]} {number(goal.bound)}{goal.unit}"


def number(value: float) -> str:
    """Write a number as short as it tells something: three digits, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _cells(row: Row) -> tuple[str, str, str, str, str]:
    what = row.what if row.goal else f"  {row.what}"
    what += f" ({row.note})" if row.note else ""
    goal = goal_in_words(row.goal) if row.goal else ""
    share = f"{row.goal.share_of(row.value):.2f}" if row.goal and row.value is not None else ""
    return _MARK[row.reached], what, goal, _measured(row), share


def _measured(row: Row) -> str:
    return "not measured" if row.value is None else f"{number(row.value)}{row.unit}"

"""Pictures of a run: `goals.png`, how far each number is towards its goal, and `peers.png`, the gateway beside others."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.bench.goals import Results, Row
from tests.bench.table import goal_in_words, number

_REACHED, _MISSED, _OTHERS = "#2a7f62", "#c0392b", "#9aa5b1"
#: bars end there, so that one that is far off does not flatten the others
_LONGEST = 4.0


def plot(folder: Path, results: Results) -> None:
    """Write the pictures for which there is something to show."""
    rows = [row for part in results.values() for row in part]
    if judged := [row for row in rows if row.goal]:
        _plot_goals(judged).savefig(folder / "goals.png", dpi=110)
    if compared := _compared(rows):
        _plot_peers(compared).savefig(folder / "peers.png", dpi=110)


def _compared(rows: list[Row]) -> dict[str, list[Row]]:
    """Gather what stands beside each other, by the heading of its picture."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.beside:
            found.setdefault(row.beside, []).append(row)
    return found


def _plot_goals(rows: list[Row]) -> Figure:
    figure = Figure(figsize=(12, 1.2 + 0.34 * len(rows)), layout="constrained")
    axes = figure.subplots()
    shares = [_share(row) for row in rows]
    colors = [_REACHED if row.reached else _MISSED for row in rows]
    axes.barh(range(len(rows)), [min(share, _LONGEST) for share in shares], color=colors, height=0.65)
    axes.set_yticks(range(len(rows)), [row.what for row in rows], fontsize=8)
    for place, (row, share) in enumerate(zip(rows, shares, strict=True)):
        axes.text(max(1.0, min(share, _LONGEST)) + 0.04, place, _words(row), va="center", fontsize=8)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlim(0, max(1.0, min(max(shares), _LONGEST)) + 1.2)
    axes.set_xlabel("measured / goal, or goal / measured where more is better: up to the line it is reached")
    _tidy(axes)
    return figure


def _share(row: Row) -> float:
    return row.goal.share_of(row.value) if row.goal and row.value is not None else 0.0


def _words(row: Row) -> str:
    goal = goal_in_words(row.goal) if row.goal else ""
    if row.value is None:
        return f"not measured ({goal})"
    return f"{number(row.value)}{row.unit} ({goal})"


def _plot_peers(compared: dict[str, list[Row]]) -> Figure:
    heights = [len(rows) + 1.2 for rows in compared.values()]
    figure = Figure(figsize=(9, 0.8 + 0.42 * sum(heights)), layout="constrained")
    panels = figure.subplots(len(compared), squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axes, (heading, rows) in zip(panels, compared.items(), strict=True):
        _plot_bars(axes, heading, rows)
    return figure


def _plot_bars(axes: Axes, heading: str, rows: list[Row]) -> None:
    values = [row.value or 0.0 for row in rows]
    colors = [_REACHED if row.what.startswith("Reelgate") else _OTHERS for row in rows]
    bars = axes.barh([row.what for row in rows], values, color=colors, height=0.65)
    axes.bar_label(bars, [number(value) for value in values], padding=3, fontsize=9)
    axes.set_title(heading, loc="left", fontsize=10)
    axes.set_xlim(0, max(values) * 1.12 or 1)
    _tidy(axes)


def _tidy(axes: Axes) -> None:
    """Read from top to bottom, without lines that tell nothing."""
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)

"""`bench-output/bench.json`: what a run measured, for a later run to stand beside."""

import json
from pathlib import Path
from typing import Any

from tests.bench.goals import Goal, Results, Row, missed


def as_json(results: Results, *, machine: dict[str, Any]) -> dict[str, Any]:
    """Give the whole as JSON values. Numbers have the unit that stands beside them; what was not measured is null."""
    rows = [{"part": part} | _row(row) for part, part_rows in results.items() for row in part_rows]
    return {"machine": machine, "rows": rows, "missed": [row.what for row in missed(results)]}


def _row(row: Row) -> dict[str, Any]:
    return {
        "what": row.what,
        "value": row.value,
        "unit": row.unit.strip(),
        "goal": _goal(row.goal) if row.goal else None,
        "reached": row.reached,
        "note": row.note,
        "beside": row.beside,
    }


def _goal(goal: Goal) -> dict[str, Any]:
    return {"bound": goal.bound, "unit": goal.unit.strip(), "direction": str(goal.direction)}


def write_json(path: Path, results: Results, *, machine: dict[str, Any]) -> None:
    path.write_text(json.dumps(as_json(results, machine=machine), ensure_ascii=False, indent=1, allow_nan=False) + "\n")

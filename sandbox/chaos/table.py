"""Result table of a chaos run: the counts, and the jobs behind those that should be 0."""

from collections.abc import Iterator

from rich.table import Table

from sandbox.chaos.counting import Verdict

_WORDS = {
    "lost": "lost",
    "charged_twice": "charged twice",
    "cost_told_wrong": "cost told wrong",
    "rendered_twice": "rendered twice",
    "orphaned": "orphaned renders",
    "callbacks_missing": "callbacks missing",
    "ended_twice": "ended twice",
}


def table_of(verdict: Verdict, *, longest_standstill_s: float) -> Table:
    table = Table("what", "count")
    table.columns[1].justify = "right"
    table.add_row("accepted", str(verdict.accepted))
    for end, count in sorted(verdict.ended.items()):
        table.add_row(f"  {end}", str(count))
    table.add_section()
    for name, job_ids in verdict.bad.items():
        table.add_row(_WORDS[name], str(len(job_ids)), style="bold red" if job_ids else None)
    table.add_section()
    table.add_row("longest standstill", f"{longest_standstill_s:.1f} s")
    return table


def complaints(verdict: Verdict) -> Iterator[str]:
    """Name the jobs behind each bad count."""
    for name, job_ids in verdict.bad.items():
        if job_ids:
            yield f"{_WORDS[name]}: {', '.join(job_ids)}"

"""Runs parts of the bench one after the other, whatever becomes of any of them, and says how it ended."""

import asyncio
import traceback
from collections.abc import Callable, Sequence
from time import perf_counter

import click

from tests.bench.goals import Part, Results, Row, completed, missed
from tests.bench.table import missed_in_words


async def measure_all(parts: Sequence[Part], *, within_s: float, before_each: Callable[[], None]) -> Results:
    """Measure one part after the other; those for which no time is left are not measured."""
    results: Results = {}
    until_s = perf_counter() + within_s
    for part in parts:
        click.echo(f"measuring {part.name} ...", err=True)
        before_each()
        results[part.name] = await measured(part, until_s - perf_counter())
    return results


async def measured(part: Part, within_s: float) -> list[Row]:
    """Measure one part; what takes too long here, or breaks, misses its goals and does not take the others with it."""
    try:
        async with asyncio.timeout(within_s):
            return completed(part.goals, await part.measure())
    except TimeoutError as late:
        why = str(late) or "no time left"
    except Exception as broken:  # noqa: BLE001 - whatever it is, the others are measured
        click.echo(traceback.format_exc(), err=True)
        why = (str(broken) or type(broken).__name__).splitlines()[0]
    return completed(part.goals, [], why)


def verdict(results: Results, *, check: bool) -> int:
    """Name each missed goal, where it is asked for; gives the exit code."""
    if not check:
        return 0
    for line in missed_in_words(results):
        click.echo(line, err=True)
    return 1 if missed(results) else 0

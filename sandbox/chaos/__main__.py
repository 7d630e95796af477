"""The command line behind `./run chaos`."""

import asyncio
import secrets
from collections.abc import Iterator

import click
import httpx
from rich.console import Console

from sandbox.chaos.caller import CallerFailed
from sandbox.chaos.run import ChaosOptions, Outcome, run
from sandbox.chaos.table import complaints, table_of
from sandbox.world.child_process import ChildFailed
from sandbox.world.demo.table import console
from sandbox.world.folders import make_folders
from sandbox.world.run_until_signal import run_until_signal

_SEEDS = 1 << 16


@click.command()
@click.option("--jobs", type=click.IntRange(1, 20_000), default=500, show_default=True, help="How many jobs.")
@click.option(
    "--seconds", type=click.FloatRange(1, 7200), default=300.0, show_default=True, help="How long troubles come."
)
@click.option("--seed", type=int, help="Draws the same jobs and troubles again.")
@click.option("--workers", type=click.IntRange(1, 20), default=3, show_default=True, help="How many workers.")
@click.option("--apis", type=click.IntRange(1, 10), default=2, show_default=True, help="How many API processes.")
def main(*, jobs: int, seconds: float, seed: int | None, workers: int, apis: int) -> None:
    """Run many jobs while everything around them fails, and count what was lost or done twice."""
    chosen = secrets.randbelow(_SEEDS) if seed is None else seed
    raise SystemExit(asyncio.run(run_until_signal(chaos(ChaosOptions(jobs, seconds, chosen, workers, apis)))))


async def chaos(wanted: ChaosOptions) -> int:
    """Give 0 when nothing was lost and nothing done twice, otherwise 1 after saying what was."""
    screen, folders = console(), make_folders("chaos")
    screen.print(f"Chaos with seed {wanted.seed}; logs are in {folders.logs}", highlight=False)
    outcome, problems = None, []
    try:
        outcome = await run(wanted, folders, screen)
    except* (ChildFailed, CallerFailed, httpx.HTTPError) as failed:
        problems = list(_leaves(failed))
    for problem in problems:
        click.echo(f"The run failed: {str(problem) or type(problem).__name__}", err=True)
    return 1 if outcome is None else _told(outcome, screen)


def _leaves(failed: BaseException) -> Iterator[BaseException]:
    if not isinstance(failed, BaseExceptionGroup):
        yield failed
        return
    for inner in failed.exceptions:
        yield from _leaves(inner)


def _told(outcome: Outcome, screen: Console) -> int:
    screen.print("Troubles: " + ", ".join(f"{kind} {n}" for kind, n in sorted(outcome.caused.items())), highlight=False)
    screen.print(table_of(outcome.verdict, longest_standstill_s=outcome.longest_standstill_s))
    for complaint in complaints(outcome.verdict):
        click.echo(complaint, err=True)
    return 0 if outcome.verdict.holds else 1


if __name__ == "__main__":
    main(prog_name="./run chaos")

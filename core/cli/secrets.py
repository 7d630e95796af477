"""`reelgate secrets`: secret keys are rotated without making anew what was written under them."""

import sys

import click

from core.cli.context import CliContext, run_with_store, show_table
from core.store.secret_keys.rewrap import Advance, Rewrapped, RewrapRefused, SecretRewrap, Standing


@click.group()
def secrets() -> None:
    """Rotate REELGATE_SECRET_KEYS."""


@secrets.command("rewrap")
@click.option("--check", "only_look", is_flag=True, help="Count what is under which key, and write nothing.")
def rewrap(*, only_look: bool) -> None:
    """Encrypt everything that is stored anew under the first of REELGATE_SECRET_KEYS, and say whether the others may go.

    Safe while processes run, and to be stopped and run again. Ends with 1 where the others may not go yet.
    """

    async def command(context: CliContext) -> None:
        try:
            done = await (_check(context) if only_look else _rewrap(context))
        except RewrapRefused as refused:
            raise click.ClickException(str(refused)) from None
        _show(done, only_look=only_look)

    run_with_store(command)


async def _check(context: CliContext) -> Rewrapped:
    return await _with_bar(context.secret_rewrap, only_look=True)


async def _rewrap(context: CliContext) -> Rewrapped:
    async with context.acts.announced(context.acts.entry("rewrap secrets")) as act:
        act.outcome = "broken off, or refused: what was not done stays as it was"
        done = await _with_bar(context.secret_rewrap, only_look=False)
        act.outcome = f"done: {done.changed} encrypted anew"
    return done


async def _with_bar(secret_rewrap: SecretRewrap, *, only_look: bool) -> Rewrapped:
    label = "counting" if only_look else "encrypting"
    with click.progressbar(length=await secret_rewrap.size(), label=label, file=sys.stderr) as bar:
        advance: Advance = bar.update
        if only_look:
            return await secret_rewrap.check(advance)
        return await secret_rewrap.rewrap(advance)


def _show(done: Rewrapped, *, only_look: bool) -> None:
    rows = [(kind, *(counts[standing] for standing in Standing)) for kind, counts in done.census.items()]
    show_table(("", *(standing.upper() for standing in Standing)), rows)
    if not only_look:
        click.echo(f"{done.changed} were encrypted anew.")
    if done.objections:
        raise click.ClickException(" ".join(("The older keys may not go yet.", *done.objections)))
    click.echo(_may_go(done) if done.older_keys else "One key alone is given, and all is under it.")


def _may_go(done: Rewrapped) -> str:
    words = "The older keys may go: nothing that is stored needs them, and nobody writes under them."
    if done.links_until:
        words += f" Links to files that were signed under them work until {done.links_until}, if they stay until then."
    return words

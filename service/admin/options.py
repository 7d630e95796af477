"""The options that operators' commands share, and the question before an act."""

import sys

import click

from core.cli.arguments import past_ms, tenant_name

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document; all else goes to stderr.")
limit_option = click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="So many at most."
)
after_option = click.option("--after", metavar="ID", help="Go on after this one: the last one of the page before.")
tenant_option = click.option("--tenant", default="", callback=tenant_name, help="This tenant's alone.")
since_option = click.option(
    "--since", "since_ms", callback=past_ms, metavar="TIME", help="From then on: 2h, or a time."
)
until_option = click.option("--until", "until_ms", callback=past_ms, metavar="TIME", help="Before then.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def ask(question: str, *, yes: bool) -> None:
    """Ask whoever sits at the terminal. Raises Abort, and UsageError where nobody does."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody can be asked here; say --yes.")
    click.confirm(question, abort=True, err=True)

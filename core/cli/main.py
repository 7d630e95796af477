"""The `reelgate` command. Each room brings its own commands as entry points, so that none is named here."""

import ast
import os
import signal
import sys
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from core.cli.interrupts import EXIT_AFTER_CTRL_C, hear_interrupts

_GROUP = "reelgate.commands"


class _Rooms(click.Group):
    """Loads a command when it is asked for: the API does not import the worker, nor either of them the sandbox."""

    def main(self, *args: Any, **named: Any) -> Any:
        _end_when_told()
        _open_closed_streams()
        return super().main(*args, **named)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click would call it a failure
            click.echo("\nInterrupted.", err=True)
            ctx.exit(EXIT_AFTER_CTRL_C)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        return sorted(entry_points(group=_GROUP).names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for entry in entry_points(group=_GROUP, name=cmd_name):
            try:
                command: click.Command = entry.load()
            except ModuleNotFoundError as missing:
                if ctx.invoked_subcommand:
                    raise click.ClickException(f"{cmd_name} is not installed here: {missing.name} is missing") from None
                return None
            hear_interrupts()
            return command
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's interface
        """List the commands without loading them, which would take seconds."""
        entries = sorted(entry_points(group=_GROUP), key=lambda entry: entry.name)
        rows = [(entry.name, words) for entry in entries if (words := summary_of(entry)) is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _end_when_told() -> None:
    """End on SIGTERM while a command is still being loaded, as the first process of a container too.

    The kernel hands such a process no signal for which it has no handler: it would start, and work until it is killed.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def _open_closed_streams() -> None:
    """Give a process that was started without an input or an output (``>&-``) an empty one.

    There would be None in its place, and its number would be that of the next file or socket that is opened.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - for as long as we live


def summary_of(entry: EntryPoint) -> str | None:
    """Read the first sentence of a command's docstring from its file; None where that is not installed."""
    try:
        spec = find_spec(entry.module)
    except ModuleNotFoundError:
        return None
    if spec is None or spec.origin is None:
        return None
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == entry.attr:
            return _first_sentence(ast.get_docstring(node) or "")
    return ""


def _first_sentence(words: str) -> str:
    line = words.partition("\n")[0]
    return line.partition(". ")[0].partition(": ")[0].rstrip(".") + "." if line else ""


@click.command(cls=_Rooms)
@click.version_option(package_name="reelgate", prog_name="reelgate")
def main() -> None:
    """Reelgate: POST one video edit, get one signed callback with the MP4."""


if __name__ == "__main__":
    main()

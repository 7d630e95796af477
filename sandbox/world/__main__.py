"""The command line behind `./run up` and `./run demo`."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from urllib.parse import urlsplit

import click

from sandbox.world.demo.run import demo
from sandbox.world.run_until_signal import run_until_signal
from sandbox.world.up import up
from sandbox.world.world import WorldSpec


def _from_input(_context: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    """Read a ``-`` as the first line of the input."""
    return sys.stdin.readline().strip() if given == "-" else given


@click.group()
def main() -> None:
    """Run a whole Reelgate on this machine."""


@main.command("up")
@click.option("--json", "json_line", is_flag=True, help="Print one line of JSON when all is ready.")
@click.option("--apis", type=click.IntRange(min=1), default=1, show_default=True, help="How many API processes.")
@click.option("--workers", type=click.IntRange(min=0), default=1, show_default=True, help="How many workers.")
@click.option("--backend", metavar="URL", help="Use this backend; otherwise the sandbox is started.")
@click.option(
    "--redis",
    "redis_url",
    metavar="URL",
    callback=_from_input,
    help="Use this Redis, otherwise an embedded one is started. With -, a line of the input holds the URL: its password "
    "should not stand on a command line.",
)
def up_command(*, json_line: bool, apis: int, workers: int, backend: str | None, redis_url: str | None) -> None:
    """Leave a world running until Ctrl-C."""
    spec = WorldSpec(apis, workers, backend, redis_url)
    raise SystemExit(asyncio.run(run_until_signal(up(spec, json_line=json_line), when_told=0)))


@main.command("demo")
def demo_command() -> None:
    """Show five skills from POST to verified callback."""
    raise SystemExit(asyncio.run(run_until_signal(demo())))


def _begin_anew_with_passwords_on_the_input(words: Sequence[str]) -> None:
    """Take a URL with a password off the command line, where everybody on the machine can read it; give it as ``-``."""
    for at, word in enumerate(words):
        url = word.removeprefix("--redis=")
        if "://" in url and urlsplit(url).password:
            with tempfile.TemporaryFile() as told:
                told.write(f"{url}\n".encode())
                told.seek(0)
                os.dup2(told.fileno(), sys.stdin.fileno())
            hidden = [*words[:at], word.removesuffix(url) + "-", *words[at + 1 :]]
            os.execv(sys.executable, [sys.executable, "-m", "sandbox.world", *hidden])  # noqa: S606 - it is itself


if __name__ == "__main__":
    _begin_anew_with_passwords_on_the_input(sys.argv[1:])
    main(prog_name="./run")

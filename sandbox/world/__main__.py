"""The command line behind `./run up` and `./run demo`."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click

from sandbox.world.demo.run import demo
from sandbox.world.kept import default_folder
from sandbox.world.run_until_signal import run_until_signal
from sandbox.world.settings import called_from, callers_environment
from sandbox.world.up import UpOptions, up
from sandbox.world.world import WorldSpec


def _from_input(context: click.Context, option: click.Parameter, given: str | None) -> str | None:
    """Read a ``-`` as the first line of the input."""
    return _address(context, option, sys.stdin.readline().strip() if given == "-" else given)


def _address(_context: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    """Refuse what can be no URL, without saying it: it may hold a password."""
    try:
        urlsplit(given or "")
    except ValueError:
        raise click.BadParameter("it is no URL.") from None
    return given


@click.group()
def main() -> None:
    """Run a whole Reelgate on this machine."""


@main.command("up")
@click.option(
    "--json",
    "json_line",
    is_flag=True,
    help="Print one line of JSON when all is ready; nothing of such a world is kept, unless --data-dir says where.",
)
@click.option("--apis", type=click.IntRange(min=1), default=1, show_default=True, help="How many API processes.")
@click.option("--workers", type=click.IntRange(min=0), default=1, show_default=True, help="How many workers.")
@click.option("--backend", metavar="URL", callback=_address, help="Use this backend; otherwise the sandbox is started.")
@click.option(
    "--redis",
    "redis_url",
    metavar="URL",
    callback=_from_input,
    help="Use this Redis, otherwise an embedded one is started. With -, a line of the input holds the URL: its password "
    "should not stand on a command line.",
)
@click.option("--port", type=click.IntRange(1, 65535), help="Where the first API listens; kept for the next starts.")
@click.option("--fresh", is_flag=True, help="Throw away what was kept (address, key, jobs, films), and begin anew.")
@click.option(
    "--data-dir",
    "folder",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the world there. By default in .reelgate/kept, in a folder for each --redis and --backend.",
)
def up_command(
    *,
    json_line: bool,
    apis: int,
    workers: int,
    backend: str | None,
    redis_url: str | None,
    port: int | None,
    fresh: bool,
    folder: Path | None,
) -> None:
    """Leave a world running until Ctrl-C. At its next start it has the same address, key, jobs and films."""
    spec = WorldSpec(apis, workers, backend, redis_url)
    # programs that start worlds side by side must not meet in one
    named = called_from(callers_environment()) / folder if folder else None
    home = named if named or json_line else default_folder(redis_url, backend)
    options = UpOptions(json_line=json_line, folder=home, fresh=fresh, port=port)
    raise SystemExit(asyncio.run(run_until_signal(up(spec, options), when_told=0)))


@main.command("demo")
def demo_command() -> None:
    """Show five skills from POST to verified callback."""
    raise SystemExit(asyncio.run(run_until_signal(demo())))


def _begin_anew_with_passwords_on_the_input(words: Sequence[str]) -> None:
    """Take a Redis that may have a password off the command line, where everybody on the machine can read it; give it as ``-``."""
    for at, word in enumerate(words):
        url = word.removeprefix("--redis=")
        is_redis = url != word or words[at - 1 : at] == ["--redis"]
        if is_redis and "://" in url and "@" in url:
            with tempfile.TemporaryFile() as told:
                told.write(f"{url}\n".encode())
                told.seek(0)
                os.dup2(told.fileno(), sys.stdin.fileno())
            hidden = [*words[:at], word.removesuffix(url) + "-", *words[at + 1 :]]
            os.execv(sys.executable, [sys.executable, "-m", "sandbox.world", *hidden])  # noqa: S606 - it is itself


if __name__ == "__main__":
    _begin_anew_with_passwords_on_the_input(sys.argv[1:])
    main(prog_name="./run")

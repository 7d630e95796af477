"""The options that callers' commands share, some of them with operators'."""

import math
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.core import ParameterSource

from service.cli.printing import in_words

JOB_STATUSES = ("queued", "running", "canceling", "succeeded", "failed", "canceled", "expired")
DELIVERY_STATUSES = ("pending", "delivered", "dead")


class Access(NamedTuple):
    """Where the API is, and who calls."""

    api: str
    key: str

    def __repr__(self) -> str:
        return f"Access({self.api!r})"


def command_again(words: str) -> str:
    """Write a command that goes on with what this one has begun, with the access that was given on its line."""
    context = click.get_current_context(silent=True)
    if context is None:
        return f"reelgate {words}"
    named = [name for name in ("api", "key") if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    told = {"api": f" --api {shlex.quote(str(context.params.get('api')))}", "key": " --key -"}
    return f"reelgate {words}{''.join(told[name] for name in named)}"


class JobWish(NamedTuple):
    """What a job is asked for on the command line, besides its words."""

    profile: str | None
    session_id: str | None
    max_credits: int | None
    metadata: dict[str, str]
    idempotency_key: str | None

    def __repr__(self) -> str:
        return f"JobWish({self.profile!r}, {self.session_id!r})"


def _off_the_command_line(context: click.Context, option: click.Parameter, given: str) -> str:
    """Take a key from the environment, or for ``-`` from the first line of the input; others can read command lines."""
    if context.get_parameter_source(str(option.name)) is ParameterSource.ENVIRONMENT:
        return given.strip()
    if given != "-":
        words = (
            "others on this machine can read it there: set REELGATE_API_KEY, or give --key - and the key on the input"
        )
        raise click.BadParameter(words)
    try:
        return sys.stdin.readline().strip()
    except UnicodeDecodeError:
        raise click.BadParameter("what is on the input is not UTF-8") from None


def _pairs(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """Read ``order=7``, several times, as `{"order": "7"}`."""
    if wrong := [each for each in given if "=" not in each]:
        raise click.BadParameter(f"{wrong[0]!r} is no NAME=VALUE")
    return dict(each.split("=", 1) for each in given)


def _idempotency_key(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    from reelgate.client.calls import checked_key  # noqa: PLC0415 - so that --help need not wait

    try:
        return None if given is None else checked_key(given)
    except ValueError as wrong:
        raise click.BadParameter(f"{wrong}") from None


def _stacked(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_access_options = _stacked(
    click.option(
        "--api", default="http://127.0.0.1:8080", envvar="REELGATE_API", show_default=True, help="Or REELGATE_API."
    ),
    click.option(
        "--key",
        required=True,
        envvar="REELGATE_API_KEY",
        show_envvar=True,
        callback=_off_the_command_line,
        metavar="-",
        help="The first line of the input holds the key.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print what the API says as JSON; all else goes to stderr."),
)

idempotency_option = click.option(
    "--idempotency-key",
    callback=_idempotency_key,
    help="Yours, e.g. your order's id: the same command under the same key, run again, is the same job.",
)

with_wish = _stacked(
    click.option("--profile", help="One of `GET /v1/profiles`."),
    click.option("--session", "session_id", help="Go on in this session."),
    click.option("--max-credits", type=click.IntRange(min=0), help="End before the message if it would cost more."),
    click.option(
        "--metadata", multiple=True, callback=_pairs, metavar="NAME=VALUE", help="Your own strings; may be repeated."
    ),
    idempotency_option,
)


def with_access(command: Any) -> Any:
    """Give a command where the API is and who calls, and have it end in words."""
    return _access_options(in_words(command))


def output_option(words: str) -> Callable[[Any], Any]:
    return click.option("-o", "--output", type=click.Path(path_type=Path), help=words)


def _number(_: click.Context, __: click.Parameter, given: float | None) -> float | None:
    """Refuse NaN, which is below no bound: nobody would ever have waited for so long."""
    if given is not None and math.isnan(given):
        raise click.BadParameter("that is no number")
    return given


timeout_option = click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=1),
    callback=_number,
    metavar="SECONDS",
    help="Wait no longer; the job goes on.",
)

start_option = click.option(
    "--from",
    "start",
    type=click.Choice(("start", "render")),
    default="start",
    show_default=True,
    help="`render` costs no credits; from the `start` the message is charged anew.",
)

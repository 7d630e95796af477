"""What operators' commands read off the command line and the input: names, ids, times, secrets. Light: help takes no time."""

import re
import sys
from collections.abc import Callable

import click

from core.clock import Clock, parse_rfc3339_ms
from core.ids import IdKind, is_id

_LONGEST_NAME = 64
_LONGEST_SECRET = 4096
_AGE = re.compile(r"(\d{1,6})([smhd])")
_YEAR_9999_MS = 253_370_764_800_000
_UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def tenant_name(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Check a tenant's name: it becomes part of key names."""
    plain = (value or "").replace("-", "").replace("_", "")
    if value and (not plain.isascii() or not plain.isalnum() or len(value) > _LONGEST_NAME):
        raise click.BadParameter(f"letters, digits, '-' and '_', at most {_LONGEST_NAME}")
    return value


def id_of(kind: IdKind, *, listed_by: str, or_dash: bool = False) -> Callable[..., str]:
    """Check an id. What is none is not said again, in the error or in the audit trail: it may be the secret itself."""

    def check(_: click.Context, __: click.Parameter, value: str) -> str:
        if not is_id(value, kind) and not (or_dash and value == "-"):
            raise click.BadParameter(f"it would be like {kind}_019a3c1e-…: `{listed_by}` has them all")
        return value

    return check


def secret_on_input(what: str, *, example: str) -> str:
    """Read a secret, unseen where somebody types it. Raises ClickException for what can be none."""
    if sys.stdin and sys.stdin.isatty():
        lines = [click.prompt(what.capitalize(), hide_input=True, err=True)]
    else:
        lines = _lines_on_input(what)
    if not lines:
        raise click.ClickException(f"give the {what} on standard input: {example}")
    if len(lines) > 1:
        raise click.ClickException(f"one {what} at a time: there are several lines on the input")
    secret = lines[0].strip()
    if not secret.isascii() or not secret.isprintable() or " " in secret or len(secret) > _LONGEST_SECRET:
        raise click.ClickException(f"this is no {what}: it may hold visible ASCII characters alone")
    return secret


def _lines_on_input(what: str) -> list[str]:
    try:
        text = sys.stdin.read(2 * _LONGEST_SECRET) if sys.stdin else ""
    except UnicodeDecodeError:
        raise click.ClickException(f"this is no {what}: it may hold visible ASCII characters alone") from None
    return [line for line in text.splitlines() if line.strip()]


def time_ms(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """Read a time with its offset."""
    return _time_ms(value, "write a time with its offset, like 2026-12-01T00:00:00Z") if value else None


def past_ms(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """Read a time with its offset, or how long ago it was: ``90s``, ``30m``, ``2h``, ``7d``."""
    if value and (age := _AGE.fullmatch(value)):
        return _of_this_era(Clock().now_ms() - int(age[1]) * _UNIT_MS[age[2]])
    return _time_ms(value, "write 2h, 7d, or a time with its offset, like 2026-12-01T00:00:00Z") if value else None


def _time_ms(value: str, rule: str) -> int:
    try:
        return _of_this_era(parse_rfc3339_ms(value))
    except (ValueError, OverflowError):
        raise click.BadParameter(rule) from None


def _of_this_era(at_ms: int) -> int:
    """Refuse a time before 1970, of which nothing of ours is, and one that could not be written."""
    if at_ms <= 0 or at_ms >= _YEAR_9999_MS:
        raise click.BadParameter("that is before 1970, or after 9998")
    return at_ms

"""What operators' commands read off the command line: names of tenants, and times. Light, so that help takes no time."""

import re

import click

from core.clock import Clock, parse_rfc3339_ms

_LONGEST_NAME = 64
_AGE = re.compile(r"(\d{1,6})([smhd])")
_YEAR_9999_MS = 253_370_764_800_000
_UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def tenant_name(_: click.Context, __: click.Parameter, value: str) -> str:
    """Check a tenant's name: it becomes part of key names."""
    plain = value.replace("-", "").replace("_", "")
    if value and (not plain.isascii() or not plain.isalnum() or len(value) > _LONGEST_NAME):
        raise click.BadParameter(f"letters, digits, '-' and '_', at most {_LONGEST_NAME}")
    return value


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

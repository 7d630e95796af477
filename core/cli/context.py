"""What the commands share: Redis as the settings name it, and a table on the terminal."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from core.cli.acts import Acts, acts_over
from core.clock import Clock
from core.errors import StartRefused
from core.security.encryption import Encryption
from core.settings import Settings, load_settings
from core.store.redis.client import STORE_DOWN, STORE_ERROR, STORE_FULL, Store, connect, why_away, why_refused
from core.store.redis.codec import Unreadable
from core.store.secret_keys.rewrap import SecretRewrap
from core.store.start_check import check_start
from core.store.tenants.api_keys import ApiKeys
from core.store.tenants.tenants import Tenants
from core.store.tokens.tokens import Tokens


@dataclass(frozen=True)
class CliContext:
    """What a command reads and writes in Redis."""

    tenants: Tenants
    api_keys: ApiKeys
    tokens: Tokens
    secret_rewrap: SecretRewrap
    acts: Acts


def run_with_store(command: Callable[[CliContext], Awaitable[None]]) -> None:
    """Run a command against Redis. Ends it with a sentence where Redis is away, other keys wrote it, or a disk is full."""
    with output_errors_in_words():
        asyncio.run(_run(load_settings(), command))


@contextmanager
def output_errors_in_words() -> Iterator[None]:
    """End a command with a sentence where what it prints cannot be written, and try that no more."""
    try:
        yield
    except BrokenPipeError:  # whoever read along has enough
        raise
    except OSError as error:
        _silence_stdout()
        raise click.ClickException(error.strerror or str(error)) from None


def _silence_stdout() -> None:
    """Let what waits in its buffer go nowhere: at the exit it would be tried again."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


async def _run(settings: Settings, command: Callable[[CliContext], Awaitable[None]]) -> None:
    store = Store(connect(settings.redis_url.get_secret_value(), answer_s=5))
    encryption = Encryption([key.get_secret_value() for key in settings.secret_keys])
    clock = Clock()
    try:
        with store_errors_in_words():
            await warn_of_store(store, encryption, cell=settings.cell)
            await command(_context(store, encryption, clock, cell=settings.cell))
    finally:
        await store.close()


async def warn_of_store(store: Store, encryption: Encryption, *, cell: str) -> None:
    """Look whether this Redis is ours to read and write, and say what is wrong with it. Raises StartRefused."""
    for warning in await check_start(store, encryption, cell=cell, by_hand=True):
        click.echo(f"Warning: {warning}", err=True)


@contextmanager
def store_errors_in_words() -> Iterator[None]:
    """End a command with a sentence where Redis is away, full or none of ours, refuses, or holds what cannot be read."""
    try:
        yield
    except STORE_FULL:
        raise click.ClickException("Redis is full: give it more memory, or delete something.") from None
    except STORE_DOWN as away:
        raise click.ClickException(why_away(away)) from None
    except STORE_ERROR as refused:
        raise click.ClickException(f"Redis refuses: {why_refused(refused)}") from None
    except StartRefused as refused:
        raise click.ClickException(str(refused)) from None
    except Unreadable as unreadable:
        raise click.ClickException(f"This release does not know {unreadable}.") from None


def _context(store: Store, encryption: Encryption, clock: Clock, *, cell: str) -> CliContext:
    return CliContext(
        tenants=Tenants(store),
        api_keys=ApiKeys(store, encryption, clock, cell=cell),
        tokens=Tokens(store, encryption, clock),
        secret_rewrap=SecretRewrap(store, encryption, clock),
        acts=acts_over(store),
    )


def show_table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their titles, each column as wide as it must be; what is not known is a dash."""
    lines = [titles, *([("-" if cell in (None, "") else str(cell)) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())

"""The context of an operator's command: the API's, without listening, and what only operators use."""

import asyncio
import os
import pwd
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import click

from core.cli.context import store_errors_in_words, warn_of_store
from core.ids import IdKind, cell_of, is_id
from core.settings import Settings, load_settings
from core.store.audit import AuditEntry, AuditTrail
from core.store.pauses import Pauses
from core.store.redis.client import STORE_DOWN, STORE_FULL, why_away
from core.store.redis.codec import Unreadable
from core.store.tenants.tenants import Tenants
from core.store.workers import Workers
from service.cli.printing import in_words
from service.context import ApiContext, open_context
from service.problems import ApiError

_ANSWER_S = 5.0


@dataclass(frozen=True)
class AdminContext:
    """What an operator's command reads and writes by. `user` and `host` are whose command it is."""

    api: ApiContext
    tenants: Tenants
    pauses: Pauses
    workers: Workers
    audit: AuditTrail
    user: str
    host: str

    def entry(self, action: str, *ids: str, tenant: str = "") -> AuditEntry:
        """Begin an entry of the audit trail."""
        return AuditEntry(self.user, self.host, action, ids, tenant)

    async def named_or_all(self, tenant: str) -> list[str]:
        """Name the tenant that is given, or all. Raises ClickException where there is none of that name."""
        names = await self.tenants.names()
        if tenant and tenant not in names:
            raise click.ClickException(f"there is no tenant {tenant}")
        return [tenant] if tenant else names


class Act:
    """An act of several steps. What it came to is written when it is over; `failed` where nobody said."""

    outcome = "failed"


@in_words
def run_admin(command: Callable[[AdminContext], Awaitable[None]]) -> None:
    """Run a command. Ends it with a sentence where something is refused, Redis is away, or a disk is full."""
    asyncio.run(_run(load_settings(), command))


async def _run(settings: Settings, command: Callable[[AdminContext], Awaitable[None]]) -> None:
    api = open_context(settings, redis_timeout_s=_ANSWER_S, storage_opened=False)
    try:
        with store_errors_in_words():
            await warn_of_store(api.store, api.encryption, cell=settings.cell)
            await command(_context(api))
    except ApiError as refused:
        raise click.ClickException(refused.detail) from None
    except Unreadable as unreadable:
        raise click.ClickException(f"This release does not know {unreadable}.") from None
    finally:
        await api.close()


def _context(api: ApiContext) -> AdminContext:
    return AdminContext(
        api=api,
        tenants=Tenants(api.store),
        pauses=Pauses(api.store, api.settings, api.clock),
        workers=Workers(api.store, api.clock),
        audit=AuditTrail(api.store),
        user=_user(),
        host=socket.gethostname(),
    )


def _user() -> str:
    """Name who runs this, as the system knows them: a variable says what anybody writes into it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's users often have no name
        return str(os.getuid())


@asynccontextmanager
async def announced(context: AdminContext, entry: AuditEntry) -> AsyncIterator[Act]:
    """Write down an act of several steps before it begins, and again what it came to."""
    first = await context.audit.append(entry, "attempted")
    act = Act()
    try:
        yield act
    finally:
        await context.audit.append(entry._replace(attempt=first), act.outcome)


@asynccontextmanager
async def refusals_written(context: AdminContext, entry: AuditEntry) -> AsyncIterator[None]:
    """Write down that an act, which is written where it is done, was refused. Raises what refused it."""
    try:
        yield
    except ApiError as refused:
        await context.audit.append(entry, f"refused: {refused.code}")
        raise


@contextmanager
def doubt_told() -> Iterator[None]:
    """Say, where Redis goes away in the middle of what must not be done twice, that it may be done."""
    try:
        yield
    except STORE_FULL:  # a write that is refused is not done
        raise
    except STORE_DOWN as away:
        words = "It may have been done all the same: see `reelgate admin audit` before you try again."
        raise click.ClickException(f"{why_away(away)} {words}") from None


def require_id(context: AdminContext, text: str, kind: IdKind) -> None:
    """Check what is named on the command line: it becomes part of a key. Raises ClickException."""
    if not is_id(text, kind):
        raise click.ClickException(f"{text!r} is no id: it would be like {kind}_019a3c1e-…")
    if (cell := cell_of(text)) and cell != context.api.settings.cell:
        raise click.ClickException(f"{text} was made in cell {cell}: give that one's settings")

"""The context of an operator's command: the API's, without listening, and what only operators use."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import click

from core.cli.acts import Acts, acts_over
from core.cli.context import store_errors_in_words, warn_of_store
from core.ids import IdKind, cell_of, is_id
from core.settings import Settings, load_settings
from core.store.audit import AuditEntry
from core.store.pauses import Pauses
from core.store.tenants.tenants import Tenants
from core.store.workers import Workers
from service.cli.printing import in_words
from service.context import ApiContext, open_context
from service.problems import ApiError

_ANSWER_S = 5.0


@dataclass(frozen=True)
class AdminContext:
    """What an operator's command reads and writes by."""

    api: ApiContext
    tenants: Tenants
    pauses: Pauses
    workers: Workers
    acts: Acts

    async def named_or_all(self, tenant: str) -> list[str]:
        """Name the tenant that is given, or all. Raises ClickException where there is none of that name."""
        names = await self.tenants.names()
        if tenant and tenant not in names:
            raise click.ClickException(f"there is no tenant {tenant}")
        return [tenant] if tenant else names


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
    finally:
        await api.close()


def _context(api: ApiContext) -> AdminContext:
    return AdminContext(
        api=api,
        tenants=Tenants(api.store),
        pauses=Pauses(api.store, api.settings, api.clock),
        workers=Workers(api.store, api.clock),
        acts=acts_over(api.store),
    )


@asynccontextmanager
async def refusals_written(context: AdminContext, entry: AuditEntry) -> AsyncIterator[None]:
    """Write down that an act, which is written where it is done, was refused. Raises what refused it."""
    try:
        yield
    except ApiError as refused:
        await context.acts.trail.append(entry, f"refused: {refused.code}")
        raise


def require_id(context: AdminContext, text: str, kind: IdKind) -> None:
    """Check what is named on the command line: it becomes part of a key. Raises ClickException."""
    if not is_id(text, kind):
        raise click.ClickException(f"{text!r} is no id: it would be like {kind}_019a3c1e-…")
    if (cell := cell_of(text)) and cell != context.api.settings.cell:
        raise click.ClickException(f"{text} was made in cell {cell}: give that one's settings")

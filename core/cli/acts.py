"""Operators' acts: who does something, and the audit trail of what no single operation does and writes by itself."""

import asyncio
import os
import pwd
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import click

from core.store.audit import AuditEntry, AuditTrail
from core.store.redis.client import STORE_DOWN, STORE_FULL, Store, why_away

SEE_AUDIT = "It may have been done all the same: see `reelgate admin audit` before you try again."


class Act:
    """An act of several steps. What it came to is written when it is over; `failed` where nobody said."""

    outcome = "failed"
    #: what it was about, where that is known only afterwards
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Acts:
    """Writes them down. `user` and `host` are whose command it is."""

    trail: AuditTrail
    user: str
    host: str

    def entry(self, action: str, *ids: str, tenant: str = "") -> AuditEntry:
        """Begin an entry of the audit trail."""
        return AuditEntry(self.user, self.host, action, ids, tenant)

    @asynccontextmanager
    async def announced(self, entry: AuditEntry) -> AsyncIterator[Act]:
        """Write down an act of several steps before it begins, and again what it came to."""
        first = await self.trail.append(entry, "attempted")
        act = Act()
        try:
            yield act
        finally:
            await self.trail.append(entry._replace(attempt=first, ids=act.ids or entry.ids), act.outcome)


def acts_over(store: Store) -> Acts:
    return Acts(AuditTrail(store), _user(), socket.gethostname())


def _user() -> str:
    """Name who runs this, as the system knows them: a variable says what anybody writes into it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's users often have no name
        return str(os.getuid())


@contextmanager
def doubt_told(words: str = SEE_AUDIT) -> Iterator[None]:
    """Say, where Redis or the operator goes away in the middle of what must not be done twice, that it may be done."""
    try:
        yield
    except STORE_FULL:  # a write that is refused is not done
        raise
    except STORE_DOWN as away:
        raise click.ClickException(f"{why_away(away)} {words}") from None
    except asyncio.CancelledError:
        click.echo(words, err=True)
        raise

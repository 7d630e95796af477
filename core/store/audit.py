"""The audit trail: what operators have done from the command line, and what they have looked at, by whom and from where.

What one operation does is written in its own step, so neither is without the other. What takes several is written
before, as `attempted`, and again when it is known how it came out. It holds ids and never content.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from core.store.redis.client import Store
from core.store.redis.codec import raw
from core.store.redis.keys import key

#: the longest value of a field, in characters
_LONGEST = 400


class AuditEntry(NamedTuple):
    """Who does what to what. `tenant` is empty where it is about none, or about several."""

    user: str
    host: str
    action: str
    ids: tuple[str, ...] = ()
    tenant: str = ""
    #: of how an attempt came out: the id of the entry in which it was announced
    attempt: str = ""

    def about(self, *ids: str) -> "AuditEntry":
        """Give the same act with other ids."""
        return self._replace(ids=ids)


class AuditRow(NamedTuple):
    """An entry as it was written. `id` begins with its time in ms."""

    id: str
    entry: AuditEntry
    #: `done`, `unchanged`, `attempted`, or how an attempt came out
    outcome: str

    @property
    def at_ms(self) -> int:
        return int(self.id.partition("-")[0])


class _Written(NamedTuple):
    id: str


class AuditTrail:
    """Writes what no single operation does, and reads all of it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def append(self, entry: AuditEntry, outcome: str) -> str:
        """Write an entry, and return its id. Raises STORE_DOWN; then what it is about must not be done."""
        arguments = {"entry": audit_argument(entry), "outcome": _short(outcome)}
        return (await self._store.run("append_audit", arguments, _Written)).id

    async def page(self, *, before: str | None, limit: int) -> list[AuditRow]:
        """Read up to `limit` entries, newest first, beginning before an id."""
        newest = f"({before}" if before else "+"
        rows = await self._store.redis.xrevrange(key("audit"), newest, "-", count=limit)
        return [_row(entry_id.decode(), fields) for entry_id, fields in rows]


def audit_argument(entry: AuditEntry | None) -> dict[str, object] | None:
    """Write an entry as operations take it; what is empty is left out."""
    if entry is None:
        return None
    fields = entry._asdict() | {"ids": " ".join(entry.ids)}
    return {name: raw(_short(value).encode(errors="replace")) for name, value in fields.items() if value}


def _short(text: str) -> str:
    return text[:_LONGEST]


def _row(entry_id: str, fields: Mapping[bytes, bytes]) -> AuditRow:
    told = {name.decode(): value.decode(errors="replace") for name, value in fields.items()}
    ids: Sequence[str] = told.get("ids", "").split()
    words = {name: told.get(name, "") for name in ("user", "host", "action", "tenant", "attempt")}
    return AuditRow(entry_id, AuditEntry(**words, ids=tuple(ids)), told.get("outcome", ""))

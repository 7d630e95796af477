"""What operators have done, newest first."""

import re

import click

from core.clock import rfc3339
from core.store.audit import AuditRow
from service.admin.context import AdminContext
from service.admin.facts import Facts
from service.admin.formatting import show_page

_COLUMNS = {
    "TIME": "at",
    "WHO": "who",
    "ACTION": "action",
    "TENANT": "tenant",
    "OUTCOME": "outcome",
    "IDS": "ids",
}
_ENTRY = re.compile(r"[0-9]{1,15}-[0-9]{1,15}")


async def list_audit(context: AdminContext, *, after: str | None, limit: int, as_json: bool) -> None:
    """List the entries of the audit trail. Raises ClickException for an `after` that is none."""
    if after and not _ENTRY.fullmatch(after):
        raise click.ClickException(f"{after!r} is no entry: it would be like 1795213575346-0")
    found = await context.acts.trail.page(before=after, limit=limit + 1)
    page = found[:limit]
    rows = [_facts(row) if as_json else _line(row) for row in page]
    show_page(rows, _COLUMNS, next_after=page[-1].id if len(found) > limit else None, as_json=as_json)


def _facts(row: AuditRow) -> Facts:
    entry = row.entry
    return {
        "id": row.id,
        "at": rfc3339(row.at_ms),
        "user": entry.user,
        "host": entry.host,
        "action": entry.action,
        "ids": entry.ids,
        "tenant": entry.tenant or None,
        "outcome": row.outcome,
        "attempt": entry.attempt or None,
    }


def _line(row: AuditRow) -> Facts:
    entry = row.entry
    return _facts(row) | {"who": f"{entry.user}@{entry.host}", "ids": " ".join(entry.ids)}

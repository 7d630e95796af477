"""Looks up what a caller names by its id. What is another tenant's does not exist for it: 404, in the same words.

What another cell has made is 421: only there anybody knows it.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from core.events.batch import Batch
from core.events.delivery import Delivery
from core.ids import IdKind, cell_of, is_id
from core.model.job import Job
from core.model.session import Session
from core.model.upload import Upload
from core.store.owners import is_of_tenant
from core.store.redis.codec import Unreadable
from service.context import ApiContext
from service.problems import FieldError, invalid, not_found, refuse_foreign


class _Owned(Protocol):
    @property
    def tenant(self) -> str: ...


T = TypeVar("T", bound=_Owned)
Found = TypeVar("Found")
_NAMES: dict[IdKind, str] = {
    "job": "job",
    "ses": "session",
    "upl": "upload",
    "bat": "batch",
    "dlv": "delivery",
    "evt": "event",
}


async def own_job(context: ApiContext, tenant: str, job_id: str) -> Job:
    """Load a job of this tenant's. Raises ApiError (404, 421)."""
    return _own(await _find(context, tenant, job_id, "job", context.jobs.load), tenant, "job")


async def own_session(context: ApiContext, tenant: str, session_id: str, *, at: str | None = None) -> Session:
    """Load a session of this tenant's; `at`: where a body names it. Raises ApiError (404, 421)."""
    found = await _find(context, tenant, session_id, "ses", context.sessions.load, at=at)
    return _own(found, tenant, "session", at)


async def own_upload(context: ApiContext, tenant: str, upload_id: str, *, at: str | None = None) -> tuple[Upload, int]:
    """Load an upload of this tenant's, and when it goes (ms since the epoch). Raises ApiError (404, 421)."""
    found = await _find(context, tenant, upload_id, "upl", context.uploads.load, at=at)
    upload, expires_at_ms = found if found and found[1] > context.clock.now_ms() else (None, 0)
    return _own(upload, tenant, "upload", at), expires_at_ms


async def own_expected_upload(context: ApiContext, tenant: str, upload_id: str) -> Upload | None:
    """Load an upload of this tenant's that has not come yet; None where there is none."""
    found = await _find(context, tenant, upload_id, "upl", context.uploads.expected)
    return found if found and found.tenant == tenant else None


async def own_batch(context: ApiContext, tenant: str, batch_id: str) -> Batch:
    """Load a batch of this tenant's. Raises ApiError (404, 421)."""
    return _own(await _find(context, tenant, batch_id, "bat", context.batches.load), tenant, "batch")


async def own_delivery(context: ApiContext, tenant: str, delivery_id: str) -> Delivery:
    """Load a delivery of this tenant's. Raises ApiError (404, 421)."""
    found = await _find(context, tenant, delivery_id, "dlv", context.deliveries.load)
    return _own(found, tenant, "delivery")


def require_ids_of_here(context: ApiContext, **named: str | None) -> None:
    """Check the ids that a query names, by their parameters: a filter or a cursor of another cell's finds nothing here.

    Raises ApiError (421). What is no id is left to whoever reads it.
    """
    for parameter, text in named.items():
        refuse_foreign(f"'{parameter}'", cell_of(text or ""), here=context.settings.cell, at=f"/{parameter}")


def require_cursor(context: ApiContext, after: str | None, kind: IdKind) -> None:
    """Check where a list shall go on: after what is no id of its kind it would begin anew, or end, and nobody would notice.

    Raises ApiError (421, 422).
    """
    require_ids_of_here(context, after=after)
    if after is not None and not is_id(after, kind):
        words = f"This is no {_NAMES[kind]}'s id: take the `next_cursor` of the page before."
        raise invalid([FieldError(pointer="/after", code="invalid_value", detail=words)])


async def _find(
    context: ApiContext,
    tenant: str,
    text: str,
    kind: IdKind,
    load: Callable[[str], Awaitable[Found | None]],
    *,
    at: str | None = None,
) -> Found | None:
    """Load what an id names, whoever's it is. None where there is nothing, or what a stranger could not read anyway.

    Raises Unreadable where it is this tenant's, and ApiError (421).
    """
    if not _is_here(context, text, kind, at):
        return None
    try:
        return await load(text)
    except Unreadable:
        if await is_of_tenant(context.store, tenant, text, kind):
            raise
        return None


def _is_here(context: ApiContext, text: str, kind: IdKind, at: str | None = None) -> bool:
    """Tell whether it could be an id of this cell's. Raises ApiError (421) for another one's."""
    if not is_id(text, kind):
        return False
    refuse_foreign(_NAMES[kind], cell_of(text), here=context.settings.cell, at=at)
    return True


def _own(found: T | None, tenant: str, what: str, at: str | None = None) -> T:
    if found is None or found.tenant != tenant:
        raise not_found(what, at=at)
    return found

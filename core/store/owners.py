"""Whose a thing is, by what stands beside its record: of one that cannot be read nobody else may hear that it is there."""

from core.ids import IdKind
from core.store.redis.client import Store
from core.store.redis.keys import key

#: the hashes that name their tenant
_SHAPES: dict[str, str] = {"job": "job", "ses": "session", "bat": "batch", "dlv": "delivery"}


async def is_of_tenant(store: Store, tenant: str, item_id: str, kind: IdKind) -> bool:
    """Tell whether it is this tenant's. An upload that has not come is nobody's here."""
    if kind == "upl":
        return await store.ask("ZSCORE", key("tenant_uploads", tenant), item_id) is not None
    owner: bytes | None = await store.ask("HGET", key(_SHAPES[kind], item_id), "tenant")
    return owner is not None and owner.decode() == tenant

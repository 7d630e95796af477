"""Durability checks: what `/readyz` and a starting process warn of, where Redis may lose what it was told, or takes nothing."""

from collections.abc import Mapping

from redis.exceptions import NoPermissionError, ReadOnlyError, ResponseError

from core.store.redis.client import Store
from core.store.redis.keys import key
from core.store.redis.refusals import PassingRefusal

_NO_AOF = "Redis runs without AOF (appendonly no): a restart of it loses accepted jobs."
_REPLICA = "Redis is a replica, and takes nothing: REDIS_URL must lead to the primary."
_EVICTS = "Redis may evict keys (maxmemory-policy is not noeviction): accepted jobs can vanish."


async def durability_warnings(store: Store) -> list[str]:
    """Name what is missing, each in a sentence. Of a Redis that does not tell its settings it is only seen whether it writes."""
    return await _warnings(store, await _settings(store))


async def is_durable(store: Store) -> bool | None:
    """Whether nothing is missing. None: it does not tell."""
    found = await _settings(store)
    if await _warnings(store, found):
        return False
    return True if "appendonly" in found else None


async def _settings(store: Store) -> Mapping[str, str]:
    """Read the settings that count; hosted ones refuse CONFIG, and say less."""
    try:
        found: Mapping[str, str] = await store.redis.config_get("appendonly", "maxmemory-policy", "replicaof")  # type: ignore[arg-type]
    except ResponseError:
        return await _told_by_info(store)
    return found


async def _told_by_info(store: Store) -> Mapping[str, str]:
    """Read what INFO says of them. How a hosted one keeps what it is told is its host's to say, so nothing of its log."""
    try:
        memory, replication = await store.redis.info("memory"), await store.redis.info("replication")
    except ResponseError:
        return {}
    primary = replication.get("master_host", "")
    return {"maxmemory-policy": memory.get("maxmemory_policy", "noeviction"), "replicaof": primary}


async def _warnings(store: Store, found: Mapping[str, str]) -> list[str]:
    warnings = []
    if found.get("appendonly") == "no":
        warnings.append(_NO_AOF)
    if found.get("maxmemory-policy", "noeviction") != "noeviction":
        warnings.append(_EVICTS)
    if refused := await _refused_writes(store):
        warnings.append(refused)
    elif found.get("replicaof"):
        warnings.append(_REPLICA)
    return warnings


async def _refused_writes(store: Store) -> str | None:
    """Say why it takes nothing, though it answers: by a write that changes nothing, which a full Redis takes as well."""
    try:
        await store.redis.persist(key("formats"))
    except ReadOnlyError:
        return _REPLICA
    except NoPermissionError:  # its user may do what is needed, and not this
        return None
    except PassingRefusal as refusal:
        return f"Redis takes nothing for now: {refusal.why}."
    return None
